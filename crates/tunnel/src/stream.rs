//! A forwarded connection, as bytes.
//!
//! Of a channel that this side closes first, russh 0.65 keeps about 4 kB until the connection ends (it
//! forgets a channel when the other side's CHANNEL_CLOSE comes, but only if it has not sent its own). So
//! a stream that is dropped says that nothing more comes, and lets the other side close for a while.
//! OpenSSH does so at once. Between two russh one has to be the first, and it is the signer's end, which
//! lingers for less. [`Channels`] bounds what is left.

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
    /// None once it is dropped.
    bytes: Option<Pin<Box<dyn Bytes>>>,
    parting: Parting,
}

trait Bytes: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Bytes for T {}

/// How the streams of a connection are let go.
#[derive(Debug, Clone)]
pub(crate) struct Parting {
    linger: Duration,
    /// Those that linger.
    tasks: TaskTracker,
    /// Cancelled when the connection is over.
    leave: CancellationToken,
    runtime: Handle,
}

/// The channels of a connection that the other side has not closed. Clones share the count.
#[derive(Debug, Clone, Default)]
pub(crate) struct Channels(Arc<AtomicUsize>);

impl Parting {
    /// To be called where the connection's tasks run.
    pub(crate) fn new(linger: Duration, tasks: TaskTracker, leave: CancellationToken) -> Parting {
        Parting { linger, tasks, leave, runtime: Handle::current() }
    }

    fn part(&self, mut bytes: Pin<Box<dyn Bytes>>) {
        let (linger, leave) = (self.linger, self.leave.clone());
        let parting = async move {
            let goodbye = async {
                // When it fails, there is nobody to say it to.
                let _ = bytes.shutdown().await;
                let _ = copy(&mut bytes, &mut sink()).await;
                std::future::pending().await
            };
            tokio::select! {
                () = goodbye => {}
                () = sleep(linger) => {}
                () = leave.cancelled() => {}
            }
        };
        self.tasks.spawn_on(parting, &self.runtime);
    }
}

impl Channels {
    /// 16 MB, most of which is what russh keeps.
    const LIMIT: usize = 4096;

    /// Counts one more; whether that is one too many, and the connection has to be made anew.
    pub(crate) fn open(&self) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed) >= Channels::LIMIT
    }

    /// The other side has closed one.
    pub(crate) fn close(&self) {
        // One that was never counted, because opening it was given up, must not be taken off.
        let less = |count: usize| count.checked_sub(1);
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    pub(crate) fn are_too_many(&self) -> bool {
        self.0.load(Ordering::Relaxed) > Channels::LIMIT
    }
}

impl Stream {
    pub(crate) fn new(
        bytes: impl AsyncRead + AsyncWrite + Send + 'static,
        parting: Parting,
    ) -> Stream {
        Stream { bytes: Some(Box::pin(bytes)), parting }
    }

    fn bytes(&mut self) -> io::Result<Pin<&mut (dyn Bytes + 'static)>> {
        let bytes = self.bytes.as_mut().map(Pin::as_mut);
        bytes.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(bytes) = self.bytes.take() {
            self.parting.part(bytes);
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
