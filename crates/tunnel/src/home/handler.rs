//! Handles what a gateway requests of the signer's end. russh calls the handler from the loop of the
//! connection: nothing here may wait.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use russh::client::{ChannelOpenHandle, DisconnectReason, Handler, Msg, Session as Ssh};
use russh::keys::PublicKeyOrCertificate;
use russh::{Channel, ChannelId, ChannelOpenFailure, Disconnect, Names};
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::foreign_text::escaped;
use crate::stream::{Linger, OpenChannels};
use crate::version::Version;
use crate::wire::Liveness;
use crate::{PublicKey, Stream};

/// Where the streams of a link go.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// To the HTTP server.
    Signing(mpsc::Sender<Stream>),
    /// To the sshd.
    Shell(SocketAddr),
}

/// Checks the host key, and accepts streams.
pub(super) struct ClientHandler {
    pub(super) host_key: PublicKey,
    pub(super) server: Arc<Mutex<ServerInfo>>,
    pub(super) target: Target,
    pub(super) liveness: Liveness,
    pub(super) channels: OpenChannels,
    pub(super) linger: Linger,
    pub(super) tasks: TaskTracker,
    /// Cancelled when the connection has ended.
    pub(super) ended: CancellationToken,
}

/// What is known of the gateway from this connection.
#[derive(Debug, Default)]
pub(super) struct ServerInfo {
    /// Which program it is.
    pub(super) version: Version,
    /// The fingerprint of a host key that is not the right one.
    pub(super) wrong_host_key: Option<String>,
    /// Its reason for ending the connection, if it sent one.
    pub(super) disconnect: Option<(Disconnect, String)>,
}

/// Characters of a disconnect message: room for a sentence.
const MAX_DISCONNECT_CHARS: usize = 400;
/// Connections to the sshd at once, over one link: a gateway must not use up what signing needs.
const MAX_SHELLS: usize = 32;
/// For the sshd to accept a connection.
const SHELL_LIMIT: Duration = Duration::from_secs(3);

impl ClientHandler {
    /// Hands a stream to the HTTP server, if its queue has room.
    async fn accept_signing(
        queue: mpsc::Sender<Stream>,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        linger: Linger,
    ) {
        match queue.try_reserve() {
            Ok(slot) => {
                reply.accept().await;
                slot.send(Stream::new(channel.into_stream(), linger));
            }
            Err(_) => reply.reject(ChannelOpenFailure::ResourceShortage).await,
        }
    }
}

/// Connects a stream to the sshd.
async fn accept_shell(
    at: SocketAddr,
    channel: Channel<Msg>,
    reply: ChannelOpenHandle,
    linger: Linger,
) {
    let mut shell = match timeout(SHELL_LIMIT, TcpStream::connect(at)).await {
        Ok(Ok(shell)) => shell,
        Ok(Err(_)) | Err(_) => {
            tracing::warn!("the sshd at {at} takes no connection; is it running?");
            reply.reject(ChannelOpenFailure::ConnectFailed).await;
            return;
        }
    };
    reply.accept().await;
    let mut stream = Stream::new(channel.into_stream(), linger);
    if let Err(error) = copy_bidirectional(&mut stream, &mut shell).await {
        tracing::debug!(%error, "a shell's connection ended badly");
    }
}

impl Handler for ClientHandler {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        shown: &PublicKeyOrCertificate,
    ) -> Result<bool, russh::Error> {
        let key = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => PublicKey::of(key),
            PublicKeyOrCertificate::Certificate(_) => return Ok(false),
        };
        let is_pinned = key == self.host_key;
        if !is_pinned {
            self.server.lock().wrong_host_key = Some(key.fingerprint());
        }
        Ok(is_pinned)
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        channel: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Ssh,
    ) -> Result<(), russh::Error> {
        if self.channels.open() {
            self.liveness.cut();
        }
        let linger = self.linger.clone();
        match &self.target {
            Target::Signing(queue) => {
                Self::accept_signing(queue.clone(), channel, reply, linger).await
            }
            Target::Shell(_) if self.tasks.len() >= MAX_SHELLS => {
                reply.reject(ChannelOpenFailure::ResourceShortage).await;
            }
            Target::Shell(at) => {
                let (at, ended) = (*at, self.ended.clone());
                self.tasks.spawn(async move {
                    tokio::select! {
                        () = accept_shell(at, channel, reply, linger) => {}
                        () = ended.cancelled() => {}
                    }
                });
            }
        }
        Ok(())
    }

    async fn kex_done(
        &mut self,
        _: Option<&[u8]>,
        _: &Names,
        ssh: &mut Ssh,
    ) -> Result<(), russh::Error> {
        self.server.lock().version = Version::parse(ssh.remote_sshid());
        Ok(())
    }

    async fn disconnected(
        &mut self,
        reason: DisconnectReason<russh::Error>,
    ) -> Result<(), russh::Error> {
        match reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                let message = escaped(&info.message, MAX_DISCONNECT_CHARS);
                self.server.lock().disconnect = Some((info.reason_code, message));
                Ok(())
            }
            DisconnectReason::Error(error) => Err(error),
        }
    }

    async fn channel_close(&mut self, _: ChannelId, _: &mut Ssh) -> Result<(), russh::Error> {
        self.channels.close();
        Ok(())
    }
}
