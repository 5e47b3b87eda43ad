//! Answers what a client asks of the endpoint. Called by russh from inside the connection's own loop:
//! nothing here may wait.

use std::sync::Arc;

use russh::keys::{Algorithm, Certificate, HashAlg};
use russh::server::VerifiedPublicKey;
use russh::server::{
    Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Response, Session as Ssh,
};
use russh::{Channel, ChannelId, Disconnect};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::endpoint::house::{House, Meaning, is_loopback, is_own_address};
use crate::endpoint::joined::{Joined, join};
use crate::endpoint::refusal::brief;
use crate::endpoint::session::{Parts, Session};
use crate::endpoint::visit::Scope;
use crate::endpoint::{Attendant, Refusal};
use crate::version::Version;
use crate::{Door, PublicKey, algorithms};

/// The one who opens, or does not.
pub(super) struct Porter<A> {
    house: Arc<House>,
    attendant: Arc<A>,
    scope: Scope,
    /// Whether it asked to be let in, with a key or without.
    knocked: bool,
    /// The key that was offered last, for the log.
    fingerprint: Option<String>,
    guest: Option<usize>,
    client: Version,
    /// The doors that are served over this connection, each until its token is cancelled.
    served: Vec<(Door, (String, u32), CancellationToken)>,
    joined: Joined,
    joining: Arc<Semaphore>,
    told: Vec<(Refusal, Option<String>)>,
    /// Requests so far, but for connections to what is joined.
    asked: u32,
}

/// A connection may ask for so much: two doors and a monitor need four forwards, and a signer whose port
/// is refused asks again every half second. russh queues without a bound what it has to answer.
const PATIENCE: u32 = 500;
/// Connections at once to forwards that are joined; autossh makes one at a time.
const JOINING: usize = 1;

impl<A: Attendant> Porter<A> {
    pub(super) fn new(house: Arc<House>, attendant: Arc<A>, scope: Scope) -> Porter<A> {
        Porter {
            house,
            attendant,
            scope,
            knocked: false,
            fingerprint: None,
            guest: None,
            client: Version::default(),
            served: Vec::new(),
            joined: Joined::default(),
            joining: Arc::new(Semaphore::new(JOINING)),
            told: Vec::new(),
            asked: 0,
        }
    }

    fn guest_with(&mut self, key: &russh::keys::PublicKey, signature: &Algorithm) -> Option<usize> {
        self.knocked = true;
        self.fingerprint = Some(key.fingerprint(HashAlg::Sha256).to_string());
        if !algorithms::is_taken(signature) {
            self.refuse(Refusal::Algorithm, &format!("a signature of kind {signature}"));
            return None;
        }
        let guest = self.house.guest_with(&PublicKey::of(key));
        if guest.is_none() {
            self.refuse(Refusal::UnknownKey, "a key");
        }
        guest
    }

    fn serve(&mut self, guest: usize, door: Door, asked: (String, u32), ssh: &Ssh) {
        self.end_door(door);
        let leave = self.scope.leave.child_token();
        self.served.push((door, asked.clone(), leave.clone()));
        let session = Session::new(Parts {
            id: self.house.next_id(),
            guest,
            door,
            client: self.client,
            asked,
            handle: ssh.handle(),
            scope: self.scope.clone(),
        });
        let (house, attendant) = (Arc::clone(&self.house), Arc::clone(&self.attendant));
        let peer = self.scope.peer;
        self.scope.tasks.spawn(async move {
            let signer = house.name(guest);
            tracing::info!(signer, %door, %peer, "a session is open");
            tokio::select! {
                () = attendant.attend(session) => {}
                () = leave.cancelled() => {}
            }
            tracing::info!(signer, %door, %peer, "a session has ended");
        });
    }

    fn end_door(&mut self, door: Door) {
        self.served.retain(|(own, _, leave)| {
            let ends = *own == door;
            if ends {
                leave.cancel();
            }
            !ends
        });
    }

