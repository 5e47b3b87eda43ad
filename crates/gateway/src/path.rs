//! A path to a signer: one session of the tunnel, and the HTTP connections over it.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use parking_lot::{Mutex, MutexGuard};
use signer_api::Marks;
use thiserror::Error;
use tokio::time::{Instant, sleep, timeout};
use tunnel::endpoint::{OpenError, Session};

use crate::advertised::{Advertised, Keys};
use crate::http_client::{Connection, HttpError, SignerRequest, SignerResponse};

/// A path to a signer.
#[derive(Debug)]
pub(crate) struct Path {
    session: Session,
    /// Connections without a request, least recently used first, so that all stay open: both votes of a round
    /// find one, and neither waits a round trip longer than the other.
    idle: Mutex<VecDeque<Connection>>,
    /// The marks of the signer's store when it connected; none of a signer that does not tell them.
    marks: Option<Marks>,
    /// When it was last found silent.
    silent_at: Mutex<Option<Instant>>,
}

/// Why there is no response over a path. Always *failed*; the signer may have seen the request.
#[derive(Debug, Error)]
pub(crate) enum PathError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("HTTP with the signer failed: {0}")]
    Http(#[from] HttpError),
}

/// A preattestation, an attestation and a block, and one to spare.
const MAX_IDLE: usize = 4;
/// Less than a signer keeps an idle connection open.
const IDLE_LIMIT: Duration = Duration::from_secs(45);
/// Between two polls of what a signer advertises; each keeps the connection open, too.
const POLL_INTERVAL: Duration = Duration::from_secs(10);
const METERED_POLL_INTERVAL: Duration = Duration::from_secs(30);
/// Until the second poll of a signer that waits for its device; each pause is twice the one before, up to a tenth
/// of the usual interval.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// For a signer to answer a poll.
const FETCH_LIMIT: Duration = Duration::from_secs(10);
/// Until the next poll after one that was not answered.
const PAUSE: Duration = Duration::from_secs(1);
/// For a signer to answer a ping, before another process takes its place.
const ALIVE: Duration = Duration::from_secs(1);
/// A response that comes sooner needs no ping beside it.
pub(crate) const PING_AFTER: Duration = Duration::from_millis(20);
/// At least so much silence counts.
const SILENCE_AFTER: Duration = Duration::from_millis(250);
const ROUND_TRIPS: u32 = 3;
/// So much silence counts, however long the round trips are.
const MAX_SILENCE: Duration = Duration::from_secs(2);
/// The originator of the gateway's own streams, for the signer's log.
const GATEWAY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

impl Path {
    pub(crate) fn new(session: Session) -> Path {
        let (idle, silent_at) = Default::default();
        Path { session, idle, marks: None, silent_at }
    }

    /// The same path with the marks that the signer has told.
    pub(crate) fn with_marks(self, marks: Option<Marks>) -> Path {
        Path { marks, ..self }
    }

    pub(crate) fn marks(&self) -> Option<&Marks> {
        self.marks.as_ref()
    }

    /// The marks of the signer's store; none if it does not know such a request.
    ///
    /// # Errors
    /// When there is no response.
    pub(crate) async fn ask_marks(&self) -> Result<Option<Marks>, PathError> {
        let response = self.send(&SignerRequest::get("/marks")).await?;
        match response.status {
            StatusCode::OK => Ok(Marks::parse(&response.body)),
            _ => Ok(None),
        }
    }

