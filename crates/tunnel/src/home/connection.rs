//! An ssh connection to a gateway: who they are, who we are, and what comes through.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use russh::client::{
    self, AuthResult, ChannelOpenHandle, DisconnectReason, Handler, Msg, Session as Ssh,
};
use russh::keys::{Algorithm, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{Channel, ChannelId, ChannelOpenFailure, Disconnect, Names, Preferred, SshId};
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::foreign_text::escaped;
use crate::home::Gateway;
use crate::home::board::Trouble;
use crate::stream::{Channels, Parting};
use crate::version::Version;
use crate::wire::{CutOnDrop, Watch, Wire};
use crate::{Identity, PublicKey, Stream, algorithms};

/// Where the streams of a link go.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// To whoever serves HTTP.
    Signing(mpsc::Sender<Stream>),
    /// To the sshd.
    Shell(SocketAddr),
}

/// An ssh connection on which both sides have proved who they are. Dropping it cuts it.
pub(super) struct Connection {
    ssh: Arc<client::Handle<Doorkeeper>>,
    gateway: Gateway,
    said: Arc<Mutex<Said>>,
    turns: Turns,
    pub(super) watch: Watch,
    channels: Channels,
    tasks: TaskTracker,
    _leave: DropGuard,
    _cut: CutOnDrop,
}

/// What is needed to make one.
#[derive(Clone)]
pub(super) struct Terms {
    pub(super) identity: Identity,
    pub(super) gateway: Gateway,
    pub(super) metered: bool,
    pub(super) target: Target,
    pub(super) turns: Turns,
    /// It only asks whether it would be let in.
    pub(super) is_check: bool,
}

/// The links that ask the same gateway for the same port.
pub(super) type Turns = Arc<tokio::sync::Mutex<()>>;

/// Looks at the host key, and takes streams in. Called from inside the connection's own loop: nothing
/// here may wait.
struct Doorkeeper {
    host_key: PublicKey,
    said: Arc<Mutex<Said>>,
    target: Target,
    watch: Watch,
    channels: Channels,
    parting: Parting,
    tasks: TaskTracker,
    leave: CancellationToken,
}

/// What the gateway said of itself.
#[derive(Debug, Default)]
struct Said {
    /// Which program it is.
    version: Version,
    /// The fingerprint of a host key that is not the right one.
    wrong_host_key: Option<String>,
    /// Why it ended the connection, as far as it said so.
    goodbye: Option<(Disconnect, String)>,
}

/// Characters of a goodbye: room for a sentence.
const GOODBYE: usize = 400;
/// Connections to the sshd at once, over one line: a gateway must not use up what signing needs.
const SHELLS: usize = 32;
/// For a gateway that is a stock sshd to close what was let go here, over a slow line.
const LINGER: Duration = Duration::from_millis(500);
/// For the sshd to take a connection.
const SHELL_LIMIT: Duration = Duration::from_secs(3);
/// For the other links of this signer to have asked: one over a silent line is not waited for.
const TURN_LIMIT: Duration = Duration::from_secs(1);
/// For a gateway to hear that we go.
const GOODBYE_LIMIT: Duration = Duration::from_millis(500);

impl Terms {
    /// Proves to each side who the other is, over a connection that was just made.
    ///
    /// # Errors
    /// When one of them is not who it should be, or ssh ends.
    pub(super) async fn meet(self, stream: TcpStream) -> Result<Connection, Trouble> {
        let config = Arc::new(self.russh_config());
        let (wire, watch) = Wire::new(stream);
        let (cut, tasks, leave) =
            (watch.cut_on_drop(), TaskTracker::new(), CancellationToken::new());
        let (said, channels) = (Arc::<Mutex<Said>>::default(), Channels::default());
        let (gateway, turns) = (self.gateway.clone(), self.turns.clone());
        let doorkeeper = Doorkeeper {
            host_key: self.gateway.host_key.clone(),
            said: Arc::clone(&said),
            target: self.target,
            watch: watch.clone(),
            channels: channels.clone(),
            parting: Parting::new(LINGER, tasks.clone(), leave.clone()),
            tasks: tasks.clone(),
            leave: leave.clone(),
        };
        let ssh = client::connect_stream(config, wire, doorkeeper).await;
        let mut ssh = ssh.map_err(|error| match lock(&said).wrong_host_key.take() {
            Some(shown) => Trouble::wrong_host_key(&self.gateway, &shown),
            None => Trouble::no_ssh(&self.gateway, &error),
        })?;
        let key = PrivateKeyWithHashAlg::new(self.identity.private(), None);
        let proved = ssh.authenticate_publickey(self.gateway.user.clone(), key).await;
        let proved = proved.map_err(|error| Trouble::no_ssh(&self.gateway, &error))?;
        match proved {
            AuthResult::Success => {}
            // So russh says that the connection ended; who refuses a key names what else may be tried.
            AuthResult::Failure { remaining_methods, .. } if remaining_methods.is_empty() => {
                return Err(Trouble::closed(&self.gateway));
            }
            AuthResult::Failure { .. } => {
                return Err(Trouble::key_refused(&self.gateway, &self.identity));
            }
        }
        let ssh = Arc::new(ssh);
        Ok(Connection {
            ssh,
            gateway,
            said,
            turns,
            watch,
            channels,
            tasks,
            _leave: leave.drop_guard(),
            _cut: cut,
        })
    }