    /// What becomes of `-R address:port`.
    fn forward(&mut self, address: &str, port: u32, ssh: &mut Ssh) -> bool {
        let Some(guest) = self.guest else { return false };
        let what = format!("the forward of {}:{port}", brief(address));
        if !is_own_address(address) {
            self.refuse(Refusal::Address, &what);
            return false;
        }
        match self.house.meaning(guest, port) {
            // It is told that it would get the port, and bakers are not sent to it.
            Meaning::Own(_) if self.client.is_check => true,
            Meaning::Own(door) => {
                self.serve(guest, door, (address.to_owned(), port), ssh);
                true
            }
            Meaning::Free if !self.client.is_peel && self.joined.add(address, port) => {
                let (signer, peer) = (self.house.name(guest), self.scope.peer);
                tracing::info!(
                    signer, %peer,
                    "port {port} is taken for autossh's monitor: it is joined inside the session, and \
                     nobody else reaches it. This signer's own port is {}",
                    self.house.port(guest)
                );
                true
            }
            Meaning::Free | Meaning::Taken => {
                self.refuse(Refusal::Port, &what);
                self.name_own_port(guest, port, ssh);
                false
            }
        }
    }

    /// Tells a Peel signer which port it has here: a refused request has no room for a word, the end of a
    /// connection has.
    fn name_own_port(&self, guest: usize, asked: u32, ssh: &mut Ssh) {
        if !self.client.is_peel {
            return;
        }
        let own = self.house.port(guest);
        let line = format!(
            "port {asked} is not this signer's: gateway.toml says port = {own}; write the same into \
             signer.toml"
        );
        if let Err(error) = ssh.disconnect(Disconnect::ServiceNotAvailable, &line, "en") {
            tracing::debug!(%error, "a connection is over that was to be told its port");
        }
    }

    fn cancel(&mut self, address: &str, port: u32) -> bool {
        let asked = (address.to_owned(), port);
        match self.served.iter().find(|(_, own, _)| *own == asked).map(|(door, ..)| *door) {
            Some(door) => {
                self.end_door(door);
                true
            }
            None => self.joined.remove(address, port),
        }
    }

    fn direct(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        reply: ChannelOpenHandle,
        ssh: &Ssh,
    ) -> Result<(), russh::Error> {
        let target = if is_loopback(host) { self.joined.find(port) } else { None };
        let place = Arc::clone(&self.joining).try_acquire_owned().ok();
        let monitor = self.guest.and_then(|guest| self.house.monitor(guest));
        let (Some(target), Some(place), Some(monitor)) = (target, place, monitor) else {
            self.refuse(Refusal::Direct, &format!("a connection to {}:{port}", brief(host)));
            return self.go_on();
        };
        let (scope, handle) = (self.scope.clone(), ssh.handle());
        self.scope.tasks.spawn(async move {
            tokio::select! {
                () = join(channel, reply, target, handle, &scope) => {}
                () = scope.leave.cancelled() => {}
            }
            drop((place, monitor));
        });
        Ok(())
    }
}

impl<A> Porter<A> {
    /// Counts every refusal, and logs each kind once for each key.
    fn refuse(&mut self, refusal: Refusal, what: &str) {
        let entry = (refusal, self.fingerprint.clone());
        if self.told.contains(&entry) {
            self.house.refusals.note(refusal);
            return;
        }
        let suppressed = self.house.refuse(refusal, self.fingerprint.as_deref());
        self.told.push(entry);
        let Some(suppressed) = suppressed else { return };
        let key = self.fingerprint.as_deref().unwrap_or("none");
        let signer = self.guest.map_or("unknown", |guest| self.house.name(guest));
        tracing::warn!(peer = %self.scope.peer, key, signer, "refused {what}: {refusal}{suppressed}");
    }

    /// Counts a request, and ends the connection of who asks for too much.
    fn go_on(&mut self) -> Result<(), russh::Error> {
        self.asked += 1;
        if self.asked <= PATIENCE {
            return Ok(());
        }
        self.refuse(Refusal::Flood, "another request");
        Err(russh::Error::Disconnect)
    }
}

/// Who hears that only keys are taken, and has none that is known, goes without another word.
impl<A> Drop for Porter<A> {
    fn drop(&mut self) {
        let gave_up = self.knocked && self.guest.is_none() && self.told.is_empty();
        if gave_up && !self.scope.watch.is_cut() {
            match self.fingerprint {
                Some(_) => self.refuse(Refusal::Login, "a key"),
                None => self.refuse(Refusal::Method, "somebody without a key"),
            }
        }
    }
}

