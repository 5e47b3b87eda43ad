//! What a connection, its handler and its sessions share.

use std::net::SocketAddr;

use russh::Channel;
use russh::server::Msg;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Stream;
use crate::stream::{Linger, OpenChannels};
use crate::wire::Liveness;

/// What a connection, its handler and its sessions share.
#[derive(Clone)]
pub(super) struct ConnectionContext {
    pub(super) peer: SocketAddr,
    pub(super) liveness: Liveness,
    /// Cancelled when the client has proved a key.
    pub(super) authenticated: CancellationToken,
    /// Cancelled when the gateway stops.
    pub(super) stop: CancellationToken,
    /// Cancelled when the connection has ended.
    pub(super) ended: CancellationToken,
    /// What the connection has spawned; all end when `ended` is cancelled.
    pub(super) tasks: TaskTracker,
    pub(super) linger: Linger,
    pub(super) channels: OpenChannels,
}

impl ConnectionContext {
    /// The bytes of a channel that was opened just now.
    pub(super) fn stream(&self, channel: Channel<Msg>) -> Stream {
        if self.channels.open() {
            tracing::info!(peer = %self.peer, "channel limit reached: the client has to reconnect");
            self.liveness.cut();
        }
        Stream::new(channel.into_stream(), self.linger.clone())
    }
}
