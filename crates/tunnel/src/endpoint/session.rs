//! A client's connection, as a way to one of its services.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use russh::Disconnect;
use russh::server::Handle;
use thiserror::Error;
use tokio::time::Instant;

use crate::endpoint::SignerId;
use crate::endpoint::context::ConnectionContext;
use crate::version::{UplinkName, Version};
use crate::{Service, Stream};

/// A connection over which streams to one service of a client can be opened. Clones share it.
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    id: u64,
    signer: SignerId,
    service: Service,
    peer_version: Version,
    opened_at: Instant,
    /// Address and port as the client requested them: it knows its forward by these.
    asked: (String, u32),
    handle: Handle,
    context: ConnectionContext,
    /// Microseconds; 0 when nothing was measured yet.
    round_trip: AtomicU64,
}

/// Why a session gives no stream. Always *failed*.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OpenError {
    /// The connection has ended.
    #[error("the connection to the signer is gone")]
    Gone,
    /// The client refused the channel: nothing listens at its side.
    #[error("the signer's side took no connection; does the signer listen where its ssh sends it?")]
    Refused,
}

/// What a session is made of.
pub(super) struct Parts {
    pub(super) id: u64,
    pub(super) signer: SignerId,
    pub(super) service: Service,
    pub(super) peer_version: Version,
    pub(super) asked: (String, u32),
    pub(super) handle: Handle,
    pub(super) context: ConnectionContext,
}

impl Session {
    pub(super) fn new(parts: Parts) -> Session {
        let Parts { id, signer, service, peer_version, asked, handle, context } = parts;
        let (opened_at, round_trip) = (Instant::now(), AtomicU64::default());
        Session(Arc::new(Inner {
            id,
            signer,
            service,
            peer_version,
            opened_at,
            asked,
            handle,
            context,
            round_trip,
        }))
    }

    /// Higher than every older session's.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// The signer whose connection it is.
    #[must_use]
    pub fn signer(&self) -> SignerId {
        self.0.signer
    }

    /// Which of the client's ports it serves.
    #[must_use]
    pub fn service(&self) -> Service {
        self.0.service
    }

    /// Whether the client says that its uplink is metered.
    #[must_use]
    pub fn is_metered(&self) -> bool {
        self.0.peer_version.is_metered
    }

    /// The interface at the client's side, as the client names it: at most 15 of `A-Z a-z 0-9 _ . -`. None of a
    /// stock ssh, and of a connection over whatever route the client's system has.
    #[must_use]
    pub fn uplink(&self) -> Option<&str> {
        self.0.peer_version.uplink.as_ref().map(UplinkName::as_str)
    }

    /// Whether the client says that it is Peel, and no stock ssh.
    #[must_use]
    pub fn is_peel(&self) -> bool {
        self.0.peer_version.is_peel
    }

    /// Ends the connection, and tells the client why: a signer of Peel shows it and logs it.
    pub async fn refuse(&self, why: &str) {
        let (reason, why) = (Disconnect::HostNotAllowedToConnect, why.to_owned());
        tokio::select! {
            // When it fails, the connection has ended already.
            _ = self.0.handle.disconnect(reason, why, "en".to_owned()) => self.gone().await,
            () = self.gone() => {}
        }
    }

    /// Where it comes from, as far as can be seen from here.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.0.context.peer
    }

    /// Since when it can be asked.
    #[must_use]
    pub fn opened_at(&self) -> Instant {
        self.0.opened_at
    }

    /// When the last byte came from the client.
    #[must_use]
    pub fn heard_at(&self) -> Instant {
        self.0.context.liveness.heard_at()
    }

    /// The last round trip that was measured.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        let micros = self.0.round_trip.load(Ordering::Relaxed);
        (micros > 0).then(|| Duration::from_micros(micros))
    }

    /// Whether the connection has ended.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.0.context.liveness.is_gone()
    }

    /// Sends a request that the client's ssh answers at once, also when the signer behind it is slow, and
    /// returns when the answer is there.
    ///
    /// # Errors
    /// When the connection has ended. A silent uplink gives no error and no answer: set a limit.
    pub async fn ping(&self) -> Result<Duration, OpenError> {
        let Inner { handle, context, .. } = self.0.as_ref();
        let handle = handle.clone();
        let ping = async move {
            let asked = Instant::now();
            // A request that no client grants, and that each must answer (RFC 4254 §4). The refusal is the pong.
            let _ = handle.cancel_forward_tcpip(String::new(), 0).await;
            asked.elapsed()
        };
        let took = context.requests.ping(ping).await.ok_or(OpenError::Gone)?;
        if self.is_gone() {
            return Err(OpenError::Gone);
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.0.round_trip.store(micros.max(1), Ordering::Relaxed);
        Ok(took)
    }

    /// A stream to the service. `originator` is the address that the client may log.
    ///
    /// # Errors
    /// When the connection has ended, or the client refuses. A silent uplink gives neither: set a limit.
    pub async fn open(&self, originator: SocketAddr) -> Result<Stream, OpenError> {
        let Inner { handle, context, asked, .. } = self.0.as_ref();
        let (handle, asked, opening) = (handle.clone(), asked.clone(), context.clone());
        let from = (originator.ip().to_string(), u32::from(originator.port()));
        // A channel that opens when the caller was dropped is closed.
        let opening = async move { opening.open(&handle, asked, from).await };
        match context.requests.make(opening).await {
            Some(Ok(stream)) => Ok(stream),
            Some(Err(russh::Error::ChannelOpenFailure(_))) => Err(OpenError::Refused),
            Some(Err(_)) | None => Err(OpenError::Gone),
        }
    }

    /// Returns when the connection has ended.
    pub async fn gone(&self) {
        self.0.context.liveness.gone().await;
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session {} of signer {} ({})", self.0.id, self.0.signer.number(), self.0.service)
    }
}
