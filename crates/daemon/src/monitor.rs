//! `/metrics`, `/livez`, `/readyz` and `/status`, as Prometheus, Kubernetes and `peel status` ask for them.
//!
//! Every client that reaches the port may ask, as often as is of use: beyond that it is told to wait, for what answers
//! here is the process that signs. What costs time, as the metrics, is made by turns, so that a crowd costs a tenth of
//! the processor and no more. Only a few requests wait for their turn: one that waits keeps its connection, and a crowd
//! that waited would leave none for others. `/livez` and `/readyz` cost nothing, and no flood keeps them from who restarts
//! the daemon on them.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{HeaderMap, Request, Response, StatusCode};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use serde::Serialize;
use thiserror::Error;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

use crate::Health;
use crate::exposition;
use crate::http::{Body, HttpService};
use crate::report::Reporter;

/// Metrics and health of a daemon. Clones share them.
#[derive(Clone)]
pub struct Monitor {
    registry: Arc<Registry>,
    /// Metrics that other processes have, as text; none: there are no others.
    others: Option<Arc<Others>>,
    reporter: Reporter,
    liveness: Health,
    admit: Arc<Admit>,
    rate: Arc<Rate>,
    turns: Arc<Turns>,
}

/// Gives metrics as text, in time: it is given what stands before them.
type Others = dyn Fn(String) -> Pin<Box<dyn Future<Output = String> + Send>> + Send + Sync;
/// Whether a request may be answered, by its headers; if not, why.
type Admit = dyn Fn(&HeaderMap) -> Result<(), String> + Send + Sync;
/// An answer of the monitor.
pub type MonitorResponse = Response<Full<Bytes>>;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
/// Requests in a second, in all: several Prometheus, probes, and some pages that are open.
const REQUESTS_A_SECOND: u32 = 200;

impl Monitor {
    /// Shows these metrics, these facts, and those that say whether a restart would help.
    #[must_use]
    pub fn new(registry: Arc<Registry>, reporter: Reporter, liveness: Health) -> Monitor {
        let (rate, turns) = (Arc::default(), Arc::default());
        let admit = Arc::new(|_: &HeaderMap| Ok(()));
        Monitor { registry, others: None, reporter, liveness, admit, rate, turns }
    }

    /// The same, with metrics of other processes: `others` is given our own as text, and gives what stands behind it.
    #[must_use]
    pub fn with_others<F>(self, others: impl Fn(String) -> F + Send + Sync + 'static) -> Monitor
    where
        F: Future<Output = String> + Send + 'static,
    {
        Monitor { others: Some(Arc::new(move |own| Box::pin(others(own)))), ..self }
    }

    /// The same, for requests whose headers are let through.
    #[must_use]
    pub fn admitting(
        self,
        admit: impl Fn(&HeaderMap) -> Result<(), String> + Send + Sync + 'static,
    ) -> Monitor {
        Monitor { admit: Arc::new(admit), ..self }
    }

    /// All metrics, in the text format of Prometheus.
    ///
    /// # Errors
    /// When [`Busy`].
    pub async fn metrics(&self) -> Result<String, Busy> {
        let turn = self.turn().await?;
        let own = exposition::text(&self.registry);
        let took = turn.begun.elapsed();
        // The others are waited for, too.
        let _slot = turn.end();
        let Some(others) = &self.others else { return Ok(own) };
        let text = others(own.clone()).await;
        // What was waited for costs nothing; what was made of it, as much as as many bytes of our own.
        let ratio = u32::try_from(text.len() / own.len().max(1)).unwrap_or(u32::MAX);
        self.turns.charge(took.saturating_mul(ratio));
        Ok(own + &text)
    }

    /// A turn to make something that costs time.
    ///
    /// # Errors
    /// When [`Busy`].
    pub async fn turn(&self) -> Result<Turn<'_>, Busy> {
        self.turns.take().await
    }

    /// A response that is made in a turn; a 429 when [`Busy`].
    pub async fn in_turn(&self, make: impl FnOnce() -> MonitorResponse) -> MonitorResponse {
        match self.turn().await {
            Ok(_turn) => make(),
            Err(busy) => busy.into(),
        }
    }

    /// Makes the reports.
    #[must_use]
    pub fn reporter(&self) -> &Reporter {
        &self.reporter
    }

