//! One connection, from its first byte to its last.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use russh::server::Config as RusshConfig;
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::endpoint::context::ConnectionContext;
use crate::endpoint::handler::ServerHandler;
use crate::endpoint::preauth::Slot;
use crate::endpoint::refusal::brief;
use crate::endpoint::registry::Registry;
use crate::endpoint::requests::Requests;
use crate::endpoint::{GRACE, Refusal, SessionHandler};
use crate::stream::{Linger, OpenChannels};
use crate::traffic::Traffic;
use crate::turns::Turns;
use crate::wire::{Liveness, Wire};

/// One connection.
pub(super) struct Connection<A> {
    registry: Arc<Registry>,
    session_handler: Arc<A>,
    russh: Arc<RusshConfig>,
    slot: Slot,
    peer: SocketAddr,
    wire: BufReader<Wire>,
    liveness: Liveness,
    /// Cancelled when the client has proved a key.
    authenticated: CancellationToken,
}

/// Why a connection ended.
enum CloseReason {
    /// ssh ended, well or not.
    Ssh(Result<(), russh::Error>),
    /// No key was proved in time, or the slot was given to a newer connection.
    Unauthenticated,
    /// Nothing was heard for too long.
    Silent,
    /// The gateway stops.
    Stop,
}

impl<A: SessionHandler> Connection<A> {
    pub(super) fn new(
        registry: Arc<Registry>,
        session_handler: Arc<A>,
        russh: Arc<RusshConfig>,
        slot: Slot,
        (stream, peer): (TcpStream, SocketAddr),
        turns: &Turns,
    ) -> Connection<A> {
        let authenticated = CancellationToken::new();
        let turn = turns.of(authenticated.clone());
        let (wire, liveness) = Wire::with_turn(stream, Traffic::default(), Some(turn));
        Connection { registry, session_handler, russh, slot, peer, wire, liveness, authenticated }
    }

    pub(super) async fn run(self, stop: CancellationToken) {
        let Connection {
            registry,
            session_handler,
            russh,
            slot,
            peer,
            wire,
            liveness,
            authenticated,
        } = self;
        let _cut = liveness.cut_on_drop();
        let ended = CancellationToken::new();
        let _ended = ended.clone().drop_guard();
        let tasks = TaskTracker::new();
        let context = ConnectionContext {
            peer,
            liveness: liveness.clone(),
            authenticated: authenticated.clone(),
            stop: stop.clone(),
            ended: ended.clone(),
            tasks: tasks.clone(),
            linger: Linger::new(LINGER, tasks.clone(), ended.clone()),
            channels: OpenChannels::default(),
            requests: Requests::new(tasks.clone(), ended.clone()),
        };
        let handler = ServerHandler::new(Arc::clone(&registry), session_handler, context);
        let ssh = async { russh::server::run_stream(russh, wire, handler).await?.await };
        tokio::pin!(ssh);
        let reason = tokio::select! {
            result = &mut ssh => CloseReason::Ssh(result),
            () = login_expires(&registry, slot, &authenticated) => CloseReason::Unauthenticated,
            () = falls_silent(&registry, &liveness, &authenticated) => CloseReason::Silent,
            () = stopped(&stop) => CloseReason::Stop,
        };
        liveness.cut();
        if !matches!(reason, CloseReason::Ssh(_)) && timeout(GRACE, ssh).await.is_err() {
            tracing::warn!(%peer, "an ssh connection does not end: what came through it is not read");
        }
        liveness.abandon();
        ended.cancel();
        tasks.close();
        tasks.wait().await;
        reason.log(&registry, peer, authenticated.is_cancelled());
    }
}

/// For a signer's end to close the channels that were closed here. Its own linger is shorter.
const LINGER: Duration = Duration::from_secs(2);

/// For a client to be told that the gateway stops, and to close the connection itself.
const FAREWELL: Duration = Duration::from_millis(300);

/// Returns when the gateway stops and the client has not gone by itself.
async fn stopped(stop: &CancellationToken) {
    stop.cancelled().await;
    sleep(FAREWELL).await;
}

/// Returns when the connection has to be closed because no key was proved.
async fn login_expires(registry: &Registry, slot: Slot, authenticated: &CancellationToken) {
    tokio::select! {
        () = authenticated.cancelled() => {
            drop(slot);
            std::future::pending().await
        }
        () = sleep(registry.limits.login_grace) => {}
        () = slot.evicted() => {}
    }
}

/// Returns when nothing was heard of an authenticated client for too long.
async fn falls_silent(registry: &Registry, liveness: &Liveness, authenticated: &CancellationToken) {
    authenticated.cancelled().await;
    liveness.silence(registry.limits.silent).await;
}

impl CloseReason {
    /// Whether nothing was heard for too long, or taken: the system notices that, too, and may be the first
    /// (TCP_USER_TIMEOUT).
    fn is_silence(&self) -> bool {
        match self {
            CloseReason::Silent => true,
            CloseReason::Ssh(Err(russh::Error::IO(error))) => {
                error.kind() == io::ErrorKind::TimedOut
            }
            CloseReason::Ssh(_) | CloseReason::Unauthenticated | CloseReason::Stop => false,
        }
    }

    fn log(&self, registry: &Registry, peer: SocketAddr, was_authenticated: bool) {
        if self.is_silence() && was_authenticated {
            let silent = registry.limits.silent.as_secs();
            tracing::warn!(%peer, "a connection is dead: nothing heard for {silent} s");
            return;
        }
        match self {
            CloseReason::Unauthenticated => {
                if let Some(suppressed) = registry.refuse(Refusal::Login, None) {
                    tracing::warn!(%peer, "refused: {}{suppressed}", Refusal::Login);
                }
            }
            CloseReason::Ssh(Err(error)) if !was_authenticated && is_not_ssh(error) => {
                if let Some(suppressed) = registry.refuse(Refusal::Protocol, None) {
                    let error = brief(&error.to_string());
                    tracing::warn!(%peer, "refused: {} ({error}){suppressed}", Refusal::Protocol);
                }
            }
            CloseReason::Ssh(Err(error)) => {
                tracing::debug!(%peer, %error, "a connection ended badly")
            }
            CloseReason::Ssh(Ok(())) | CloseReason::Silent | CloseReason::Stop => {}
        }
    }
}

/// Whether the client did not speak ssh. A connection that was closed says nothing: health probes do so.
fn is_not_ssh(error: &russh::Error) -> bool {
    !matches!(
        error,
        russh::Error::Disconnect
            | russh::Error::HUP
            | russh::Error::IO(_)
            | russh::Error::SendError
    )
}