    /// Whether the signer's end answers a ping in time. If not, others are asked first from now on.
    pub(crate) async fn is_alive(&self) -> bool {
        let asked = Instant::now();
        match timeout(ALIVE, self.session.ping()).await {
            Ok(answer) => answer.is_ok(),
            Err(_) => {
                *lock(&self.silent_at) = Some(asked);
                false
            }
        }
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// Sends a request, and gives the response. Sets no limit: the caller has one.
    pub(crate) async fn send(&self, request: &SignerRequest) -> Result<SignerResponse, PathError> {
        while let Some(mut connection) = self.idle_connection().await {
            // A connection that the signer has just closed fails here; sending again is harmless.
            if let Ok(response) = connection.send(request).await {
                self.put_back(connection).await;
                return Ok(response);
            }
        }
        let mut connection = self.connect().await?;
        let response = connection.send(request).await?;
        self.put_back(connection).await;
        Ok(response)
    }

    /// Returns when nothing is heard over the path while a response is waited for. The request was sent
    /// [`PING_AFTER`] ago, or just now.
    pub(crate) async fn falls_silent(&self) {
        let mut waited = PING_AFTER;
        loop {
            let silence_limit = self.silence_limit();
            let asked = Instant::now();
            match timeout(silence_limit.saturating_sub(waited), self.session.ping()).await {
                Ok(Err(_)) => return,
                Ok(Ok(_)) => sleep(silence_limit.saturating_sub(asked.elapsed())).await,
                // A byte of anything is a sign of life.
                Err(_) if self.session.heard_at() >= asked => {}
                Err(_) => {
                    *lock(&self.silent_at) = Some(asked);
                    return;
                }
            }
            waited = Duration::ZERO;
        }
    }

    /// Whether nothing was heard since it was found silent.
    pub(crate) fn is_silent(&self) -> bool {
        lock(&self.silent_at).is_some_and(|at| self.session.heard_at() <= at)
    }

    /// Polls what the signer advertises, on a connection of its own, and hands it to `update`. While it advertises
    /// what it did `last`, the value stays the same one. Never returns.
    pub(crate) async fn poll_advertised(
        &self,
        last: impl Fn() -> Option<Arc<Advertised>>,
        update: impl Fn(Arc<Advertised>),
    ) {
        let mut pause = FIRST_PAUSE;
        loop {
            let Ok(Ok((advertised, mut connection))) =
                timeout(FETCH_LIMIT, self.fetch_advertised(last())).await
            else {
                sleep(PAUSE).await;
                continue;
            };
            pause = match advertised.keys {
                Keys::Pending => (pause * 2).min(self.poll_interval() / 10),
                Keys::All(_) | Keys::Unknown => self.poll_interval(),
            };
            update(advertised);
            if !connection.is_reusable().await {
                // A signer that closes after each answer.
                sleep(pause).await;
                continue;
            }
            tokio::select! {
                // A signer whose configuration changes is started again, also behind a stock ssh.
                () = connection.closed() => sleep(FIRST_PAUSE).await,
                () = sleep(pause) => {}
            }
        }
    }

    /// What the signer advertises now: `before`, if nothing has changed.
    async fn fetch_advertised(
        &self,
        before: Option<Arc<Advertised>>,
    ) -> Result<(Arc<Advertised>, Connection), PathError> {
        // Measures the round trip, too; requests that are answered soon do not.
        self.session.ping().await?;
        let mut connection = self.connect().await?;
        let authorized = connection.send(&SignerRequest::get("/authorized_keys")).await?;
        if !connection.is_reusable().await {
            connection = self.connect().await?;
        }
        let known = connection.send(&SignerRequest::get("/known_keys")).await?;
        if !authorized.is_ok() {
            return Err(HttpError(format!("it answers {}", authorized.status)).into());
        }
        let keys = Keys::read(&known);
        let same = before
            .filter(|before| before.authorized.body == authorized.body && before.keys == keys);
        Ok((same.unwrap_or_else(|| Arc::new(Advertised::new(authorized, keys))), connection))
    }

    async fn connect(&self) -> Result<Connection, PathError> {
        Ok(Connection::new(self.session.open(GATEWAY).await?).await?)
    }

    /// An idle connection that can take a request.
    async fn idle_connection(&self) -> Option<Connection> {
        loop {
            let mut connection = lock(&self.idle).pop_front()?;
            if connection.idle_since.elapsed() < IDLE_LIMIT && connection.is_reusable().await {
                return Some(connection);
            }
        }
    }

    async fn put_back(&self, mut connection: Connection) {
        if connection.is_reusable().await {
            let mut idle = lock(&self.idle);
            if idle.len() < MAX_IDLE {
                idle.push_back(connection);
            }
        }
    }

    fn silence_limit(&self) -> Duration {
        let round_trips = self.session.round_trip().unwrap_or_default() * ROUND_TRIPS;
        round_trips.clamp(SILENCE_AFTER, MAX_SILENCE)
    }

    fn poll_interval(&self) -> Duration {
        if self.session.is_metered() { METERED_POLL_INTERVAL } else { POLL_INTERVAL }
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock()
}
