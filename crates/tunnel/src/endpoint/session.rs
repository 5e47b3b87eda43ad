//! A signer's connection that serves one of its doors.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use russh::Disconnect;
use russh::server::Handle;
use thiserror::Error;
use tokio::sync::oneshot;

use crate::endpoint::visit::Scope;
use crate::version::Version;
use crate::{Door, Stream};

/// A connection over which streams to one door of a signer can be opened. Clones share it.
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    id: u64,
    guest: usize,
    door: Door,
    client: Version,
    opened_at: Instant,
    /// Address and port as the client asked for them: it knows its forward by these.
    asked: (String, u32),
    handle: Handle,
    scope: Scope,
    /// Microseconds; 0 when nothing was measured yet.
    round_trip: AtomicU64,
}

/// Why a session gives no stream. Always *failed*.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OpenError {
    /// The connection is over.
    #[error("the connection to the signer is gone")]
    Gone,
    /// The signer's side did not take it: nothing listens there.
    #[error("the signer's side took no connection; does the signer listen where its ssh sends it?")]
    Refused,
}

/// What a session is made of.
pub(super) struct Parts {
    pub(super) id: u64,
    pub(super) guest: usize,
    pub(super) door: Door,
    pub(super) client: Version,
    pub(super) asked: (String, u32),
    pub(super) handle: Handle,
    pub(super) scope: Scope,
}

impl Session {
    pub(super) fn new(parts: Parts) -> Session {
        let Parts { id, guest, door, client, asked, handle, scope } = parts;
        let (opened_at, round_trip) = (Instant::now(), AtomicU64::default());
        Session(Arc::new(Inner {
            id,
            guest,
            door,
            client,
            opened_at,
            asked,
            handle,
            scope,
            round_trip,
        }))
    }

    /// Higher than every older session's.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// Whose it is: a place in [`Config::guests`](super::Config::guests).
    #[must_use]
    pub fn guest(&self) -> usize {
        self.0.guest
    }

    /// Which of the guest's ports it serves.
    #[must_use]
    pub fn door(&self) -> Door {
        self.0.door
    }

    /// Whether the client says that its bytes cost money.
    #[must_use]
    pub fn is_metered(&self) -> bool {
        self.0.client.is_metered
    }

    /// Whether the client says that it is Peel, and no stock ssh.
    #[must_use]
    pub fn is_peel(&self) -> bool {
        self.0.client.is_peel
    }

    /// Ends the connection, and tells the client why: a signer of Peel shows it and logs it.
    pub async fn refuse(&self, why: &str) {
        let (reason, why) = (Disconnect::HostNotAllowedToConnect, why.to_owned());
        tokio::select! {
            // When it fails, the connection is over already.
            _ = self.0.handle.disconnect(reason, why, "en".to_owned()) => self.gone().await,
            () = self.gone() => {}
        }
    }

    /// Where it comes from, as far as can be seen from here.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.0.scope.peer
    }

    /// Since when it can be asked.
    #[must_use]
    pub fn opened_at(&self) -> Instant {
        self.0.opened_at
    }

    /// When the last byte came from the other side.
    #[must_use]
    pub fn heard_at(&self) -> Instant {
        self.0.scope.watch.heard_at()
    }

    /// The last round trip that was measured.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        let micros = self.0.round_trip.load(Ordering::Relaxed);
        (micros > 0).then(|| Duration::from_micros(micros))
    }

    /// Whether the connection is over.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.0.scope.watch.is_gone()
    }

    /// Asks the other side's ssh whether it is there, and returns when it answers. It answers at once
    /// also when the signer behind it is slow.
    ///
    /// # Errors
    /// When the connection is over. A silent line gives no error and no answer: set a limit.
    pub async fn ping(&self) -> Result<Duration, OpenError> {
        let asked = Instant::now();
        // A request that no client grants, and that each must answer (RFC 4254 §4). "No" is a pong.
        let answer = self.0.handle.cancel_forward_tcpip(String::new(), 0);
        tokio::select! {
            _ = answer => {}
            () = self.0.scope.watch.gone() => {}
        }
        if self.is_gone() {
            return Err(OpenError::Gone);
        }
        let took = asked.elapsed();
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.0.round_trip.store(micros.max(1), Ordering::Relaxed);
        Ok(took)
    }

    /// A stream to the door. `originator` is who asked for it, for the other side's log.
    ///
    /// # Errors
    /// When the connection is over, or the other side refuses. A silent line gives neither: set a limit.
    pub async fn open(&self, originator: SocketAddr) -> Result<Stream, OpenError> {
        let Inner { handle, scope, asked, .. } = self.0.as_ref();
        let (handle, (address, port)) = (handle.clone(), asked.clone());
        let (ip, from) = (originator.ip().to_string(), u32::from(originator.port()));
        let (give, take) = oneshot::channel();
        let (opened, leave) = (scope.clone(), scope.leave.clone());
        // Also when nobody waits for it any more: a channel that comes up later has to be closed.
        scope.tasks.spawn(async move {
            let opening = handle.channel_open_forwarded_tcpip(address, port, ip, from);
            tokio::select! {
                channel = opening => {
                    let _ = give.send(channel.map(|channel| opened.stream(channel)));
                }
                () = leave.cancelled() => {}
            }
        });
        let stream = tokio::select! {
            stream = take => stream,
            () = scope.watch.gone() => return Err(OpenError::Gone),
        };
        match stream {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(russh::Error::ChannelOpenFailure(_))) => Err(OpenError::Refused),
            Ok(Err(_)) | Err(_) => Err(OpenError::Gone),
        }
    }

    /// Returns when the connection is over.
    pub async fn gone(&self) {
        self.0.scope.watch.gone().await;
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session {} of guest {} ({})", self.0.id, self.0.guest, self.0.door)
    }
}