    /// Why a request for this path is not answered at all.
    ///
    /// # Errors
    /// With the answer that it gets instead.
    #[expect(clippy::result_large_err, reason = "an answer is an answer")]
    pub fn admit(&self, headers: &HeaderMap, path: &str) -> Result<(), MonitorResponse> {
        (self.admit)(headers).map_err(|why| text(StatusCode::FORBIDDEN, format!("{why}\n")))?;
        if matches!(path, "/livez" | "/readyz") || self.rate.takes_one(Instant::now()) {
            return Ok(());
        }
        Err(told_to_wait(&format!(
            "more than {REQUESTS_A_SECOND} requests a second; ask again in a second"
        )))
    }

    /// Answers a request that was admitted.
    pub async fn show(&self, path: &str) -> MonitorResponse {
        match path {
            "/metrics" => match self.metrics().await {
                Ok(metrics) => with_media(StatusCode::OK, exposition::MEDIA, metrics),
                Err(busy) => busy.into(),
            },
            "/livez" => facts(&self.liveness),
            "/readyz" => facts(self.reporter.health()),
            "/status" => self.in_turn(|| json(&self.reporter.report())).await,
            _ => {
                let paths = "/metrics, /livez, /readyz or /status\n".to_owned();
                text(StatusCode::NOT_FOUND, paths)
            }
        }
    }
}

impl HttpService for Monitor {
    type Reply = Full<Bytes>;

    async fn answer(&self, request: Request<Body>) -> MonitorResponse {
        match self.admit(request.headers(), request.uri().path()) {
            Ok(()) => self.show(request.uri().path()).await,
            Err(refused) => refused,
        }
    }
}

/// One line for each fact; 503 when one does not hold without which the work is not done.
fn facts(health: &Health) -> MonitorResponse {
    let facts = health.facts();
    let is_ready = crate::health::is_ready(&facts);
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let lines: Vec<String> = facts.iter().map(ToString::to_string).collect();
    text(status, lines.join("\n") + "\n")
}

