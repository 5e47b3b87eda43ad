//! The TCP connection under an ssh connection. It knows when the peer was last heard, and can be cut at
//! any moment: the ssh task on it then ends, also in the middle of a write that is stuck.
//!
//! russh 0.65 does not read while it writes. With large copies in both directions at once, both ends could wait
//! for the other to read, for good. So the wire reads ahead while a write is stuck, and the peer's goes on.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::traffic::Traffic;
use crate::turns::Turn;

/// The TCP connection, as the ssh task reads and writes it.
pub(crate) struct Wire {
    stream: TcpStream,
    liveness: Liveness,
    traffic: Traffic,
    /// One for reading and one for writing: each wakes its own task.
    cut: [Pin<Box<WaitForCancellationFutureOwned>>; 2],
    /// None once the client is authenticated, and at the signer's end.
    turn: Option<Turn>,
    /// What came while a write was stuck; at most [`MAX_AHEAD`] bytes.
    ahead: BytesMut,
}

/// When the peer was last heard, and the means to cut the connection. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Liveness {
    opened: Instant,
    /// Microseconds after `opened`.
    heard: Arc<AtomicU64>,
    cut: CancellationToken,
    gone: CancellationToken,
}

/// Cuts the wire when it is dropped.
#[derive(Debug)]
pub(crate) struct CutOnDrop(CancellationToken);

/// Holds all packets of a request or its response.
const READ_BUFFER: usize = 8 * 1024;
/// Bytes at once, on the stack.
const AHEAD_CHUNK: usize = 8 * 1024;
/// Bytes; what the peer may send before it has to read: the windows of eight large copies at once.
const MAX_AHEAD: usize = 8 * WINDOW as usize;
/// A timer that is so late was late because this program did not run.
const OVERSLEPT: Duration = Duration::from_millis(500);
/// For what came meanwhile to be read, and for a keepalive to be answered.
const CATCH_UP: Duration = Duration::from_secs(2);
const READING: usize = 0;
const WRITING: usize = 1;

/// Bytes of a channel that may be on their way (RFC 4254 §5.2), at both ends. A copy over a line of 50 ms goes at
/// 5 MB/s with it.
pub(crate) const WINDOW: u32 = 256 * 1024;

impl Wire {
    /// The wire, read through a buffer: russh reads the length of a packet before it reads the rest. Its bytes
    /// are added to `traffic`.
    pub(crate) fn new(stream: TcpStream, traffic: Traffic) -> (BufReader<Wire>, Liveness) {
        Wire::with_turn(stream, traffic, None)
    }

    /// The same, read only when it is its turn.
    pub(crate) fn with_turn(
        stream: TcpStream,
        traffic: Traffic,
        turn: Option<Turn>,
    ) -> (BufReader<Wire>, Liveness) {
        let liveness = Liveness {
            opened: Instant::now(),
            heard: Arc::default(),
            cut: CancellationToken::new(),
            gone: CancellationToken::new(),
        };
        let cut = || Box::pin(liveness.cut.clone().cancelled_owned());
        let wire = Wire {
            stream,
            cut: [cut(), cut()],
            liveness: liveness.clone(),
            traffic,
            turn,
            ahead: BytesMut::new(),
        };
        (BufReader::with_capacity(READ_BUFFER, wire), liveness)
    }

    fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.turn.as_ref().is_some_and(Turn::is_over) {
            self.turn = None;
        }
        let Some(turn) = &mut self.turn else { return Poll::Ready(Ok(())) };
        ready!(self.stream.poll_read_ready(context))?;
        turn.poll(context).map(Ok)
    }

    fn poll_stream(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let received = buffer.filled().len().saturating_sub(before);
        if received > 0 {
            self.liveness.note();
            self.traffic.note_received(received);
        }
        read
    }

    /// Reads what there is, and has the task woken when there is more.
    fn read_ahead(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let mut chunk = [0; AHEAD_CHUNK];
        while self.ahead.len() + AHEAD_CHUNK <= MAX_AHEAD {
            let mut buffer = ReadBuf::new(&mut chunk);
            match self.poll_stream(context, &mut buffer)? {
                Poll::Ready(()) if buffer.filled().is_empty() => break,
                Poll::Ready(()) => self.ahead.extend_from_slice(buffer.filled()),
                Poll::Pending => break,
            }
        }
        Ok(())
    }

    fn is_cut(&mut self, side: usize, context: &mut Context<'_>) -> bool {
        self.cut.get_mut(side).is_some_and(|cut| cut.as_mut().poll(context).is_ready())
    }
}

impl Liveness {
    /// When a byte last came from the peer; when the connection was made, if none ever did.
    pub(crate) fn heard_at(&self) -> Instant {
        self.opened + Duration::from_micros(self.heard.load(Ordering::Relaxed))
    }

    pub(crate) fn cut(&self) {
        self.cut.cancel();
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.cut.is_cancelled()
    }

    /// Cuts the wire when what this gives is dropped.
    pub(crate) fn cut_on_drop(&self) -> CutOnDrop {
        CutOnDrop(self.cut.clone())
    }

