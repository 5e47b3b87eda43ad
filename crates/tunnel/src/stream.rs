//! A forwarded connection, as bytes.
//!
//! Of a channel that this side closes first, russh 0.65 keeps about 4 kB until the connection ends (it
//! forgets a channel when the peer's CHANNEL_CLOSE comes, but only if it has not sent its own). So a stream
//! that is dropped sends its end of file, and lingers until the peer closes, for a bounded time. OpenSSH
//! closes at once. Between two russh one side has to be first: the signer's end, whose linger is shorter.
//! [`OpenChannels`] bounds what is left.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf, copy, sink};
use tokio::runtime::Handle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A connection through the tunnel. Dropping it closes it.
pub struct Stream {
    /// None once the stream is dropped.
    bytes: Option<Pin<Box<dyn Bytes>>>,
    linger: Linger,
}

trait Bytes: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Bytes for T {}

/// How long the dropped streams of a connection wait for the peer to close them.
#[derive(Debug, Clone)]
pub(crate) struct Linger {
    limit: Duration,
    /// One for each stream that lingers.
    tasks: TaskTracker,
    /// Cancelled when the connection has ended.
    ended: CancellationToken,
    runtime: Handle,
}

/// The channels of a connection that the peer has not closed, from their request on. Clones share the count.
#[derive(Debug, Clone, Default)]
pub(crate) struct OpenChannels(Arc<AtomicUsize>);

impl Linger {
    /// To be called on the runtime of the connection's tasks.
    pub(crate) fn new(limit: Duration, tasks: TaskTracker, ended: CancellationToken) -> Linger {
        Linger { limit, tasks, ended, runtime: Handle::current() }
    }

    fn close(&self, mut bytes: Pin<Box<dyn Bytes>>) {
        let (limit, ended) = (self.limit, self.ended.clone());
        let linger = async move {
            let closed_by_peer = async {
                // When it fails, the connection has ended.
                let _ = bytes.shutdown().await;
                let _ = copy(&mut bytes, &mut sink()).await;
                std::future::pending().await
            };
            tokio::select! {
                () = closed_by_peer => {}
                () = sleep(limit) => {}
                () = ended.cancelled() => {}
            }
        };
        self.tasks.spawn_on(linger, &self.runtime);
    }
}

impl OpenChannels {
    /// 16 MB, most of which is what russh keeps.
    const LIMIT: usize = 4096;

    /// Counts one more. Returns true if that is one too many: the client has to reconnect.
    pub(crate) fn open(&self) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed) >= OpenChannels::LIMIT
    }

    /// The peer has closed one, or refused it.
    pub(crate) fn close(&self) {
        // While bytes for a channel are pending, russh lets the peer close it twice.
        let less = |count: usize| count.checked_sub(1);
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    pub(crate) fn are_too_many(&self) -> bool {
        self.0.load(Ordering::Relaxed) > OpenChannels::LIMIT
    }
}

impl Stream {
    pub(crate) fn new(
        bytes: impl AsyncRead + AsyncWrite + Send + 'static,
        linger: Linger,
    ) -> Stream {
        Stream { bytes: Some(Box::pin(bytes)), linger }
    }

    fn bytes(&mut self) -> io::Result<Pin<&mut (dyn Bytes + 'static)>> {
        let bytes = self.bytes.as_mut().map(Pin::as_mut);
        bytes.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(bytes) = self.bytes.take() {
            self.linger.close(bytes);
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.bytes()?.poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.bytes()?.poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.bytes()?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.bytes()?.poll_shutdown(context)
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream")
    }
}
