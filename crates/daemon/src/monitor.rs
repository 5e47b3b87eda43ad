//! `/metrics`, `/livez`, `/readyz` and `/status`, as Prometheus, Kubernetes and `peel status` ask for them.
//!
//! Every client that reaches the port may ask, as often as is of use: beyond that it is told to wait, for what answers
//! here is the process that signs.

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
use tokio::time::Instant;

use crate::connections::Limits;
use crate::exposition;
use crate::http::{Body, HttpService};
use crate::report::Reporter;
use crate::{Health, open_files};

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
const CONNECTIONS: usize = 64;

impl Monitor {
    /// Shows these metrics, these facts, and those that say whether a restart would help.
    #[must_use]
    pub fn new(registry: Arc<Registry>, reporter: Reporter, liveness: Health) -> Monitor {
        let (admit, rate) = (Arc::new(|_: &HeaderMap| Ok(())), Arc::default());
        Monitor { registry, others: None, reporter, liveness, admit, rate }
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

    /// For its port.
    #[must_use]
    pub fn limits() -> Limits {
        Limits { connections: CONNECTIONS.min(open_files::limit() / 8), ..Limits::default() }
    }

    /// All metrics, in the text format of Prometheus.
    pub async fn metrics(&self) -> String {
        let own = exposition::text(&self.registry);
        match &self.others {
            Some(others) => {
                let beside = others(own.clone()).await;
                own + &beside
            }
            None => own,
        }
    }

    /// Makes the reports.
    #[must_use]
    pub fn reporter(&self) -> &Reporter {
        &self.reporter
    }

    /// Why a request is not answered at all.
    ///
    /// # Errors
    /// With the answer that it gets instead.
    #[expect(clippy::result_large_err, reason = "an answer is an answer")]
    pub fn admit(&self, headers: &HeaderMap) -> Result<(), MonitorResponse> {
        (self.admit)(headers).map_err(|why| text(StatusCode::FORBIDDEN, format!("{why}\n")))?;
        if self.rate.takes_one(Instant::now()) {
            return Ok(());
        }
        let why =
            format!("more than {REQUESTS_A_SECOND} requests a second; ask again in a second\n");
        let mut response = text(StatusCode::TOO_MANY_REQUESTS, why);
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        Err(response)
    }

    /// Answers a request that was admitted.
    pub async fn show(&self, path: &str) -> MonitorResponse {
        match path {
            "/metrics" => with_media(StatusCode::OK, exposition::MEDIA, self.metrics().await),
            "/livez" => facts(&self.liveness),
            "/readyz" => facts(self.reporter.health()),
            "/status" => json(&self.reporter.report()),
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
        match self.admit(request.headers()) {
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
        let refused = monitor.admit(&HeaderMap::new()).unwrap_err();
        assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    }

    #[tokio::test]
    async fn metrics_of_others_stand_behind_our_own() {
        let others = |own: String| async move { format!("{}+others\n", own.len()) };
        let text = monitor(Health::default()).with_others(others).metrics().await;
        assert_eq!(text, "0+others\n");
    }
}
