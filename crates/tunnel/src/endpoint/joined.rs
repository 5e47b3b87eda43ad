//! The monitor of autossh, which works and opens no port.
//!
//! autossh adds `-R M:127.0.0.1:M+1` and `-L M:127.0.0.1:M`, sends a line into the second, and expects it
//! to come out of the first. Here the two are joined inside the session: the forward is granted and
//! never bound, and a connection to it that comes from the same session is sent back through it. Such a
//! connection carries one short line, so it gets little room and little time.

use std::io;
use std::time::Duration;

use russh::server::{ChannelOpenHandle, Handle, Msg};
use russh::{Channel, ChannelOpenFailure};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::time::timeout;

use crate::endpoint::visit::Scope;

/// The forwards of a session that are granted and not bound.
#[derive(Debug, Default)]
pub(super) struct Joined(Vec<(String, u32)>);

/// autossh needs one.
const CAPACITY: usize = 2;
/// Bytes in each direction: autossh sends its host name, its process id and a word of the user's.
const LINE_BYTES: usize = 4096;
/// From the connection to its end. autossh itself waits for 15 s at most.
const LINE_LIMIT: Duration = Duration::from_secs(20);
/// Below it a port may have a meaning on the gateway.
const LOWEST_PORT: u32 = 1024;

impl Joined {
    /// Remembers a forward; whether there is room for it.
    pub(super) fn add(&mut self, address: &str, port: u32) -> bool {
        if self.0.len() >= CAPACITY || port < LOWEST_PORT || port > u32::from(u16::MAX) {
            return false;
        }
        self.0.push((address.to_owned(), port));
        true
    }

    /// Forgets a forward; whether there was one.
    pub(super) fn remove(&mut self, address: &str, port: u32) -> bool {
        let before = self.0.len();
        self.0.retain(|(own, own_port)| (own.as_str(), *own_port) != (address, port));
        self.0.len() < before
    }

    /// The forward of that port, as it was asked for.
    pub(super) fn find(&self, port: u32) -> Option<(String, u32)> {
        self.0.iter().find(|(_, own)| *own == port).cloned()
    }
}

/// Sends what comes through `channel` back through the session's own forward.
pub(super) async fn join(
    channel: Channel<Msg>,
    reply: ChannelOpenHandle,
    (address, port): (String, u32),
    handle: Handle,
    scope: &Scope,
) {
    let opening = handle.channel_open_forwarded_tcpip(address, port, "127.0.0.1", port);
    let Ok(back) = opening.await else {
        reply.reject(ChannelOpenFailure::ConnectFailed).await;
        return;
    };
    reply.accept().await;
    let (there, back) = (scope.stream(channel), scope.stream(back));
    if !carries_a_line(there, back).await {
        tracing::info!(peer = %scope.peer, "cut: more came to autossh's monitor than a monitor sends");
        scope.watch.cut();
    }
}

/// Both ways, until both are done or [`LINE_LIMIT`] is over. False when there is more than a monitor sends.
async fn carries_a_line(
    there: impl AsyncRead + AsyncWrite,
    back: impl AsyncRead + AsyncWrite,
) -> bool {
    let (there, back) = (split(there), split(back));
    let both = async { tokio::try_join!(carry(there.0, back.1), carry(back.0, there.1)) };
    let carried = timeout(LINE_LIMIT, both).await;
    !matches!(carried, Ok(Err(error)) if error.kind() == io::ErrorKind::FileTooLarge)
}

/// One way, until its end.
async fn carry(from: impl AsyncRead, to: impl AsyncWrite) -> io::Result<()> {
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
    fn only_a_few_high_ports_are_joined() {
        let mut joined = Joined::default();
        assert!(!joined.add("localhost", 22));
        assert!(!joined.add("localhost", 70_000));
        assert!(joined.add("localhost", 20_000));
        assert!(joined.add("localhost", 20_001));
        assert!(!joined.add("localhost", 20_002));
        assert_eq!(joined.find(20_001), Some(("localhost".to_owned(), 20_001)));
        assert!(joined.remove("localhost", 20_000));
        assert_eq!(joined.find(20_000), None);
    }
}
