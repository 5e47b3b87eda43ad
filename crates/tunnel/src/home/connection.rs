//! An ssh connection to a gateway: the handshake, the forward, and the end.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use parking_lot::Mutex;
use russh::client::{self, AuthResult};
use russh::keys::{Algorithm, PrivateKeyWithHashAlg};
use russh::{Disconnect, Preferred, SshId};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::home::Gateway;
use crate::home::error::LinkError;
use crate::home::handler::{ClientHandler, ServerInfo, Target};
use crate::stream::{Linger, OpenChannels};
use crate::traffic::Traffic;
use crate::version::{UplinkName, Version};
use crate::wire::{CutOnDrop, Liveness, WINDOW, Wire};
use crate::{Identity, algorithms};

/// An ssh connection on which both sides have proved their keys. Dropping it cuts it.
pub(super) struct Connection {
    ssh: Arc<client::Handle<ClientHandler>>,
    gateway: Gateway,
    server: Arc<Mutex<ServerInfo>>,
    forward_lock: ForwardLock,
    pub(super) liveness: Liveness,
    channels: OpenChannels,
    tasks: TaskTracker,
    /// The answer to the keepalive that measures the round trip, while it is waited for.
    pong: Option<Pong>,
    _ended: DropGuard,
    _cut: CutOnDrop,
}

/// Gives how long the answer took; never, when there is none.
type Pong = Pin<Box<dyn Future<Output = Duration> + Send>>;

/// What is needed to make a [`Connection`].
#[derive(Clone)]
pub(super) struct Handshake {
    pub(super) identity: Identity,
    pub(super) gateway: Gateway,
    pub(super) metered: bool,
    /// The interface that the connection is bound to.
    pub(super) uplink: Option<String>,
    /// Where the connection's bytes are counted.
    pub(super) traffic: Traffic,
    pub(super) target: Target,
    pub(super) forward_lock: ForwardLock,
    /// The connection is only tried: no request is to be sent over it.
    pub(super) is_check: bool,
}

/// Held by the link that requests a port, among those that request the same one.
pub(super) type ForwardLock = Arc<tokio::sync::Mutex<()>>;

/// For a stock sshd to close the channels that were closed here, over a slow uplink.
const LINGER: Duration = Duration::from_millis(500);
/// For the other links of this signer to have requested the port: one over a silent uplink is not waited for.
const LOCK_LIMIT: Duration = Duration::from_secs(1);
/// For a gateway to close the connection after a disconnect.
const DISCONNECT_LIMIT: Duration = Duration::from_millis(500);

impl Handshake {
    /// Checks the host key and proves the identity, over a TCP connection that was just made.
    ///
    /// # Errors
    /// When either key is wrong, or ssh ends.
    pub(super) async fn run(self, stream: TcpStream) -> Result<Connection, LinkError> {
        let config = Arc::new(self.russh_config());
        let (wire, liveness) = Wire::new(stream, self.traffic);
        let (cut, tasks, ended) =
            (liveness.cut_on_drop(), TaskTracker::new(), CancellationToken::new());
        let (server, channels) = (Arc::<Mutex<ServerInfo>>::default(), OpenChannels::default());
        let (gateway, forward_lock) = (self.gateway.clone(), self.forward_lock.clone());
        let handler = ClientHandler {
            host_key: self.gateway.host_key.clone(),
            server: Arc::clone(&server),
            target: self.target,
            liveness: liveness.clone(),
            channels: channels.clone(),
            linger: Linger::new(LINGER, tasks.clone(), ended.clone()),
            tasks: tasks.clone(),
            ended: ended.clone(),
        };
        let ssh = client::connect_stream(config, wire, handler).await;
        let mut ssh = ssh.map_err(|error| match server.lock().wrong_host_key.take() {
            Some(shown) => LinkError::wrong_host_key(&self.gateway, &shown),
            None => LinkError::no_ssh(&self.gateway, &error),
        })?;
        let key = PrivateKeyWithHashAlg::new(self.identity.private(), None);
        let proved = ssh.authenticate_publickey(self.gateway.user.clone(), key).await;
        let proved = proved.map_err(|error| LinkError::no_ssh(&self.gateway, &error))?;
        match proved {
            AuthResult::Success => {}
            // So russh reports that the connection ended; a refusal names the remaining methods.
            AuthResult::Failure { remaining_methods, .. } if remaining_methods.is_empty() => {
                return Err(LinkError::closed(&self.gateway));
            }
            AuthResult::Failure { .. } => {
                return Err(LinkError::key_refused(&self.gateway, &self.identity));
            }
        }
        let ssh = Arc::new(ssh);
        Ok(Connection {
            ssh,
            gateway,
            server,
            forward_lock,
            liveness,
            channels,
            tasks,
            pong: None,
            _ended: ended.drop_guard(),
            _cut: cut,
        })
    }

    fn russh_config(&self) -> client::Config {
        let version = Version {
            is_peel: true,
            is_metered: self.metered,
            is_check: self.is_check,
            uplink: self.uplink.as_deref().and_then(UplinkName::parse),
        };
        client::Config {
            client_id: SshId::Standard(version.line().into()),
            // Silence is detected in `wire`, where a write that is stuck cannot hide it, and the link
            // decides when to send a keepalive.
            inactivity_timeout: None,
            keepalive_interval: None,
            nodelay: true,
            window_size: WINDOW,
            preferred: self.preferred(),
            ..client::Config::default()
        }
    }

