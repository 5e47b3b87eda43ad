//! An HTTP listener with limits.
//!
//! ```text
//!  accept ── a place free? ── no ──▶ wait for one (the kernel's queue is the bound)
//!     │ yes
//!     ▼
//!  connection task: headers within a limit ─▶ service ─▶ answer ─▶ idle, or the next request
//! ```
//!
//! At shutdown no connection is accepted any more; each finishes the request it is in, and is closed
//! when the grace period ends.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;

use crate::Shutdown;

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
            connections: 512.min(open_files() / 2),
            headers: Duration::from_secs(3),
            header_bytes: 16 * 1024,
            body: Duration::from_secs(5),
            body_bytes: 64 * 1024,
            grace: Duration::from_secs(18),
            write: Duration::from_secs(5),
        }
    }
}

/// The answer to a request.
pub type Answer = Response<Full<Bytes>>;

/// Answers requests. Must always come to an end.
pub trait Service: Send + Sync + 'static {
    /// Answers one request.
    fn answer(&self, request: Request<Incoming>) -> impl Future<Output = Answer> + Send;
}

/// A port that is listened on.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    limits: Limits,
}

/// A port that cannot be listened on. *Misused* or *failed*.
#[derive(Debug, Error)]
#[error("cannot listen on {address}: {cause}; is another program on that port?")]
pub struct ListenError {
    address: SocketAddr,
    cause: io::Error,
}

/// A body that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BodyError {
    /// It is larger than allowed.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// It did not come in time.
    #[error("the body did not come within {:.0} s", .0.as_secs_f64())]
    TooSlow(Duration),
    /// It broke off, or its encoding is not HTTP's.
    #[error("the body is broken")]
    Broken,
}

impl Limits {
    /// The whole body of a request, if it keeps to the limits.
    ///
    /// # Errors
    /// When it does not.
    pub async fn read_body(&self, body: Incoming) -> Result<Bytes, BodyError> {
        let collected = Limited::new(body, self.body_bytes).collect();
        match tokio::time::timeout(self.body, collected).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
                Err(BodyError::TooLarge(self.body_bytes))
            }
            Ok(Err(_)) => Err(BodyError::Broken),
            Err(_) => Err(BodyError::TooSlow(self.body)),
        }
    }
}

impl Listener {
    /// Listens on `address`; port 0 takes any free one.
    ///
    /// # Errors
    /// When the port is taken or the address is not ours.
    pub async fn bind(address: SocketAddr, limits: Limits) -> Result<Listener, ListenError> {
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|cause| ListenError { address, cause })?;
        Ok(Listener { listener, limits })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers requests until shutdown, then lets the running ones end.
    pub async fn serve(self, service: Arc<impl Service>, shutdown: Shutdown) {
        let places = Arc::new(Semaphore::new(self.limits.connections));
        let mut connections = JoinSet::new();
        let begin = |stream, connections: &mut JoinSet<()>| {
            let (service, shutdown, limits) = (Arc::clone(&service), shutdown.clone(), self.limits);
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else { return };
            connections.spawn(async move {
                converse(stream, &*service, &shutdown, limits).await;
                drop(place);
            });
        };
        while let Some(stream) = self.next(&places, &mut connections, &shutdown).await {
            begin(stream, &mut connections);
        }
        // Who has connected already would be reset with the port, and a baker asks only once.
        while let Ok(Ok((stream, _))) =
            tokio::time::timeout(Duration::ZERO, self.listener.accept()).await
        {
            begin(stream, &mut connections);
        }
        drop(self.listener);
        let all = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(self.limits.grace, all).await.is_err() {
            tracing::warn!("the grace period is over: closing connections in mid-request");
            connections.shutdown().await;
        }
    }

    /// The next connection, when there is a place for it; none at shutdown.
    async fn next(
        &self,
        places: &Semaphore,
        connections: &mut JoinSet<()>,
        shutdown: &Shutdown,
    ) -> Option<TcpStream> {
        loop {
            let accept = async {
                // The place is taken by the caller, who is the only one to take any.
                drop(places.acquire().await);
                self.listener.accept().await
            };
            tokio::select! {
                () = shutdown.requested() => return None,
                Some(_) = connections.join_next() => {}
                accepted = accept => match accepted {
                    Ok((stream, _)) => return Some(stream),
                    Err(error) => {
                        // Out of file descriptors, most likely: let some connections end first.
                        tracing::warn!(%error, "a connection cannot be accepted");
                        pause(shutdown).await;
                    }
                },
            }
        }
    }
}

async fn pause(shutdown: &Shutdown) {
    tokio::select! {
        () = shutdown.requested() => {}
        () = tokio::time::sleep(Duration::from_millis(100)) => {}
    }
}

/// From shutdown until a connection without a request is closed.
const IDLE_GRACE: Duration = Duration::from_millis(300);

/// How many files this process may have open.
fn open_files() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    soft.unwrap_or(1024)
}

/// A client that does not read its answers loses its connection, and its place.
fn patient(stream: TcpStream, limit: Duration) -> TimeoutStream<TcpStream> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limit));
    stream
}

async fn converse(stream: TcpStream, service: &impl Service, shutdown: &Shutdown, limits: Limits) {
    if stream.set_nodelay(true).is_err() {
        return; // It is gone already.
    }
    let running = AtomicBool::new(false);
    let answer = service_fn(|request| async {
        running.store(true, Ordering::Relaxed);
        let answer = service.answer(request).await;
        running.store(false, Ordering::Relaxed);
        Ok::<_, Infallible>(answer)
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.headers)
        .half_close(true)
        .max_buf_size(limits.header_bytes.max(8 * 1024))
        .serve_connection(TokioIo::new(Box::pin(patient(stream, limits.write))), answer);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.requested() => loop {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection.as_mut() => break ended,
                // What has not become a request by now is not waited for.
                () = tokio::time::sleep(IDLE_GRACE) => if !running.load(Ordering::Relaxed) { return },
            }
        },
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended badly");
    }
}
