//! The monitor of autossh, which works and opens no port.
//!
//! autossh adds `-R M:127.0.0.1:M+1` and `-L M:127.0.0.1:M`, sends a line into the second, and expects it
//! to come out of the first. Here the two are joined inside the connection: the forward is granted and
//! never bound, and a channel to it that the same client opens is sent back through it. Such a channel
//! carries one short line, so its buffers are small and its life is short.

use std::io;
use std::time::Duration;

use russh::server::{ChannelOpenHandle, Handle, Msg};
use russh::{Channel, ChannelOpenFailure};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::time::timeout;

use crate::endpoint::context::ConnectionContext;
use crate::endpoint::registry::Client;

/// The monitor forwards of a connection: granted, and not bound.
#[derive(Debug, Default)]
pub(super) struct MonitorForwards(Vec<(String, u32)>);

/// autossh needs one; one more for a client that asks again before it has cancelled the first.
const CAPACITY: usize = 2;
/// Bytes in each direction: autossh sends its host name, its process id and a word of the user's.
const LINE_BYTES: usize = 4096;
/// From the channel's opening to its end. autossh itself waits for 15 s at most.
const LINE_LIMIT: Duration = Duration::from_secs(20);
/// Below it a port may have a meaning on the gateway.
const LOWEST_PORT: u32 = 1024;

impl MonitorForwards {
    /// Adds a forward. Returns false if there is no room, or the port is not one that autossh would use.
    pub(super) fn add(&mut self, address: &str, port: u32) -> bool {
        if self.0.len() >= CAPACITY || port < LOWEST_PORT || port > u32::from(u16::MAX) {
            return false;
        }
        self.0.push((address.to_owned(), port));
        true
    }

    /// Removes a forward. Returns false if there was none.
    pub(super) fn remove(&mut self, address: &str, port: u32) -> bool {
        let before = self.0.len();
        self.0.retain(|(own, own_port)| (own.as_str(), *own_port) != (address, port));
        self.0.len() < before
    }

    /// The forward of that port, as the client requested it.
    pub(super) fn find(&self, port: u32) -> Option<(String, u32)> {
        self.0.iter().find(|(_, own)| *own == port).cloned()
    }
}

/// Relays `channel` back to the client, through its own monitor forward.
pub(super) async fn relay(
    channel: Channel<Msg>,
    reply: ChannelOpenHandle,
    forward: (String, u32),
    handle: Handle,
    (context, client): (&ConnectionContext, &Client),
) {
    let from = ("127.0.0.1".to_owned(), forward.1);
    let Ok(back) = context.open(&handle, forward, from).await else {
        reply.reject(ChannelOpenFailure::ConnectFailed).await;
        return;
    };
    let there = context.accept(channel);
    reply.accept().await;
    if copy_line(there, back).await {
        return;
    }
    context.liveness.cut();
    if let Some(suppressed) = client.admit_line() {
        tracing::info!(
            signer = client.authorized.name, peer = %context.peer,
            "connection closed: more came to autossh's monitor than a monitor sends{suppressed}"
        );
    }
}

/// Copies both ways, until both have ended or [`LINE_LIMIT`] is over. Returns false when more came than a monitor
/// sends.
async fn copy_line(there: impl AsyncRead + AsyncWrite, back: impl AsyncRead + AsyncWrite) -> bool {
    let (there, back) = (split(there), split(back));
    let both =
        async { tokio::try_join!(copy_one_way(there.0, back.1), copy_one_way(back.0, there.1)) };
    let copied = timeout(LINE_LIMIT, both).await;
    !matches!(copied, Ok(Err(error)) if error.kind() == io::ErrorKind::FileTooLarge)
}

/// Copies one way, until the end of the stream.
async fn copy_one_way(from: impl AsyncRead, to: impl AsyncWrite) -> io::Result<()> {
    tokio::pin!(from, to);
    let (mut buffer, mut left) = ([0; 512], LINE_BYTES);
    loop {
        let count = from.read(&mut buffer).await?;
        let bytes = buffer.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            return to.shutdown().await;
        }
        left = left.checked_sub(count).ok_or(io::ErrorKind::FileTooLarge)?;
        to.write_all(bytes).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_few_high_ports_are_monitor_forwards() {
        let mut monitor_forwards = MonitorForwards::default();
        assert!(!monitor_forwards.add("localhost", 22));
        assert!(!monitor_forwards.add("localhost", 70_000));
        assert!(monitor_forwards.add("localhost", 20_000));
        assert!(monitor_forwards.add("localhost", 20_001));
        assert!(!monitor_forwards.add("localhost", 20_002));
        assert_eq!(monitor_forwards.find(20_001), Some(("localhost".to_owned(), 20_001)));
        assert!(monitor_forwards.remove("localhost", 20_000));
        assert_eq!(monitor_forwards.find(20_000), None);
    }
}