    /// A stock sshd has host keys of several kinds, and shows the one that the client prefers.
    fn preferred(&self) -> Preferred {
        let preferred = algorithms::offered();
        let is_known = |kind: &&Algorithm| self.gateway.host_key.is_of_kind(kind);
        let (known, others): (Vec<_>, Vec<_>) = preferred.key.iter().partition(is_known);
        Preferred { key: known.into_iter().chain(others).cloned().collect(), ..preferred }
    }
}

impl Connection {
    /// Requests a port. Returns whether it was granted. `was_denied`: the last request was denied.
    ///
    /// A stock sshd binds a port for IPv4 and for IPv6, one after the other, and grants it when either
    /// succeeds. So two connections that request it at the same time can get half of it each, and one that
    /// requests it while the last holder ends can get the half that is free already: the link would be up,
    /// with no listener. The links of one signer request it in turn, and a port that was denied before is
    /// given back and requested again, when its last holder is surely gone.
    ///
    /// # Errors
    /// When there was no answer.
    pub(super) fn ask_for(
        &self,
        port: u16,
        was_denied: bool,
    ) -> impl Future<Output = Result<bool, LinkError>> + Send + use<> {
        let (ssh, server) = (Arc::clone(&self.ssh), Arc::clone(&self.server));
        let (gateway, liveness) = (self.gateway.clone(), self.liveness.clone());
        let (forward_lock, is_stock) =
            (Arc::clone(&self.forward_lock), !server.lock().version.is_peel);
        async move {
            let turn = timeout(LOCK_LIMIT, forward_lock.lock());
            let _turn = if is_stock { turn.await.ok() } else { None };
            let again = is_stock && was_denied;
            match forward(&ssh, u32::from(port), again).await {
                Ok(granted) => Ok(granted),
                Err(_) => {
                    // A disconnect message, if there is one, has been read when the connection has ended.
                    liveness.gone().await;
                    Err(ending(&gateway, &server))
                }
            }
        }
    }

    /// Why the connection has ended, as far as the gateway said so.
    pub(super) fn ending(&self) -> LinkError {
        ending(&self.gateway, &self.server)
    }

    /// Sends a keepalive. The liveness shows whatever comes back; [`Connection::round_trip`] measures it, while no
    /// other one is being measured.
    pub(super) fn ping(&mut self) {
        if self.pong.is_none() {
            self.pong = Some(self.measure());
            return;
        }
        // When the queue is full, there is enough under way that has to be answered.
        if let Some(Err(error)) = self.ssh.send_keepalive(true).now_or_never() {
            tracing::debug!(%error, "no keepalive: the connection has ended");
        }
    }

    /// Sends the keepalive that is to be measured, if there is one, and returns how long its answer took; none when
    /// the connection has ended.
    pub(super) async fn round_trip(&mut self) -> Option<Duration> {
        let pong = async {
            match &mut self.pong {
                Some(pong) => pong.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            took = pong => {
                self.pong = None;
                Some(took)
            }
            () = self.liveness.gone() => None,
        }
    }

    fn measure(&self) -> Pong {
        let (ssh, liveness, sent) = (Arc::clone(&self.ssh), self.liveness.clone(), Instant::now());
        Box::pin(async move {
            // Of a connection that has ended russh says that it answered; its wire is gone by then.
            if ssh.send_ping().await.is_err() || liveness.is_gone() {
                return std::future::pending().await;
            }
            sent.elapsed()
        })
    }

    /// Whether the channel limit is reached, and the link has to reconnect.
    pub(super) fn has_reached_channel_limit(&self) -> bool {
        self.channels.are_too_many()
    }

    /// Disconnects, and waits for a moment until the gateway has closed the connection.
    pub(super) async fn close(self) {
        let disconnect = self.ssh.disconnect(Disconnect::ByApplication, "the signer stops", "en");
        let gone = self.liveness.gone();
        let closing = async {
            if disconnect.await.is_ok() {
                gone.await;
            }
        };
        if timeout(DISCONNECT_LIMIT, closing).await.is_err() {
            tracing::debug!("the gateway did not close the connection in time");
        }
        let Connection { tasks, liveness, .. } = self;
        liveness.cut();
        tasks.close();
        if timeout(DISCONNECT_LIMIT, tasks.wait()).await.is_err() {
            tracing::debug!("a shell's connection does not end");
        }
    }
}

/// Requests a port, gives it back, and requests it again if `again` is set. Returns whether it was granted.
async fn forward(
    ssh: &client::Handle<ClientHandler>,
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

fn ending(gateway: &Gateway, server: &Mutex<ServerInfo>) -> LinkError {
    match server.lock().disconnect.take() {
        // Sent by a Peel gateway only, and only about the port.
        Some((Disconnect::ServiceNotAvailable, message)) => {
            LinkError::wrong_port(gateway, &message)
        }
        Some((Disconnect::HostNotAllowedToConnect, message)) => {
            LinkError::refused(gateway, &message)
        }
        Some((_, message)) => LinkError::closed_saying(gateway, &message),
        None => LinkError::closed(gateway),
    }
}