impl<A: Attendant> Handler for Porter<A> {
    type Error = russh::Error;

    /// Every stock client begins with it, to hear what it may try.
    async fn auth_none(&mut self, _: &str) -> Result<Auth, russh::Error> {
        self.knocked = true;
        Ok(Auth::reject())
    }

    async fn auth_password(&mut self, _: &str, _: &str) -> Result<Auth, russh::Error> {
        self.refuse(Refusal::Method, "a password");
        Ok(Auth::reject())
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _: &str,
        _: &str,
        _: Option<Response<'a>>,
    ) -> Result<Auth, russh::Error> {
        self.refuse(Refusal::Method, "a dialogue");
        Ok(Auth::reject())
    }

    async fn auth_publickey_offered(
        &mut self,
        _: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, russh::Error> {
        let known = self.guest_with(offer.public_key, offer.algorithm).is_some();
        Ok(if known { Auth::Accept } else { Auth::reject() })
    }

    async fn auth_publickey(
        &mut self,
        _: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, russh::Error> {
        self.guest = self.guest_with(key.public_key, key.algorithm);
        Ok(if self.guest.is_some() { Auth::Accept } else { Auth::reject() })
    }

    async fn auth_openssh_certificate(
        &mut self,
        _: &str,
        _: &Certificate,
    ) -> Result<Auth, russh::Error> {
        self.refuse(Refusal::Method, "a certificate");
        Ok(Auth::reject())
    }

    async fn auth_succeeded(&mut self, ssh: &mut Ssh) -> Result<(), russh::Error> {
        let Some(guest) = self.guest else { return Err(russh::Error::NotAuthenticated) };
        self.client = Version::parse(ssh.remote_sshid());
        self.scope.admitted.cancel();
        if self.house.come_in(guest, &self.scope.watch) {
            self.refuse(Refusal::Crowd, "to keep the oldest connection");
        }
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        _: ChannelOpenHandle,
        _: &mut Ssh,
    ) -> Result<(), russh::Error> {
        self.refuse(Refusal::Session, "a session");
        self.go_on()
    }

    async fn channel_open_x11(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut Ssh,
    ) -> Result<(), russh::Error> {
        self.refuse(Refusal::Session, "X11");
        self.go_on()
    }

    async fn channel_open_direct_streamlocal(
        &mut self,
        _: Channel<Msg>,
        path: &str,
        _: ChannelOpenHandle,
        _: &mut Ssh,
    ) -> Result<(), russh::Error> {
        self.refuse(Refusal::Direct, &format!("a connection to the socket {}", brief(path)));
        self.go_on()
    }

    async fn channel_open_forwarded_tcpip(
        &mut self,
        _: Channel<Msg>,
        host: &str,
        port: u32,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut Ssh,
    ) -> Result<(), russh::Error> {
        self.refuse(Refusal::Direct, &format!("a connection from {}:{port}", brief(host)));
        self.go_on()
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        ssh: &mut Ssh,
    ) -> Result<(), russh::Error> {
        self.direct(channel, host, port, reply, ssh)
    }

    async fn channel_close(&mut self, _: ChannelId, _: &mut Ssh) -> Result<(), russh::Error> {
        self.scope.channels.close();
        Ok(())
    }

    async fn tcpip_forward(
        &mut self,
        address: &str,
        port: &mut u32,
        ssh: &mut Ssh,
    ) -> Result<bool, russh::Error> {
        let granted = self.forward(address, *port, ssh);
        self.go_on().map(|()| granted)
    }

    async fn streamlocal_forward(&mut self, path: &str, _: &mut Ssh) -> Result<bool, russh::Error> {
        self.refuse(Refusal::Address, &format!("the forward of the socket {}", brief(path)));
        self.go_on().map(|()| false)
    }

    async fn cancel_tcpip_forward(
        &mut self,
        address: &str,
        port: u32,
        _: &mut Ssh,
    ) -> Result<bool, russh::Error> {
        let cancelled = self.cancel(address, port);
        self.go_on().map(|()| cancelled)
    }
}
