//! What a connection, its handler and its sessions share.

use std::net::SocketAddr;

use russh::Channel;
use russh::server::{Handle, Msg};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Stream;
use crate::endpoint::requests::Requests;
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
    pub(super) requests: Requests,
}

impl ConnectionContext {
    /// Requests a channel through a forward of the client's, and gives its bytes. It is counted from here on, for russh
    /// keeps a channel that the client neither confirms nor refuses.
    ///
    /// # Errors
    /// When the client refuses, or the connection has ended.
    pub(super) async fn open(
        &self,
        handle: &Handle,
        (address, port): (String, u32),
        (ip, from): (String, u32),
    ) -> Result<Stream, russh::Error> {
        self.count_channel();
        match handle.channel_open_forwarded_tcpip(address, port, ip, from).await {
            Ok(channel) => Ok(Stream::new(channel.into_stream(), self.linger.clone())),
            Err(error) => {
                self.channels.close();
                Err(error)
            }
        }
    }

    /// The bytes of a channel that the client has requested.
    pub(super) fn accept(&self, channel: Channel<Msg>) -> Stream {
        self.count_channel();
        Stream::new(channel.into_stream(), self.linger.clone())
    }

    fn count_channel(&self) {
        if self.channels.open() && !self.liveness.is_cut() {
            tracing::info!(peer = %self.peer, "channel limit reached: the client has to reconnect");
            self.liveness.cut();
        }
    }
}