/// An answer in JSON.
#[must_use]
pub fn json(value: &impl Serialize) -> MonitorResponse {
    match serde_json::to_string(value) {
        Ok(body) => with_media(StatusCode::OK, JSON, body + "\n"),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

fn told_to_wait(why: &str) -> MonitorResponse {
    let mut response = text(StatusCode::TOO_MANY_REQUESTS, format!("{why}\n"));
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

impl From<Busy> for MonitorResponse {
    fn from(busy: Busy) -> MonitorResponse {
        told_to_wait(&busy.to_string())
    }
}

fn text(status: StatusCode, body: String) -> MonitorResponse {
    with_media(status, TEXT, body)
}

fn with_media(status: StatusCode, media: &'static str, body: String) -> MonitorResponse {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Who makes something that costs time, one after the other.
#[derive(Debug)]
struct Turns {
    /// Of requests that wait for their turn, that have it, or that wait for metrics of other processes.
    slots: Semaphore,
    one: Semaphore,
    /// When the next one may begin.
    free_at: Mutex<Option<Instant>>,
}

/// A turn, until it is dropped. What it took, ten times over, is the pause until the next one.
#[derive(Debug)]
pub struct Turn<'a> {
    turns: &'a Turns,
    begun: Instant,
    slot: Option<SemaphorePermit<'a>>,
    _permit: Option<SemaphorePermit<'a>>,
}

/// Eight requests wait for their turn already. *Failed*: ask again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("more than {MAX_REQUESTS} requests at once; ask again in a second")]
pub struct Busy;

/// Requests at once for what costs time: few of a listener's connections, for none that waits is evicted.
const MAX_REQUESTS: usize = 8;
/// Of a turn's own time, until the next turn begins.
const PAUSE_RATIO: u32 = 10;
/// However long it took.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

impl Turns {
    /// The next turn, as soon as it comes.
    async fn take(&self) -> Result<Turn<'_>, Busy> {
        let slot = self.slots.try_acquire().map_err(|_| Busy)?;
        // It is never closed.
        let permit = self.one.acquire().await.ok();
        let free_at = *self.free_at.lock();
        if let Some(free_at) = free_at {
            sleep_until(free_at).await;
        }
        Ok(Turn { turns: self, begun: Instant::now(), slot: Some(slot), _permit: permit })
    }

    /// Something has cost so much.
    fn charge(&self, cost: Duration) {
        let pause = cost.saturating_mul(PAUSE_RATIO).min(LONGEST_PAUSE);
        let mut free_at = self.free_at.lock();
        *free_at = free_at.max(Some(Instant::now() + pause));
    }
}

impl Default for Turns {
    fn default() -> Turns {
        let (slots, one) = (Semaphore::new(MAX_REQUESTS), Semaphore::new(1));
        Turns { slots, one, free_at: Mutex::default() }
    }
}

impl<'a> Turn<'a> {
    /// It is the next one's turn; the request keeps its slot.
    fn end(mut self) -> Option<SemaphorePermit<'a>> {
        self.slot.take()
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.charge(self.begun.elapsed());
    }
}

/// How many requests were answered in this second.
#[derive(Debug, Default)]
struct Rate(Mutex<Option<(Instant, u32)>>);

impl Rate {
    fn takes_one(&self, now: Instant) -> bool {
        let mut second = self.0.lock();
        let (since, count) = second
            .filter(|(since, _)| now.duration_since(*since) < Duration::from_secs(1))
            .unwrap_or((now, 0));
        let takes = count < REQUESTS_A_SECOND;
        *second = Some((since, count + u32::from(takes)));
        takes
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor").field("reporter", &self.reporter).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn monitor(facts: Health) -> Monitor {
        let registry = Arc::new(Registry::default());
        Monitor::new(registry, Reporter::new("signer", facts), Health::default())
    }

    #[test]
    fn requests_beyond_the_rate_are_told_to_wait() {
        let (rate, now) = (Rate::default(), Instant::now());
        assert!((0..REQUESTS_A_SECOND).all(|_| rate.takes_one(now)));
        assert!(!rate.takes_one(now + Duration::from_millis(999)));
        assert!(rate.takes_one(now + Duration::from_secs(1)));
    }

    #[test]
    fn a_request_that_is_not_admitted_is_told_why() {
        let monitor = monitor(Health::default()).admitting(|_| Err("not from a page".to_owned()));
        let refused = monitor.admit(&HeaderMap::new(), "/readyz").unwrap_err();
        assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    }

    /// As a kubelet asks, which restarts what does not answer.
    #[test]
    fn probes_are_answered_through_a_flood() {
        let monitor = monitor(Health::default());
        let headers = HeaderMap::new();
        let is_full = || monitor.admit(&headers, "/metrics").is_err();
        assert!((0..=REQUESTS_A_SECOND).any(|_| is_full()) && is_full());
        for path in ["/livez", "/readyz"] {
            assert!(monitor.admit(&headers, path).is_ok(), "{path}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_costs_time_is_made_by_turns_with_ten_times_the_pause() {
        let turns = Turns::default();
        let begun = Instant::now();
        for _ in 0..3 {
            let _turn = turns.take().await.unwrap();
            advance(Duration::from_millis(10)).await;
        }
        assert_eq!(begun.elapsed(), Duration::from_millis(10 + 100 + 10 + 100 + 10));
        turns.charge(Duration::from_secs(3600));
        let begun = Instant::now();
        drop(turns.take().await.unwrap());
        assert_eq!(begun.elapsed(), LONGEST_PAUSE);
    }

    /// Those too that wait for metrics of others.
    #[tokio::test]
    async fn only_so_many_requests_wait_for_what_costs_time() {
        let monitor = monitor(Health::default()).with_others(|_| std::future::pending());
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..MAX_REQUESTS {
            let monitor = monitor.clone();
            waiting.spawn(async move { monitor.metrics().await.err() });
        }
        while monitor.turns.slots.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        for path in ["/metrics", "/status"] {
            let busy = monitor.show(path).await;
            assert_eq!(busy.status(), StatusCode::TOO_MANY_REQUESTS, "{path}");
            assert!(busy.headers().contains_key(RETRY_AFTER), "{path}");
        }
        waiting.shutdown().await;
        assert_eq!(monitor.show("/status").await.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn metrics_of_others_stand_behind_our_own() {
        let others = |own: String| async move { format!("{}+others\n", own.len()) };
        let text = monitor(Health::default()).with_others(others).metrics().await.unwrap();
        assert_eq!(text, "0+others\n");
    }
}