    /// The ssh task does not end; it counts as gone from now on.
    pub(crate) fn abandon(&self) {
        self.gone.cancel();
    }

    /// Whether the ssh task has ended.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.is_cancelled()
    }

    /// Returns when the ssh task has ended.
    pub(crate) async fn gone(&self) {
        self.gone.cancelled().await;
    }

    /// Returns when nothing has been heard for `limit`.
    pub(crate) async fn silence(&self, limit: Duration) {
        loop {
            let dead_at = self.heard_at() + limit;
            if Instant::now() >= dead_at {
                return;
            }
            tokio::time::sleep_until(dead_at).await;
            if Instant::now() > dead_at + OVERSLEPT {
                // This program was not running: what came meanwhile has not been read yet.
                tokio::time::sleep(CATCH_UP).await;
            }
        }
    }

    fn note(&self) {
        let micros = u64::try_from(self.opened.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.heard.store(micros, Ordering::Relaxed);
    }
}

impl Drop for CutOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.liveness.gone.cancel();
    }
}

fn was_cut() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the connection was given up")
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_cut(READING, context) {
            return Poll::Ready(Err(was_cut()));
        }
        if !self.ahead.is_empty() {
            let length = self.ahead.len().min(buffer.remaining());
            buffer.put_slice(&self.ahead.split_to(length));
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_turn(context))?;
        self.poll_stream(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_cut(WRITING, context) {
            return Poll::Ready(Err(was_cut()));
        }
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        match &written {
            Poll::Pending => self.read_ahead(context)?,
            Poll::Ready(Ok(sent)) => self.traffic.note_sent(*sent),
            Poll::Ready(Err(_)) => {}
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    /// Both ends of a connection; the far one reads and says nothing.
    async fn wire() -> (BufReader<Wire>, Liveness, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (wire, liveness) = Wire::new(near, Traffic::default());
        (wire, liveness, listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn a_write_that_is_stuck_ends_when_the_silence_has_lasted_too_long() {
        let (mut wire, liveness, _far) = wire().await;
        let block = vec![0; 64 * 1024];
        let writing = async {
            loop {
                if let Err(error) = wire.write_all(&block).await {
                    return error.kind();
                }
            }
        };
        let watching = async {
            liveness.silence(Duration::from_millis(300)).await;
            liveness.cut();
        };
        let (ended, ()) = tokio::join!(writing, watching);
        assert_eq!(ended, io::ErrorKind::ConnectionAborted);
        drop(wire);
        assert!(liveness.is_gone());
    }

    /// As russh does: it writes all, then reads.
    async fn writes_then_reads(mut wire: BufReader<Wire>, length: usize) {
        wire.write_all(&vec![0; length]).await.unwrap();
        let mut bytes = vec![0; length];
        tokio::io::AsyncReadExt::read_exact(&mut wire, &mut bytes).await.unwrap();
    }

    /// More than the system's buffers take.
    #[tokio::test]
    async fn two_ends_that_write_before_they_read_do_not_wait_for_each_other() {
        let (length, traffic) = (MAX_AHEAD - AHEAD_CHUNK, Traffic::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (far, _) = listener.accept().await.unwrap();
        for end in [&near, &far] {
            let socket = socket2::SockRef::from(end);
            socket.set_send_buffer_size(64 * 1024).unwrap();
            socket.set_recv_buffer_size(64 * 1024).unwrap();
        }
        let both = async {
            let wire = |stream| Wire::new(stream, traffic.clone()).0;
            let (near, far) = (wire(near), wire(far));
            tokio::join!(writes_then_reads(near, length), writes_then_reads(far, length))
        };
        assert!(tokio::time::timeout(Duration::from_secs(20), both).await.is_ok());
        // Also those that were read ahead.
        let total = 2 * u64::try_from(length).unwrap();
        assert_eq!((traffic.sent(), traffic.received()), (total, total));
    }

    #[tokio::test]
    async fn a_peer_that_writes_and_does_not_read_is_read_up_to_a_bound() {
        let (mut wire, _, mut far) = wire().await;
        let (stuck, flood) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
        let writing = async { while wire.write_all(&stuck).await.is_ok() {} };
        let flooding = async { while far.write_all(&flood).await.is_ok() {} };
        let both = async { tokio::join!(writing, flooding) };
        assert!(tokio::time::timeout(Duration::from_secs(1), both).await.is_err());
        assert!(wire.get_ref().ahead.len() <= MAX_AHEAD);
        assert!(wire.get_ref().ahead.len() >= MAX_AHEAD - 2 * AHEAD_CHUNK);
    }

    #[tokio::test]
    async fn a_byte_of_anything_is_a_sign_of_life() {
        let (mut wire, liveness, mut far) = wire().await;
        let before = liveness.heard_at();
        far.write_all(b"x").await.unwrap();
        tokio::io::AsyncReadExt::read_u8(&mut wire).await.unwrap();
        assert!(liveness.heard_at() > before);
    }
}
