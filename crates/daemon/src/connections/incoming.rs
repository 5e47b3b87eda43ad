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
use std::os::fd::{AsFd, OwnedFd};
use std::pin::pin;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, SimplexStream, WriteHalf, join,
    simplex, split,
};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use crate::connections::Limits;
use crate::tls::Tls;

/// Where connections come from.
pub(super) trait Source: Send + 'static {
    type IncomingConnection: IncomingConnection;

    /// The next connection, whenever it comes.
    fn next(&mut self) -> impl Future<Output = io::Result<Self::IncomingConnection>> + Send;

    /// A connection that has come already and was not accepted yet. Does not wait.
    ///
    /// # Errors
    /// `WouldBlock` when there is none; else those of accept(2).
    fn last(&mut self) -> io::Result<Self::IncomingConnection>;
}

/// A connection that was just accepted.
pub(super) trait IncomingConnection: Send + 'static {
    type Stream: AsyncRead + AsyncWrite + Send + 'static;

    /// What is spoken on, and what runs beside it: when that ends, so does the connection. None when it is gone
    /// already. Ends within the time for headers.
    fn open(
        self,
        limits: &Limits,
    ) -> impl Future<Output = Option<(Self::Stream, impl Future<Output = ()> + Send)>> + Send;
}

/// Streams that are handed over.
pub(super) struct Streams<S>(pub(super) mpsc::Receiver<S>);

/// One of them.
pub(super) struct HandedOver<S>(S);

/// A connection that has come, as the system knows: the runtime hears of it some time later.
fn accept_now(listener: &impl AsFd) -> io::Result<OwnedFd> {
    Ok(accept_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?)
}

/// Whether a connection ended before it was accepted, so that others may wait behind it: accept(2), "Error handling". Without
/// a file descriptor (`EMFILE`, `ENFILE`) the same one stays first, and to try again does not help.
pub(super) fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(
            Errno::CONNABORTED
                | Errno::NETDOWN
                | Errno::PROTO
                | Errno::NOPROTOOPT
                | Errno::HOSTDOWN
                | Errno::NONET
                | Errno::HOSTUNREACH
                | Errno::OPNOTSUPP
                | Errno::NETUNREACH
        )
    )
}

impl Source for TcpListener {
    type IncomingConnection = TcpStream;

    async fn next(&mut self) -> io::Result<TcpStream> {
        self.accept().await.map(|(stream, _)| stream)
    }

    fn last(&mut self) -> io::Result<TcpStream> {
        TcpStream::from_std(accept_now(self)?.into())
    }
}

impl IncomingConnection for TcpStream {
    type Stream = TcpStream;

    async fn open(self, _: &Limits) -> Option<(TcpStream, impl Future<Output = ()> + Send)> {
        self.set_nodelay(true).ok()?;
        Some((self, pending()))
    }
}

/// A port with TLS.
pub(super) struct TlsPort {
    pub(super) listener: TcpListener,
    pub(super) tls: Tls,
}

/// A connection whose handshake comes first.
pub(super) struct TlsIncoming {
    stream: TcpStream,
    tls: Tls,
}

impl Source for TlsPort {
    type IncomingConnection = TlsIncoming;

    async fn next(&mut self) -> io::Result<TlsIncoming> {
        let stream = self.listener.next().await?;
        Ok(TlsIncoming { stream, tls: self.tls.clone() })
    }

    fn last(&mut self) -> io::Result<TlsIncoming> {
        let stream = self.listener.last()?;
        Ok(TlsIncoming { stream, tls: self.tls.clone() })
    }
}

impl IncomingConnection for TlsIncoming {
    type Stream = TlsStream<TcpStream>;

    async fn open(
        self,
        limits: &Limits,
    ) -> Option<(Self::Stream, impl Future<Output = ()> + Send)> {
        self.stream.set_nodelay(true).ok()?;
        match timeout(limits.headers, self.tls.accept(self.stream)).await {
            Ok(Ok(stream)) => Some((stream, pending())),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a TLS handshake failed");
                None
            }
            Err(_) => None,
        }
    }
}