    fn russh_config(&self) -> client::Config {
        let version = Version { is_peel: true, is_metered: self.metered, is_check: self.is_check };
        client::Config {
            client_id: SshId::Standard(version.line().into()),
            // Silence is watched on the wire, where a write that is stuck cannot hide it, and the link
            // knows when to ask.
            inactivity_timeout: None,
            keepalive_interval: None,
            nodelay: true,
            preferred: self.preferred(),
            ..client::Config::default()
        }
    }

    /// A stock sshd has host keys of several kinds, and shows the one that the client would rather see.
    fn preferred(&self) -> Preferred {
        let preferred = algorithms::offered();
        let is_known = |kind: &&Algorithm| self.gateway.host_key.is_of_kind(kind);
        let (known, others): (Vec<_>, Vec<_>) = preferred.key.iter().partition(is_known);
        Preferred { key: known.into_iter().chain(others).cloned().collect(), ..preferred }
    }
}

impl Connection {
    /// Asks for a port. Whether it is ours now. `was_denied`: it was not, the last time.
    ///
    /// A stock sshd binds a port for IPv4 and for IPv6, one after the other, and grants it when either
    /// succeeds. So two connections that ask at the same time can get half of it each, and one that asks
    /// while the last holder ends can get the half that is free already: the link would be up, and
    /// nobody listen. The links of one signer ask in turn, and a port that was denied before is given
    /// back and asked for again, when its last holder is surely gone.
    ///
    /// # Errors
    /// When there was no answer.
    pub(super) fn ask_for(
        &self,
        port: u16,
        was_denied: bool,
    ) -> impl Future<Output = Result<bool, Trouble>> + Send + use<> {
        let (ssh, said) = (Arc::clone(&self.ssh), Arc::clone(&self.said));
        let (gateway, watch) = (self.gateway.clone(), self.watch.clone());
        let (turns, is_stock) = (Arc::clone(&self.turns), !lock(&said).version.is_peel);
        async move {
            let turn = timeout(TURN_LIMIT, turns.lock());
            let _turn = if is_stock { turn.await.ok() } else { None };
            let again = is_stock && was_denied;
            match forward(&ssh, u32::from(port), again).await {
                Ok(granted) => Ok(granted),
                Err(_) => {
                    // What it said, if anything, has been read when the connection is over.
                    watch.gone().await;
                    Err(ending(&gateway, &said))
                }
            }
        }
    }

    /// Why the connection is over, as far as the gateway said so.
    pub(super) fn ending(&self) -> Trouble {
        ending(&self.gateway, &self.said)
    }

    /// Asks the other side whether it is there; whatever it answers is heard on the wire.
    pub(super) fn ping(&self) {
        // When the queue is full there is enough under way that wants an answer.
        if let Some(Err(error)) = self.ssh.send_keepalive(true).now_or_never() {
            tracing::debug!(%error, "a connection is over that should be asked");
        }
    }

    /// Whether so much came through it that another one has to be made.
    pub(super) fn is_worn_out(&self) -> bool {
        self.channels.are_too_many()
    }

    /// Says goodbye, and lets go.
    pub(super) async fn close(self) {
        let goodbye = self.ssh.disconnect(Disconnect::ByApplication, "the signer stops", "en");
        if timeout(GOODBYE_LIMIT, async { goodbye.await.is_ok() && self.flushed().await })
            .await
            .is_err()
        {
            tracing::debug!("a gateway did not hear that the signer stops");
        }
        let Connection { tasks, watch, .. } = self;
        watch.cut();
        tasks.close();
        if timeout(GOODBYE_LIMIT, tasks.wait()).await.is_err() {
            tracing::debug!("a shell's connection does not end");
        }
    }

    async fn flushed(&self) -> bool {
        self.watch.gone().await;
        true
    }
}

