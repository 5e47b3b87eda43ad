//! The gateway's end: an ssh endpoint that opens to each key its own two ports, and nothing else.
//!
//! ```text
//!  accept ─▶ preauth: a bounded number of unauthenticated connections, for a bounded time
//!     │
//!     ▼
//!  connection (one task each): russh calls the handler
//!     ├─ key unknown, password, shell, …  ─▶ refused, logged, counted
//!     └─ forward of the client's own port ─▶ Session ─▶ SessionHandler::handle, until the connection ends
//! ```
//!
//! No port is bound here: the session handler opens streams.

mod autossh;
mod connection;
mod context;
mod handler;
mod log_limit;
mod preauth;
mod refusal;
mod registry;
mod requests;
mod session;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use russh::server::Config as RusshConfig;
use russh::{MethodKind, MethodSet, SshId};
use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::endpoint::connection::Connection;
use crate::endpoint::preauth::PreauthSlots;
use crate::endpoint::registry::Registry;
use crate::turns::Turns;
use crate::version::Version;
use crate::wire::WINDOW;
use crate::{Identity, PublicKey, SignerPort, algorithms};

pub use refusal::{Refusal, Refusals};
pub use session::{OpenError, Session};

/// What the endpoint needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// What the endpoint proves itself with.
    pub host_key: Identity,
    /// The authorised clients. No two have a port in common.
    pub clients: Vec<AuthorizedClient>,
    /// Other ports that this process listens on: a forward of one of them is refused.
    pub taken: Vec<u16>,
    /// What is allowed.
    pub limits: Limits,
}

/// Which signer: a number that no other signer of this process has, or had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SignerId(usize);

impl SignerId {
    /// The one with this number.
    #[must_use]
    pub const fn new(number: usize) -> SignerId {
        SignerId(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> usize {
        self.0
    }
}

/// A key of the configuration, and what it may open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizedClient {
    /// Which signer it is.
    pub id: SignerId,
    /// Its name, for the log.
    pub name: String,
    /// Its ssh public key.
    pub key: PublicKey,
    /// Its port.
    pub port: SignerPort,
}

/// The authorised clients of an endpoint. Clones share them.
#[derive(Debug, Clone)]
pub struct AuthorizedClients(Arc<Registry>);

impl AuthorizedClients {
    /// Replaces them; no two have a port in common. A client that is the same as before keeps its connections; those of
    /// every other one are ended, and told that the key is not authorised any more.
    pub fn replace(&self, clients: Vec<AuthorizedClient>) {
        self.0.replace(clients);
    }
}

/// What the endpoint allows.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Unauthenticated connections at once. When all slots are taken, the oldest connection of the address
    /// that has most is closed, or new ones from there for some seconds.
    pub unauthenticated: usize,
    /// From TCP's handshake until a key is proved.
    pub login_grace: Duration,
    /// Connections of one key at once; beyond it, the least recently active one is closed.
    pub connections: usize,
    /// Silence after which a connection is closed.
    pub silent: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            // Each takes some 50 kB.
            unauthenticated: 512,
            // A metered uplink that wakes up takes some seconds; OpenSSH gives two minutes.
            login_grace: Duration::from_secs(20),
            // Two services over a few uplinks, twice: dead connections are not all known to be dead.
            connections: 16,
            silent: Duration::from_secs(15),
        }
    }
}

/// Handles the sessions of all clients.
pub trait SessionHandler: Send + Sync + 'static {
    /// Called when a session can open streams. The future is dropped when the connection ends.
    fn handle(&self, session: Session) -> impl Future<Output = ()> + Send;
}

/// A port that cannot be listened on. *Misused* or *failed*.
#[derive(Debug, Error)]
#[error("cannot listen on {address} for ssh: {cause}; is another program on that port?")]
pub struct ListenError {
    address: SocketAddr,
    cause: io::Error,
}

impl ListenError {
    /// Whether another program has the port.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.cause.kind() == io::ErrorKind::AddrInUse
    }
}

/// The ssh endpoint.
#[derive(Debug)]
pub struct Endpoint {
    listener: TcpListener,
    registry: Arc<Registry>,
    russh: Arc<RusshConfig>,
}

