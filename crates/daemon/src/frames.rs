//! Messages in frames on a connection: each behind its length, two bytes, big-endian.

use std::io;
use std::pin::pin;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, copy, sink, split};
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::Shutdown;
use crate::connections::{Client, Limits, Protocol, ended, patient};

/// Answers messages. Must always come to an end.
pub trait FrameService: Send + Sync + 'static {
    /// Answers one message.
    fn answer(&self, message: &[u8]) -> impl Future<Output = Reply> + Send;
}

/// The answer to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its bytes, 65,535 at most; without the length.
    pub message: Vec<u8>,
    /// The connection is closed behind it.
    pub is_last: bool,
}

/// Frames, answered by a service.
#[derive(Debug)]
pub struct Frames<S>(pub Arc<S>);

impl<S: FrameService> Protocol for Frames<S> {
    async fn speak(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + 'static,
        client: Arc<Client>,
        shutdown: Shutdown,
        limits: Limits,
    ) {
        let (mut from, mut to) = split(Box::pin(patient(stream, limits.write)));
        let mut ended = pin!(ended(&shutdown));
        loop {
            let message = tokio::select! {
                // Of a client that sends without a pause there is always a message.
                biased;
                () = client.evicted() => return,
                // What has come whole is answered.
                message = read(&mut from, &client, limits) => message,
                () = &mut ended => return,
            };
            // It went away, sent a part only, or sent nothing for too long.
            let Some(message) = message else { return };
            let reply = {
                let _serving = client.is_served();
                self.0.answer(&message).await
            };
            // A client that does not read is as good as idle.
            let written = tokio::select! {
                biased;
                written = timeout(limits.write, write(&mut to, &reply.message)) => written,
                () = client.evicted() => return,
            };
            if !matches!(written, Ok(Ok(()))) {
                return;
            }
            if reply.is_last || shutdown.is_requested() {
                // What is not read when a connection is closed takes the answer with it.
                let _ = to.shutdown().await;
                return tokio::select! {
                    () = discard(from, limits) => {}
                    () = client.evicted() => {}
                    () = &mut ended => {}
                };
            }
            // One that sends many messages at once does not hold up the others.
            yield_now().await;
        }
    }
}

/// The next message; none if it does not come whole and in time.
async fn read<S: AsyncRead>(
    from: &mut ReadHalf<S>,
    client: &Client,
    limits: Limits,
) -> Option<Vec<u8>> {
    let length = timeout(limits.headers, from.read_u16()).await.ok()?.ok()?;
    let _sending = client.sends();
    // It grows with what comes, not with what was said.
    let mut message = Vec::new();
    let mut rest = from.take(length.into());
    timeout(limits.body, rest.read_to_end(&mut message)).await.ok()?.ok()?;
    (message.len() == usize::from(length)).then_some(message)
}

/// Reads what a client goes on sending, as much as a message may be.
async fn discard(from: impl AsyncRead, limits: Limits) {
    let size = limits.body_bytes.try_into().unwrap_or(u64::MAX);
    let mut rest = pin!(from.take(size));
    // How it ends is of no interest.
    let _ = timeout(limits.body, copy(&mut rest, &mut sink())).await;
}

/// In one piece: a length that goes out alone waits for the other side's acknowledgement.
async fn write(to: &mut (impl AsyncWrite + Unpin), message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidData)?;
    to.write_all(&[&length.to_be_bytes(), message].concat()).await?;
    to.flush().await
}
