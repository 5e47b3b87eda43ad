//! The gateway's end: an ssh endpoint that opens to each key its own two ports, and nothing else.
//!
//! ```text
//!  accept ─▶ lobby: a bounded number of places for who has not proved a key, for a bounded time
//!     │
//!     ▼
//!  visit (one task per connection): russh asks its callbacks
//!     ├─ key unknown, password, shell, …  ─▶ refused, logged, counted
//!     └─ forward of one's own port        ─▶ Session ─▶ Attendant::attend, until the connection ends
//! ```
//!
//! No port is bound here: whoever attends a session asks it for streams.

mod house;
mod joined;
mod lobby;
mod log_limit;
mod porter;
mod refusal;
mod session;
mod visit;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use russh::server::Config as RusshConfig;
use russh::{MethodKind, MethodSet, SshId};
use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::endpoint::house::House;
use crate::endpoint::lobby::Lobby;
use crate::endpoint::visit::Visit;
use crate::version::Version;
use crate::{Identity, PublicKey, algorithms};

pub use refusal::{Refusal, Refusals};
pub use session::{OpenError, Session};

/// What the endpoint needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// What the endpoint proves itself with.
    pub host_key: Identity,
    /// Who may come in. No two have a port in common.
    pub guests: Vec<Guest>,
    /// Other ports that this process listens on: no session is told that it has one of them.
    pub taken: Vec<u16>,
    /// What is allowed.
    pub limits: Limits,
}

/// A signer.
#[derive(Debug, Clone)]
pub struct Guest {
    /// Its name, for the log.
    pub name: String,
    /// Its ssh public key.
    pub key: PublicKey,
    /// Its port; its shell's is 1000 above.
    pub port: u16,
}

/// What the endpoint allows.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections that have not proved a key, at once. When all places are taken, the oldest of the
    /// address with the most of them has to go, or nobody gets in from there for some seconds.
    pub strangers: usize,
    /// For proving a key.
    pub login: Duration,
    /// Connections of one key at once; the oldest has to go.
    pub connections: usize,
    /// Silence after which a connection is dead.
    pub silent: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            // Each takes some 50 kB.
            strangers: 512,
            // A metered line that wakes up takes some seconds; OpenSSH gives two minutes.
            login: Duration::from_secs(20),
            // Two doors over a few lines, twice for those that are not proven dead yet.
            connections: 16,
            silent: Duration::from_secs(15),
        }
    }
}

/// Attends sessions.
pub trait Attendant: Send + Sync + 'static {
    /// Runs from when a session can be asked for streams until its connection ends; it is dropped then.
    fn attend(&self, session: Session) -> impl Future<Output = ()> + Send;
}

/// A port that cannot be listened on. *Misused* or *failed*.
#[derive(Debug, Error)]
#[error("cannot listen on {address} for ssh: {cause}; is another program on that port?")]
pub struct ListenError {
    address: SocketAddr,
    cause: io::Error,
}

impl ListenError {
    /// Whether the port is another's for now.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.cause.kind() == io::ErrorKind::AddrInUse
    }
}

/// The ssh endpoint.
#[derive(Debug)]
pub struct Endpoint {
    listener: TcpListener,
    house: Arc<House>,
    russh: Arc<RusshConfig>,
}

/// A question to a client from which nothing has been heard for so long. Peel's own ask more often.
const KEEPALIVE: Duration = Duration::from_secs(5);
/// tokio asks for 128.
const BACKLOG: u32 = 1024;
/// OpenSSH gives six; a signer has one key.
const AUTHENTICATION_TRIES: usize = 3;
/// A wrong key costs its owner a second.
const REJECTION: Duration = Duration::from_secs(1);
/// After a connection that could not be accepted.
const PAUSE: Duration = Duration::from_millis(100);
/// For connections to end after they were told to.
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
        Ok(Endpoint { listener, house: Arc::new(House::new(config)), russh })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// What was refused so far, and will be.
    #[must_use]
    pub fn refusals(&self) -> Refusals {
        self.house.refusals.clone()
    }

    /// Lets signers in until `stop`, then tells them to go, and waits for them a little.
    pub async fn serve(self, attendant: Arc<impl Attendant>, stop: CancellationToken) {
        let lobby = Lobby::new(self.house.limits.strangers);
        let mut visits = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = visits.join_next() => {}
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        let Some(place) = lobby.enter(peer.ip(), Instant::now()) else {
                            self.house.refuse(Refusal::Login, None);
                            continue;
                        };
                        prepare(&stream, self.house.limits.silent);
                        let house = Arc::clone(&self.house);
                        let (russh, attendant) = (Arc::clone(&self.russh), Arc::clone(&attendant));
                        let visit = Visit::new(house, attendant, russh, place, (stream, peer));
                        visits.spawn(visit.run(stop.clone()));
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
        let all = async { while visits.join_next().await.is_some() {} };
        if timeout(GRACE, all).await.is_err() {
            visits.shutdown().await;
        }
    }
}

/// As [`TcpListener::bind`], with more room for those who were not accepted yet: who comes in a burst of
/// others and finds none tries again after a second only.
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
        // Silence is watched on the wire, where a write that is stuck cannot hide it.
        inactivity_timeout: None,
        keepalive_interval: Some(KEEPALIVE),
        keepalive_max: 0,
        nodelay: true,
        preferred: algorithms::offered(),
        ..RusshConfig::default()
    }
}

/// A socket that is gone already shows it at the first read.
fn prepare(stream: &TcpStream, silent: Duration) {
    let socket = socket2::SockRef::from(stream);
    let prepared =
        stream.set_nodelay(true).and_then(|()| socket.set_tcp_user_timeout(Some(silent)));
    if let Err(error) = prepared {
        tracing::debug!(%error, "a socket option was refused");
    }
}
