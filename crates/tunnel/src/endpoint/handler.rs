//! Grants or refuses what a client requests. russh calls the handler from the loop of the connection: nothing
//! here may wait.

use std::sync::Arc;

use russh::keys::{Algorithm, Certificate, HashAlg};
use russh::server::VerifiedPublicKey;
use russh::server::{
    Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Response, Session as Ssh,
};
use russh::{Channel, ChannelId, Disconnect};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::endpoint::autossh::{MonitorForwards, relay};
use crate::endpoint::context::ConnectionContext;
use crate::endpoint::refusal::brief;
use crate::endpoint::registry::{Client, PortUse, Registry, is_loopback, is_own_address};
use crate::endpoint::session::{Parts, Session};
use crate::endpoint::{Refusal, SessionHandler};
use crate::version::Version;
use crate::{PublicKey, Service, SignerPort, algorithms};

/// Handles the requests of one client.
pub(super) struct ServerHandler<A> {
    registry: Arc<Registry>,
    session_handler: Arc<A>,
    context: ConnectionContext,
    /// Whether the client tried to authenticate, with a key or without.
    tried: bool,
    /// The key that was offered last, for the log.
    fingerprint: Option<String>,
    client: Option<Arc<Client>>,
    peer_version: Version,
    /// The services of this connection, each until its token is cancelled.
    served: Vec<(Service, (String, u32), CancellationToken)>,
    monitor_forwards: MonitorForwards,
    monitor_slots: Arc<Semaphore>,
    /// Refusals that were logged for this connection, with the key.
    logged: Vec<(Refusal, Option<String>)>,
    /// Requests so far, but for channels to monitor forwards.
    requests: u32,
}

/// Requests in the life of a connection: two services and a monitor need four forwards, and a signer whose
/// port is refused requests it again every half second. russh queues its replies without a bound.
const MAX_REQUESTS: u32 = 500;
/// What a client is told whose key was taken out of the configuration, or has another port there now.
const REVOKED: &str =
    "gateway.toml was changed: this key is not in it any more, or has another name or port there";
const STOPPING: &str = "the gateway is stopping";
/// Channels to monitor forwards at once; autossh opens one at a time.
const MONITOR_CHANNELS: usize = 1;

impl<A: SessionHandler> ServerHandler<A> {
    pub(super) fn new(
        registry: Arc<Registry>,
        session_handler: Arc<A>,
        context: ConnectionContext,
    ) -> ServerHandler<A> {
        ServerHandler {
            registry,
            session_handler,
            context,
            tried: false,
            fingerprint: None,
            client: None,
            peer_version: Version::default(),
            served: Vec::new(),
            monitor_forwards: MonitorForwards::default(),
            monitor_slots: Arc::new(Semaphore::new(MONITOR_CHANNELS)),
            logged: Vec::new(),
            requests: 0,
        }
    }

    fn find(&mut self, key: &russh::keys::PublicKey, signature: &Algorithm) -> Option<Arc<Client>> {
        self.tried = true;
        self.fingerprint = Some(key.fingerprint(HashAlg::Sha256).to_string());
        if !algorithms::is_taken(signature) {
            self.refuse(Refusal::Algorithm, &format!("a signature of kind {signature}"));
            return None;
        }
        let client = self.registry.find(&PublicKey::of(key));
        if client.is_none() {
            self.refuse(Refusal::UnknownKey, "a key");
        }
        client
    }

    fn serve(&mut self, client: &Arc<Client>, service: Service, asked: (String, u32), ssh: &Ssh) {
        self.end_service(service);
        let ended = self.context.ended.child_token();
        self.served.push((service, asked.clone(), ended.clone()));
        let session = Session::new(Parts {
            id: self.registry.next_id(),
            signer: client.authorized.id,
            service,
            peer_version: self.peer_version.clone(),
            asked,
            handle: ssh.handle(),
            context: self.context.clone(),
        });
        let (client, session_handler) = (Arc::clone(client), Arc::clone(&self.session_handler));
        let peer = self.context.peer;
        self.context.tasks.spawn(async move {
            let log = |line: &str| {
                if let Some(suppressed) = client.admit_line() {
                    let signer = client.authorized.name.as_str();
                    tracing::info!(signer, %service, %peer, "{line}{suppressed}");
                }
            };
            log("a session is open");
            tokio::select! {
                () = session_handler.handle(session) => {}
                () = ended.cancelled() => {}
            }
            log("a session has ended");
        });
    }

