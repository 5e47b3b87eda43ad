//! Where connections come from: a port, or streams that the tunnel hands over.
//!
//! A connection of a port has a buffer of its own in the kernel. Streams that share an ssh connection do not: one
//! that is not read would hold up all of them. So each is read all the time, into a pipe of bounded size, and a
//! client that sends more than the pipe takes is closed.
//!
//! ```text
//!  stream ──drain──▶ pipe ──▶ HTTP
//!     ▲                         │
//!     └─────────────────────────┘
//! ```

use std::future::pending;
use std::io;
use std::time::Duration;

use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, SimplexStream, WriteHalf, join,
    simplex, split,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::http::Limits;

/// Where connections come from.
pub(super) trait Source: Send + 'static {
    type IncomingConnection: IncomingConnection;

    /// The next connection, whenever it comes.
    fn next(&mut self) -> impl Future<Output = io::Result<Self::IncomingConnection>> + Send;

    /// A connection that has come already and was not accepted yet. Does not wait.
    fn last(&mut self) -> impl Future<Output = Option<Self::IncomingConnection>> + Send;
}

/// A connection that was just accepted.
pub(super) trait IncomingConnection: Send + 'static {
    type Stream: AsyncRead + AsyncWrite + Send + 'static;

    /// What HTTP is spoken on, and what runs beside it: when that ends, so does the connection. None
    /// when it is gone already.
    fn open(self, limits: &Limits) -> Option<(Self::Stream, impl Future<Output = ()> + Send)>;
}

/// Streams that are handed over.
pub(super) struct Streams<S>(pub(super) mpsc::Receiver<S>);

/// One of them.
pub(super) struct HandedOver<S>(S);

impl Source for TcpListener {
    type IncomingConnection = TcpStream;

    async fn next(&mut self) -> io::Result<TcpStream> {
        self.accept().await.map(|(stream, _)| stream)
    }

    async fn last(&mut self) -> Option<TcpStream> {
        let accepted = tokio::time::timeout(Duration::ZERO, self.accept()).await;
        accepted.ok()?.ok().map(|(stream, _)| stream)
    }
}

impl IncomingConnection for TcpStream {
    type Stream = TcpStream;

    fn open(self, _: &Limits) -> Option<(TcpStream, impl Future<Output = ()> + Send)> {
        self.set_nodelay(true).ok()?;
        Some((self, pending()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Source for Streams<S> {
    type IncomingConnection = HandedOver<S>;

    async fn next(&mut self) -> io::Result<HandedOver<S>> {
        match self.0.recv().await {
            Some(stream) => Ok(HandedOver(stream)),
            None => pending().await, // No sender is left.
        }
    }

    async fn last(&mut self) -> Option<HandedOver<S>> {
        self.0.try_recv().ok().map(HandedOver)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> IncomingConnection for HandedOver<S> {
    type Stream = tokio::io::Join<ReadHalf<SimplexStream>, WriteHalf<S>>;

    fn open(self, limits: &Limits) -> Option<(Self::Stream, impl Future<Output = ()> + Send)> {
        let (from, to) = split(self.0);
        // The request that is being answered, and the next one behind it.
        let (read, pipe) = simplex(2 * (limits.header_bytes + limits.body_bytes).max(CHUNK));
        Some((join(read, to), drain(from, pipe)))
    }
}

/// Bytes at once; what an ssh channel brings in one packet.
const CHUNK: usize = 32 * 1024;
/// How long a full pipe is waited for. HTTP that wants more takes it at once.
const FULL_PIPE_LIMIT: Duration = Duration::from_millis(50);

/// Reads what comes. Returns when the pipe stays full: the client sends, and does not wait for
/// answers.
async fn drain(mut from: impl AsyncRead + Unpin, mut pipe: impl AsyncWrite + Unpin) {
    let mut chunk = vec![0; CHUNK];
    loop {
        let length = from.read(&mut chunk).await.unwrap_or(0);
        let bytes = chunk.get(..length).unwrap_or_default();
        if bytes.is_empty() {
            // HTTP sees the end after what is in the pipe, and may still have an answer to give.
            let _ = pipe.shutdown().await;
            return pending().await;
        }
        let Ok(Ok(())) = tokio::time::timeout(FULL_PIPE_LIMIT, pipe.write_all(bytes)).await else {
            tracing::debug!("a connection is closed: its client sends and does not read");
            return;
        };
    }
}
