//! Connections with limits, whatever is spoken on them: from a port, a unix socket, or handed over as streams.
//!
//! ```text
//!  incoming ── a slot free? ── no ──▶ the connection that is idle for longest, for a second at least, is evicted
//!     │ yes
//!     ▼
//!  connection task: headers, then the body, within limits ─▶ service ─▶ answer ─▶ idle, or the next request
//!                   └────────────── idle ──────────────┘
//! ```
//!
//! At shutdown no connection is accepted any more; each finishes the request it is in, and is closed
//! when the grace period ends.

mod incoming;
mod limit;
mod serving;
mod unix;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_io_timeout::TimeoutStream;

use crate::connections::incoming::{Streams, TlsPort};
use crate::tls::Tls;
use crate::{Shutdown, open_files, ports};

pub use limit::Client;
pub use unix::{UnixListenError, UnixListener, UnixSocket};

/// What a listener allows. The defaults are for a baker and its monitoring.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// From connecting, or from the last answer, until a request's headers are there. An idle
    /// connection is closed after it.
    pub headers: Duration,
    /// Bytes of headers.
    pub header_bytes: usize,
    /// From the headers until the whole body is there.
    pub body: Duration,
    /// Bytes of a body.
    pub body_bytes: usize,
    /// How long a client may leave an answer unread.
    pub write: Duration,
    /// From shutdown until connections are closed in the middle of a request.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 512.min(open_files::limit() / 2),
            headers: Duration::from_secs(3),
            header_bytes: 16 * 1024,
            body: Duration::from_secs(2),
            body_bytes: 64 * 1024,
            grace: Duration::from_secs(18),
            write: Duration::from_secs(5),
        }
    }
}

/// What is spoken on a connection: HTTP, or messages in frames.
pub trait Protocol: Send + Sync + 'static {
    /// Answers requests until the client closes, a limit is passed, the connection is evicted, or shutdown.
    fn speak(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + 'static,
        client: Arc<Client>,
        shutdown: Shutdown,
        limits: Limits,
    ) -> impl Future<Output = ()> + Send;
}

/// A port that is listened on.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    limits: Limits,
    tls: Option<Tls>,
}

/// A port that cannot be listened on. *Misused* or *failed*.
#[derive(Debug, Error)]
#[error("cannot listen on {address}: {cause}; is another program on that port?")]
pub struct ListenError {
    address: SocketAddr,
    cause: io::Error,
}

impl ListenError {
    /// Whether another program has the port.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        ports::is_taken(&self.cause)
    }
}

impl Listener {
    /// Listens on `address`; port 0 takes any free one. One that is taken is waited for, a minute at most.
    ///
    /// # Errors
    /// When the port stays taken or the address is not ours.
    pub async fn bind(address: SocketAddr, limits: Limits) -> Result<Listener, ListenError> {
        let bind = async || Listener::bind_now(address, limits).await;
        ports::when_free(address, bind, ListenError::is_taken).await
    }

    /// The same on a port that another process of this user may have, too, if it asks for it in the same way: connections
    /// come to either (`SO_REUSEPORT`). A port that is taken otherwise is not waited for.
    ///
    /// # Errors
    /// When the port is taken or the address is not ours.
    pub fn bind_shared(address: SocketAddr, limits: Limits) -> Result<Listener, ListenError> {
        let listener = shared(address).map_err(|cause| ListenError { address, cause })?;
        Ok(Listener { listener, limits, tls: None })
    }

    /// The same without waiting for a port that is taken.
    ///
    /// # Errors
    /// When the port is taken or the address is not ours.
    pub async fn bind_now(address: SocketAddr, limits: Limits) -> Result<Listener, ListenError> {
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|cause| ListenError { address, cause })?;
        Ok(Listener { listener, limits, tls: None })
    }

    /// The same, where the configuration names an address.
    ///
    /// # Errors
    /// Those of [`Listener::bind`].
    pub async fn bind_if_named(
        address: Option<SocketAddr>,
        limits: Limits,
    ) -> Result<Option<Listener>, ListenError> {
        match address {
            Some(address) => Ok(Some(Listener::bind(address, limits).await?)),
            None => Ok(None),
        }
    }

    /// With TLS, if there is one.
    #[must_use]
    pub fn with_tls(self, tls: Option<Tls>) -> Listener {
        Listener { tls, ..self }
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers requests until shutdown, then lets the running ones end.
    pub async fn serve(self, protocol: impl Protocol, shutdown: Shutdown) {
        let Listener { listener, limits, tls } = self;
        match tls {
            None => serving::serve(listener, protocol, shutdown, limits).await,
            Some(tls) => {
                let port = TlsPort { listener, tls };
                serving::serve(port, protocol, shutdown, limits).await;
            }
        }
    }
}

fn shared(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Answers requests on the streams that come, as on the connections of a port, until shutdown; then
/// lets the running ones end. After shutdown nothing more can be handed over.
///
/// A stream is read all the time, also while its client reads no answers: it may share a line with
/// others. A client that goes on sending is then cut off.
pub async fn serve_streams<S>(
    streams: mpsc::Receiver<S>,
    limits: Limits,
    protocol: impl Protocol,
    shutdown: Shutdown,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    serving::serve(Streams(streams), protocol, shutdown, limits).await;
}

/// Connections that wait to be accepted at a shared port.
const BACKLOG: u32 = 1024;
/// From shutdown until a connection without a request is closed.
pub(crate) const IDLE_GRACE: Duration = Duration::from_millis(300);

/// Returns when what has not become a request is not waited for any longer.
pub(crate) async fn ended(shutdown: &Shutdown) {
    shutdown.requested().await;
    sleep(IDLE_GRACE).await;
}

/// A client that does not read its answers loses its connection, and its slot.
pub(crate) fn patient<S: AsyncRead + AsyncWrite>(stream: S, limit: Duration) -> TimeoutStream<S> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limit));
    stream
}