    /// Ends the connection when its key is not authorised any more, and when the gateway stops, and tells the client which.
    fn say_why_it_ends(&self, client: Arc<Client>, ssh: &Ssh) {
        let (context, handle) = (self.context.clone(), ssh.handle());
        self.context.tasks.spawn(async move {
            let (reason, why) = tokio::select! {
                () = client.revoked() => (Disconnect::HostNotAllowedToConnect, REVOKED),
                () = context.stop.cancelled() => (Disconnect::ByApplication, STOPPING),
                () = context.ended.cancelled() => return,
            };
            tokio::select! {
                // When it fails, the connection has ended already.
                _ = handle.disconnect(reason, why.to_owned(), "en".to_owned()) => {}
                () = context.ended.cancelled() => {}
            }
        });
    }

    fn end_service(&mut self, service: Service) {
        self.served.retain(|(own, _, ended)| {
            let ends = *own == service;
            if ends {
                ended.cancel();
            }
            !ends
        });
    }

    /// What becomes of `-R address:port`.
    fn forward(&mut self, address: &str, port: u32, ssh: &mut Ssh) -> bool {
        let Some(client) = self.client.clone() else { return false };
        let what = format!("the forward of {}:{port}", brief(address));
        if !is_own_address(address) {
            self.refuse(Refusal::Address, &what);
            return false;
        }
        match self.registry.port_use(&client, port) {
            // The client is told that it would get the port, and is asked nothing.
            PortUse::Own(_) if self.peer_version.is_check => true,
            PortUse::Own(service) => {
                self.serve(&client, service, (address.to_owned(), port), ssh);
                true
            }
            PortUse::Free
                if !self.peer_version.is_peel && self.monitor_forwards.add(address, port) =>
            {
                self.log_monitor(&client, port);
                true
            }
            PortUse::Free | PortUse::Taken => {
                self.refuse(Refusal::Port, &what);
                self.name_own_port(client.authorized.port, port, ssh);
                false
            }
        }
    }

    fn log_monitor(&self, client: &Client, port: u32) {
        let Some(suppressed) = client.admit_line() else { return };
        let (signer, peer) = (client.authorized.name.as_str(), self.context.peer);
        tracing::info!(
            signer, %peer,
            "port {port} is taken for autossh's monitor: it is joined inside the connection, and no \
             other client reaches it. This signer's own port is {}{suppressed}",
            client.authorized.port
        );
    }

    /// Tells a Peel signer which port it has here: a refusal carries no text, a disconnect does.
    fn name_own_port(&self, own: SignerPort, asked: u32, ssh: &mut Ssh) {
        if !self.peer_version.is_peel {
            return;
        }
        let line = format!(
            "port {asked} is not this signer's: gateway.toml says port = {own}; write the same into \
             signer.toml"
        );
        if let Err(error) = ssh.disconnect(Disconnect::ServiceNotAvailable, &line, "en") {
            tracing::debug!(%error, "the connection ended before the client was told its port");
        }
    }