/// Asks for a port, and `again` if it is granted. Whether it is ours now.
async fn forward(
    ssh: &client::Handle<Doorkeeper>,
    port: u32,
    again: bool,
) -> Result<bool, russh::Error> {
    // Where a stock sshd listens is its configuration's to say; without a word there, on loopback.
    const ADDRESS: &str = "localhost";
    let ask = async || match ssh.tcpip_forward(ADDRESS, port).await {
        Ok(_) => Ok(true),
        Err(russh::Error::RequestDenied) => Ok(false),
        Err(error) => Err(error),
    };
    if !ask().await? {
        return Ok(false);
    }
    if !again {
        return Ok(true);
    }
    ssh.cancel_tcpip_forward(ADDRESS, port).await?;
    ask().await
}

impl Doorkeeper {
    /// A stream for HTTP, if it has room.
    async fn take_in(
        queue: mpsc::Sender<Stream>,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        parting: Parting,
    ) {
        match queue.try_reserve() {
            Ok(place) => {
                reply.accept().await;
                place.send(Stream::new(channel.into_stream(), parting));
            }
            Err(_) => reply.reject(ChannelOpenFailure::ResourceShortage).await,
        }
    }
}

/// A stream for the sshd.
async fn show_shell(
    at: SocketAddr,
    channel: Channel<Msg>,
    reply: ChannelOpenHandle,
    parting: Parting,
) {
    let mut shell = match timeout(SHELL_LIMIT, TcpStream::connect(at)).await {
        Ok(Ok(shell)) => shell,
        Ok(Err(_)) | Err(_) => {
            tracing::warn!("the sshd at {at} takes no connection; is it running?");
            reply.reject(ChannelOpenFailure::ConnectFailed).await;
            return;
        }
    };
    reply.accept().await;
    let mut stream = Stream::new(channel.into_stream(), parting);
    if let Err(error) = copy_bidirectional(&mut stream, &mut shell).await {
        tracing::debug!(%error, "a shell's connection ended badly");
    }
}

impl Handler for Doorkeeper {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        shown: &PublicKeyOrCertificate,
    ) -> Result<bool, russh::Error> {
        let key = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => PublicKey::of(key),
            PublicKeyOrCertificate::Certificate(_) => return Ok(false),
        };
        let is_pinned = key == self.host_key;
        if !is_pinned {
            lock(&self.said).wrong_host_key = Some(key.fingerprint());
        }
        Ok(is_pinned)
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        channel: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Ssh,
    ) -> Result<(), russh::Error> {
        if self.channels.open() {
            self.watch.cut();
        }
        let parting = self.parting.clone();
        match &self.target {
            Target::Signing(queue) => Self::take_in(queue.clone(), channel, reply, parting).await,
            Target::Shell(_) if self.tasks.len() >= SHELLS => {
                reply.reject(ChannelOpenFailure::ResourceShortage).await;
            }
            Target::Shell(at) => {
                let (at, leave) = (*at, self.leave.clone());
                self.tasks.spawn(async move {
                    tokio::select! {
                        () = show_shell(at, channel, reply, parting) => {}
                        () = leave.cancelled() => {}
                    }
                });
            }
        }
        Ok(())
    }

    async fn kex_done(
        &mut self,
        _: Option<&[u8]>,
        _: &Names,
        ssh: &mut Ssh,
    ) -> Result<(), russh::Error> {
        lock(&self.said).version = Version::parse(ssh.remote_sshid());
        Ok(())
    }

    async fn disconnected(
        &mut self,
        reason: DisconnectReason<russh::Error>,
    ) -> Result<(), russh::Error> {
        match reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                let message = escaped(&info.message, GOODBYE);
                lock(&self.said).goodbye = Some((info.reason_code, message));
                Ok(())
            }
            DisconnectReason::Error(error) => Err(error),
        }
    }

    async fn channel_close(&mut self, _: ChannelId, _: &mut Ssh) -> Result<(), russh::Error> {
        self.channels.close();
        Ok(())
    }
}

fn ending(gateway: &Gateway, said: &Mutex<Said>) -> Trouble {
    match lock(said).goodbye.take() {
        // Only a gateway of ours says so, and only of the port.
        Some((Disconnect::ServiceNotAvailable, message)) => Trouble::wrong_port(gateway, &message),
        Some((Disconnect::HostNotAllowedToConnect, message)) => Trouble::refused(gateway, &message),
        Some((_, message)) => Trouble::closed_saying(gateway, &message),
        None => Trouble::closed(gateway),
    }
}

fn lock(said: &Mutex<Said>) -> MutexGuard<'_, Said> {
    said.lock().unwrap_or_else(PoisonError::into_inner)
}
