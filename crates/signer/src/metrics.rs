//! What is counted as it happens. Labels are names from the configuration and bounded words.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tezos::{Payload, Signature};

use crate::error::SignError;
use crate::made::Made;

/// What is counted as it happens.
#[derive(Debug)]
pub(crate) struct Metrics {
    requests: Family<RequestLabels, Counter>,
    seconds: Family<KeyLabels, Histogram>,
    level: Family<KindLabels, Gauge>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    key: String,
    kind: &'static str,
    result: &'static str,
    reason: &'static str,
}

/// A key, by its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct KeyLabels {
    pub(crate) key: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    key: String,
    kind: &'static str,
}

/// From a software key (0.1 ms) to the slowest device (0.8 s) and its time limit.
const BUCKETS: [f64; 11] = [0.000_5, 0.001, 0.002, 0.005, 0.02, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0];

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Metrics {
        let metrics = Metrics {
            requests: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            level: Family::default(),
        };
        registry.register(
            "peel_signer_requests",
            "Signing requests that came to a key, by what became of them",
            metrics.requests.clone(),
        );
        registry.register(
            "peel_signer_sign_seconds",
            "From the head of the queue to the answer, for requests that were signed",
            metrics.seconds.clone(),
        );
        registry.register(
            "peel_signer_last_level",
            "The level of the last signature",
            metrics.level.clone(),
        );
        metrics
    }

    /// Counts what became of operations.
    pub(crate) fn note_operations(&self, key: &str, outcome: &Result<Signature, SignError>) {
        let (result, reason) = outcome.as_ref().map_or_else(SignError::labels, |_| ("signed", ""));
        let (key, kind) = (key.to_owned(), "operation");
        self.requests.get_or_create(&RequestLabels { key, kind, result, reason }).inc();
    }

    /// Counts what became of a request.
    pub(crate) fn note(
        &self,
        key: &str,
        payload: &Payload,
        outcome: &Result<Made, SignError>,
        took: Duration,
    ) {
        let (key, kind) = (key.to_owned(), payload.kind().name());
        let (result, reason) = match outcome {
            Ok(Made::Now(_)) => ("signed", ""),
            Ok(Made::Before(_)) => ("repeated", ""),
            Err(error) => error.labels(),
        };
        self.requests
            .get_or_create(&RequestLabels { key: key.clone(), kind, result, reason })
            .inc();
        if matches!(outcome, Ok(Made::Now(_))) {
            self.level
                .get_or_create(&KindLabels { key: key.clone(), kind })
                .set(payload.mark().level.into());
            self.seconds.get_or_create(&KeyLabels { key }).observe(took.as_secs_f64());
        }
    }
}