impl Source for UnixListener {
    type IncomingConnection = UnixStream;

    async fn next(&mut self) -> io::Result<UnixStream> {
        self.accept().await.map(|(stream, _)| stream)
    }

    fn last(&mut self) -> io::Result<UnixStream> {
        UnixStream::from_std(accept_now(self)?.into())
    }
}

impl IncomingConnection for UnixStream {
    type Stream = UnixStream;

    async fn open(self, _: &Limits) -> Option<(UnixStream, impl Future<Output = ()> + Send)> {
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

    fn last(&mut self) -> io::Result<HandedOver<S>> {
        self.0.try_recv().map(HandedOver).map_err(|_| io::ErrorKind::WouldBlock.into())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> IncomingConnection for HandedOver<S> {
    type Stream = tokio::io::Join<ReadHalf<SimplexStream>, WriteHalf<S>>;

    async fn open(
        self,
        limits: &Limits,
    ) -> Option<(Self::Stream, impl Future<Output = ()> + Send)> {
        let (from, to) = split(self.0);
        // The request that is being answered, and the next one behind it.
        let (read, pipe) = simplex(2 * (limits.header_bytes + limits.body_bytes).max(CHUNK));
        Some((join(read, to), drain(from, pipe)))
    }
}

/// Bytes at once; what an ssh channel brings in one packet.
const CHUNK: usize = 32 * 1024;
/// How long a full pipe is waited for, at least: HTTP that wants more takes it at once. In several waits, for a
/// program that did not run for a while finds one of them over, and HTTP has had no chance.
const FULL_PIPE_WAIT: Duration = Duration::from_millis(10);
const FULL_PIPE_WAITS: usize = 5;

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
        if !is_taken(pipe.write_all(bytes)).await {
            tracing::debug!("a connection is closed: its client sends and does not read");
            return;
        }
    }
}

/// Whether the pipe has taken it all before the last wait was over.
async fn is_taken(writing: impl Future<Output = io::Result<()>>) -> bool {
    let mut writing = pin!(writing);
    for _ in 0..FULL_PIPE_WAITS {
        if let Ok(written) = timeout(FULL_PIPE_WAIT, &mut writing).await {
            return written.is_ok();
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use tokio::io::{DuplexStream, duplex};
    use tokio::task::JoinSet;
    use tokio::time::advance;

    use super::*;

    /// A pipe that is full, of a client that has sent twice as much; what is read of it, and whether it is drained.
    async fn full_pipe() -> (DuplexStream, ReadHalf<SimplexStream>, JoinSet<()>) {
        let (mut client, from) = duplex(64);
        let (read, pipe) = simplex(8);
        let mut draining = JoinSet::new();
        draining.spawn(drain(from, pipe));
        client.write_all(&[7; 16]).await.unwrap();
        tokio::task::yield_now().await;
        (client, read, draining)
    }

    #[tokio::test(start_paused = true)]
    async fn a_pipe_that_stays_full_is_the_end() {
        let (_client, _read, mut draining) = full_pipe().await;
        draining.join_next().await.unwrap().unwrap();
    }

    /// As when the machine was asleep, or its host busy.
    #[tokio::test(start_paused = true)]
    async fn a_pipe_is_not_full_for_too_long_because_the_program_did_not_run() {
        let (_client, mut read, mut draining) = full_pipe().await;
        advance(Duration::from_secs(60)).await;
        // The wait is over before anything is read.
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        let mut bytes = [0; 16];
        timeout(FULL_PIPE_WAIT, read.read_exact(&mut bytes)).await.unwrap().unwrap();
        assert_eq!(bytes, [7; 16]);
        assert!(draining.try_join_next().is_none(), "it goes on");
        draining.shutdown().await;
    }
}
