//! Where connections come from: a port, or somebody who hands over streams.
//!
//! A connection of a port has a buffer of its own in the kernel. Streams that share a line with others
//! do not: one that nobody reads would hold up all of them. So each is read all the time, into a pipe of
//! bounded size, and a client that sends more than the pipe takes is cut off.
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
    type Arrival: Arrival;

    /// The next connection, whenever it comes.
    fn next(&mut self) -> impl Future<Output = io::Result<Self::Arrival>> + Send;

    /// One that has come already and was not taken yet. Does not wait.
    fn last(&mut self) -> impl Future<Output = Option<Self::Arrival>> + Send;
}

/// A connection as it comes.
pub(super) trait Arrival: Send + 'static {
    type Stream: AsyncRead + AsyncWrite + Send + 'static;

    /// What HTTP is spoken on, and what runs beside it: when that ends, so does the connection. None
    /// when it is gone already.
    fn open(self, limits: &Limits) -> Option<(Self::Stream, impl Future<Output = ()> + Send)>;
}

/// Streams that somebody hands over.
pub(super) struct Streams<S>(pub(super) mpsc::Receiver<S>);

/// One of them.
pub(super) struct Handed<S>(S);

impl Source for TcpListener {
    type Arrival = TcpStream;

    async fn next(&mut self) -> io::Result<TcpStream> {
        self.accept().await.map(|(stream, _)| stream)
    }

    async fn last(&mut self) -> Option<TcpStream> {
        let accepted = tokio::time::timeout(Duration::ZERO, self.accept()).await;
        accepted.ok()?.ok().map(|(stream, _)| stream)
    }
}

impl Arrival for TcpStream {
    type Stream = TcpStream;

    fn open(self, _: &Limits) -> Option<(TcpStream, impl Future<Output = ()> + Send)> {
        self.set_nodelay(true).ok()?;
        Some((self, pending()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Source for Streams<S> {
    type Arrival = Handed<S>;

    async fn next(&mut self) -> io::Result<Handed<S>> {
        match self.0.recv().await {
            Some(stream) => Ok(Handed(stream)),
            None => pending().await, // Nobody can hand over any more.
        }
    }

    async fn last(&mut self) -> Option<Handed<S>> {
        self.0.try_recv().ok().map(Handed)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Arrival for Handed<S> {
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
const PATIENCE: Duration = Duration::from_millis(50);

/// Reads whatever comes. Returns when the pipe stays full: the client sends, and does not wait for
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
        let Ok(Ok(())) = tokio::time::timeout(PATIENCE, pipe.write_all(bytes)).await else {
            tracing::debug!("a connection is cut: it sends and does not read");
            return;
        };
    }
}
