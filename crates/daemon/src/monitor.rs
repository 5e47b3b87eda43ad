//! `/metrics`, `/livez` and `/readyz`, as Prometheus and Kubernetes ask for them.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response, StatusCode};
use prometheus_client::registry::Registry;

use crate::Health;
use crate::http::{Body, HttpResponse, HttpService};

/// Metrics and health of a daemon.
#[derive(Debug, Clone)]
pub struct Monitor {
    registry: Arc<Registry>,
    readiness: Health,
    liveness: Health,
}

const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

impl Monitor {
    /// Shows these metrics, the facts that say whether work can be done, and those that say whether
    /// a restart would help.
    #[must_use]
    pub fn new(registry: Arc<Registry>, readiness: Health, liveness: Health) -> Monitor {
        Monitor { registry, readiness, liveness }
    }

    /// The metrics, in the text format of Prometheus.
    #[must_use]
    pub fn metrics(&self) -> String {
        let mut text = String::new();
        match prometheus_client::encoding::text::encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(error) => format!("# metrics cannot be written: {error}\n"),
        }
    }
}

impl HttpService for Monitor {
    async fn answer(&self, request: Request<Body>) -> HttpResponse {
        match request.uri().path() {
            "/metrics" => text(StatusCode::OK, METRICS, self.metrics()),
            "/livez" => facts(&self.liveness),
            "/readyz" => facts(&self.readiness),
            _ => text(StatusCode::NOT_FOUND, TEXT, "/metrics, /livez or /readyz\n".to_owned()),
        }
    }
}

/// One line for each fact; 503 when one does not hold without which the work is not done.
fn facts(health: &Health) -> HttpResponse {
    let facts = health.facts();
    let good = facts.iter().all(|fact| fact.state.is_ok() || !fact.is_vital);
    let status = if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let lines: Vec<String> = facts.iter().map(ToString::to_string).collect();
    text(status, TEXT, lines.join("\n") + "\n")
}

fn text(status: StatusCode, media: &'static str, body: String) -> HttpResponse {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    response
}