/// Silence after which a client is sent a keepalive. Peel's own clients send theirs more often.
const KEEPALIVE: Duration = Duration::from_secs(5);
/// Connections that wait to be accepted. tokio's own is 128.
const BACKLOG: u32 = 1024;
/// OpenSSH gives six; a signer has one key.
const AUTHENTICATION_TRIES: usize = 3;
/// From a wrong key to the refusal.
const REJECTION: Duration = Duration::from_secs(1);
/// Until the next accept after one that failed.
const PAUSE: Duration = Duration::from_millis(100);
/// For connections to end after they were asked to.
const GRACE: Duration = Duration::from_secs(2);

impl Endpoint {
    /// Listens.
    ///
    /// # Errors
    /// When the port is taken or the address is not ours.
    pub async fn bind(config: Config) -> Result<Endpoint, ListenError> {
        let address = config.listen;
        let listener = listen(address).map_err(|cause| ListenError { address, cause })?;
        let russh = Arc::new(russh_config(&config.host_key));
        Ok(Endpoint { listener, registry: Arc::new(Registry::new(config)), russh })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The clients that are authorised, which can be replaced while the endpoint serves.
    #[must_use]
    pub fn authorized(&self) -> AuthorizedClients {
        AuthorizedClients(Arc::clone(&self.registry))
    }

    /// The counts of refusals, which go on counting.
    #[must_use]
    pub fn refusals(&self) -> Refusals {
        self.registry.refusals.clone()
    }

    /// Accepts connections until `stop`, then closes them, and waits for a moment until they have ended.
    pub async fn serve(self, session_handler: Arc<impl SessionHandler>, stop: CancellationToken) {
        let slots = PreauthSlots::new(self.registry.limits.unauthenticated);
        let (turns, mut ender) = Turns::new();
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = connections.join_next() => {}
                () = ender.end() => {}
                accepted = self.listener.accept() => match accepted {
                    Ok(accepted) => {
                        let connection = self.admit(accepted, &session_handler, &slots, &turns);
                        if let Some(connection) = connection {
                            connections.spawn(connection.run(stop.clone()));
                        }
                    }
                    Err(error) => {
                        // Out of file descriptors, most likely: let some connections end first.
                        tracing::warn!(%error, "an ssh connection cannot be accepted");
                        if timeout(PAUSE, stop.cancelled()).await.is_ok() {
                            break;
                        }
                    }
                },
            }
        }
        drop(self.listener);
        let all = async { while connections.join_next().await.is_some() {} };
        if timeout(GRACE, all).await.is_err() {
            connections.shutdown().await;
        }
    }

    /// None when there is no slot for it.
    fn admit<A: SessionHandler>(
        &self,
        (stream, peer): (TcpStream, SocketAddr),
        session_handler: &Arc<A>,
        slots: &PreauthSlots,
        turns: &Turns,
    ) -> Option<Connection<A>> {
        let Some(slot) = slots.acquire(peer.ip(), Instant::now()) else {
            self.registry.refuse(Refusal::Login, None);
            return None;
        };
        prepare(&stream, self.registry.limits.silent);
        let (registry, russh) = (Arc::clone(&self.registry), Arc::clone(&self.russh));
        let session_handler = Arc::clone(session_handler);
        Some(Connection::new(registry, session_handler, russh, slot, (stream, peer), turns))
    }
}

/// As [`TcpListener::bind`], with a longer backlog: a client that finds it full in a burst of others tries again
/// after a second only.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn russh_config(host_key: &Identity) -> RusshConfig {
    let version = Version { is_peel: true, ..Version::default() }.line();
    RusshConfig {
        server_id: SshId::Standard(version.into()),
        methods: MethodSet::from(&[MethodKind::PublicKey][..]),
        auth_rejection_time: REJECTION,
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: vec![host_key.private().as_ref().clone()],
        max_auth_attempts: AUTHENTICATION_TRIES,
        // Silence is detected in `wire`, where a write that is stuck cannot hide it.
        inactivity_timeout: None,
        keepalive_interval: Some(KEEPALIVE),
        keepalive_max: 0,
        nodelay: true,
        window_size: WINDOW,
        preferred: algorithms::offered(),
        ..RusshConfig::default()
    }
}

/// Sets the options of an accepted socket. One that is closed already fails at the first read.
fn prepare(stream: &TcpStream, silent: Duration) {
    let socket = socket2::SockRef::from(stream);
    let prepared =
        stream.set_nodelay(true).and_then(|()| socket.set_tcp_user_timeout(Some(silent)));
    if let Err(error) = prepared {
        tracing::debug!(%error, "a socket option was refused");
    }
}