    fn cancel(&mut self, address: &str, port: u32) -> bool {
        let asked = (address.to_owned(), port);
        match self.served.iter().find(|(_, own, _)| *own == asked).map(|(service, ..)| *service) {
            Some(service) => {
                self.end_service(service);
                true
            }
            None => self.monitor_forwards.remove(address, port),
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
        let target = if is_loopback(host) { self.monitor_forwards.find(port) } else { None };
        let slot = Arc::clone(&self.monitor_slots).try_acquire_owned().ok();
        let monitor = self.client.clone().and_then(|client| Some((client.monitor()?, client)));
        let (Some(target), Some(slot), Some((monitor, client))) = (target, slot, monitor) else {
            self.refuse(Refusal::Direct, &format!("a connection to {}:{port}", brief(host)));
            return self.count_request();
        };
        let (context, handle) = (self.context.clone(), ssh.handle());
        self.context.tasks.spawn(async move {
            tokio::select! {
                () = relay(channel, reply, target, handle, (&context, &client)) => {}
                () = context.ended.cancelled() => {}
            }
            drop((slot, monitor));
        });
        Ok(())
    }
}

impl<A> ServerHandler<A> {
    /// Counts a refusal, and logs the first of its kind for each key.
    fn refuse(&mut self, refusal: Refusal, what: &str) {
        let entry = (refusal, self.fingerprint.clone());
        if self.logged.contains(&entry) {
            self.registry.refusals.note(refusal);
            return;
        }
        let suppressed = self.registry.refuse(refusal, self.fingerprint.as_deref());
        self.logged.push(entry);
        let Some(suppressed) = suppressed else { return };
        let key = self.fingerprint.as_deref().unwrap_or("none");
        let signer =
            self.client.as_ref().map_or("unknown", |client| client.authorized.name.as_str());
        tracing::warn!(peer = %self.context.peer, key, signer, "refused {what}: {refusal}{suppressed}");
    }

    /// Counts a request.
    ///
    /// # Errors
    /// After [`MAX_REQUESTS`]: the connection is closed.
    fn count_request(&mut self) -> Result<(), russh::Error> {
        self.requests += 1;
        if self.requests <= MAX_REQUESTS {
            return Ok(());
        }
        self.refuse(Refusal::Flood, "another request");
        Err(russh::Error::Disconnect)
    }
}

/// Records clients that disconnect without having authenticated.
impl<A> Drop for ServerHandler<A> {
    fn drop(&mut self) {
        let gave_up = self.tried && self.client.is_none() && self.logged.is_empty();
        if gave_up && !self.context.liveness.is_cut() {
            match self.fingerprint {
                Some(_) => self.refuse(Refusal::Login, "a key"),
                None => self.refuse(Refusal::Method, "a login without a key"),
            }
        }
    }
}

impl<A: SessionHandler> Handler for ServerHandler<A> {
    type Error = russh::Error;

    /// Every stock client begins with "none", to learn which methods there are.
    async fn auth_none(&mut self, _: &str) -> Result<Auth, russh::Error> {
        self.tried = true;
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
        let known = self.find(offer.public_key, offer.algorithm).is_some();
        Ok(if known { Auth::Accept } else { Auth::reject() })
    }

    async fn auth_publickey(
        &mut self,
        _: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, russh::Error> {
        self.client = self.find(key.public_key, key.algorithm);
        Ok(if self.client.is_some() { Auth::Accept } else { Auth::reject() })
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
        let Some(client) = &self.client else { return Err(russh::Error::NotAuthenticated) };
        self.peer_version = Version::parse(ssh.remote_sshid());
        self.context.authenticated.cancel();
        self.say_why_it_ends(Arc::clone(client), ssh);
        if client.add_connection(&self.context.liveness, self.registry.limits) {
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
        self.count_request()
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
        self.count_request()
    }

    async fn channel_open_direct_streamlocal(
        &mut self,
        _: Channel<Msg>,
        path: &str,
        _: ChannelOpenHandle,
        _: &mut Ssh,
    ) -> Result<(), russh::Error> {
        self.refuse(Refusal::Direct, &format!("a connection to the socket {}", brief(path)));
        self.count_request()
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
        self.count_request()
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
        self.context.channels.close();
        Ok(())
    }

    async fn tcpip_forward(
        &mut self,
        address: &str,
        port: &mut u32,
        ssh: &mut Ssh,
    ) -> Result<bool, russh::Error> {
        let granted = self.forward(address, *port, ssh);
        self.count_request().map(|()| granted)
    }

    async fn streamlocal_forward(&mut self, path: &str, _: &mut Ssh) -> Result<bool, russh::Error> {
        self.refuse(Refusal::Address, &format!("the forward of the socket {}", brief(path)));
        self.count_request().map(|()| false)
    }

    async fn cancel_tcpip_forward(
        &mut self,
        address: &str,
        port: u32,
        _: &mut Ssh,
    ) -> Result<bool, russh::Error> {
        let cancelled = self.cancel(address, port);
        self.count_request().map(|()| cancelled)
    }
}
