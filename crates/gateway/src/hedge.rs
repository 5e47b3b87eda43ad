//! A request is sent over the best path; when that falls silent, over the next one, too. The first response
//! counts. A repeat is harmless: the signer answers both from one signature.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use thiserror::Error;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::http_client::{SignerRequest, SignerResponse};
use crate::metrics::Metrics;
use crate::path::{PING_AFTER, Path, PathError};
use crate::signer::{RECONNECT_WAIT, Signer};
use crate::witness::{Behind, Witness};

/// Why there is no response. Always *failed*.
#[derive(Debug, Error)]
pub(crate) enum Unanswered {
    #[error("signer {0:?} is not connected; ask again")]
    NotConnected(String),
    /// The store of the process that is connected is behind what another one has answered.
    #[error("signer {name:?} is not asked: {why}")]
    Behind { name: String, why: Behind },
    /// Its last connection was refused.
    #[error("signer {name:?} is refused: {why}")]
    Refused { name: String, why: String },
    #[error("signer {name:?} cannot be asked ({why}); ask again")]
    Failed { name: String, why: PathError },
    #[error("signer {name:?} did not answer within {} s; ask again", limit.as_secs())]
    TimedOut { name: String, limit: Duration },
}

impl Unanswered {
    /// One of [`UNANSWERED`](crate::metrics::UNANSWERED).
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Unanswered::NotConnected(_) => "not_connected",
            Unanswered::Behind { .. } => "behind",
            Unanswered::Refused { .. } => "refused",
            Unanswered::Failed { .. } => "failed",
            Unanswered::TimedOut { .. } => "timed_out",
        }
    }
}

/// Sends a request, and gives the signer's response.
///
/// # Errors
/// When there is none within `limit`.
pub(crate) async fn hedge(
    signer: &Signer,
    request: &SignerRequest,
    limit: Duration,
    (metrics, witness): (&Metrics, &Witness),
) -> Result<SignerResponse, Unanswered> {
    let end = Instant::now() + limit;
    let (tried, failure, behind) = Default::default();
    let mut hedge = Hedge { signer, request, metrics, witness, limit, tried, failure, behind };
    // Most responses come soon, over the first path: nothing else is set up for them.
    let Some(first) = hedge.next() else { return hedge.run(None, end).await };
    let mut in_flight = hedge.send(Arc::clone(&first));
    match timeout_at(end.min(Instant::now() + PING_AFTER), &mut in_flight).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(error)) => {
            hedge.note_failure(error);
            hedge.run(None, end).await
        }
        Err(_) => hedge.run(Some((in_flight, first)), end).await,
    }
}

/// A request, sent over one path after the other.
struct Hedge<'a> {
    signer: &'a Signer,
    request: &'a SignerRequest,
    metrics: &'a Metrics,
    witness: &'a Witness,
    limit: Duration,
    /// The paths over which it was sent.
    tried: Vec<Arc<Path>>,
    failure: Option<PathError>,
    /// Why it is not sent over a path at all.
    behind: Option<Behind>,
}

/// A request in flight over one path.
type InFlight<'a> = Pin<Box<dyn Future<Output = Result<SignerResponse, PathError>> + Send + 'a>>;

impl<'a> Hedge<'a> {
    /// Goes on with the request in flight, if there is one.
    async fn run(
        mut self,
        first: Option<(InFlight<'a>, Arc<Path>)>,
        end: Instant,
    ) -> Result<SignerResponse, Unanswered> {
        let mut reconnect_until = end.min(Instant::now() + RECONNECT_WAIT);
        let mut added = self.signer.added();
        let mut wants_another = first.is_none();
        let (mut in_flight, mut silences) = (FuturesUnordered::new(), FuturesUnordered::new());
        if let Some((sent, path)) = first {
            in_flight.push(sent);
            silences.push(silence(path));
        }
        loop {
            if wants_another && let Some(path) = self.next() {
                wants_another = false;
                in_flight.push(self.send(Arc::clone(&path)));
                silences.push(silence(path));
            }
            let is_idle = in_flight.is_empty();
            tokio::select! {
                Some(response) = in_flight.next() => match response {
                    Ok(response) => return Ok(response),
                    Err(error) => {
                        self.note_failure(error);
                        wants_another = true;
                        reconnect_until = end.min(Instant::now() + RECONNECT_WAIT);
                    }
                },
                Some(()) = silences.next() => wants_another = true,
                _ = added.changed(), if wants_another => {}
                () = sleep_until(reconnect_until), if is_idle => return Err(self.unanswered()),
                () = sleep_until(end) => {
                    return Err(Unanswered::TimedOut { name: self.signer.name.clone(), limit: self.limit });
                }
            }
        }
    }

    /// The best path over which it was not sent yet.
    fn next(&mut self) -> Option<Arc<Path>> {
        let is_new = |path: &Arc<Path>| !self.tried.iter().any(|tried| Arc::ptr_eq(tried, path));
        let mut behind = None;
        let path = self.signer.paths().into_iter().filter(is_new).find(|path| {
            let checked = self.check(path);
            checked.map_err(|why| behind.get_or_insert(why)).is_ok()
        });
        self.behind = behind;
        let path = path?;
        if !self.tried.is_empty() {
            self.metrics.note_hedge(&self.signer.name);
        }
        self.tried.push(Arc::clone(&path));
        Some(path)
    }

    /// Whether the store of the signer at the end of this path is not behind what was answered.
    fn check(&self, path: &Path) -> Result<(), Behind> {
        match (self.request.position, path.marks()) {
            (Some(position), Some(marks)) => self.witness.check(position, marks),
            (Some(_) | None, _) => Ok(()),
        }
    }

    fn send(&self, path: Arc<Path>) -> InFlight<'a> {
        let (request, witness, signer) = (self.request, self.witness, &self.signer.name);
        Box::pin(async move {
            let response = path.send(request).await?;
            if let Some(position) = request.position.filter(|_| response.is_ok()) {
                let process = path.marks().map(|marks| marks.process.as_str());
                witness.note(position, signer, process);
            }
            Ok(response)
        })
    }

    fn note_failure(&mut self, error: PathError) {
        tracing::debug!(signer = self.signer.name, %error, "no response over a path");
        self.failure = Some(error);
    }

    fn unanswered(self) -> Unanswered {
        let name = self.signer.name.clone();
        match (self.failure, self.behind, self.signer.refusal()) {
            (Some(why), ..) => Unanswered::Failed { name, why },
            (None, Some(why), _) => Unanswered::Behind { name, why },
            (None, None, Some(why)) => Unanswered::Refused { name, why },
            (None, None, None) => Unanswered::NotConnected(name),
        }
    }
}

async fn silence(path: Arc<Path>) {
    path.falls_silent().await;
}
