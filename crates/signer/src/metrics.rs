//! The signer's metrics. Labels are names from the configuration and bounded words.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use tezos::Payload;
use watermark::Store;

use crate::keyring::Keyring;
use crate::queue::{Made, Outcome};

/// What is counted as it happens.
#[derive(Debug)]
pub(crate) struct Metrics {
    requests: Family<RequestLabels, Counter>,
    seconds: Family<KeyLabels, Histogram>,
    level: Family<KindLabels, Gauge>,
}

/// What is read when somebody asks.
#[derive(Debug)]
struct Readings {
    keyring: Keyring,
    store: Arc<Store>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    key: String,
    kind: &'static str,
    result: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KeyLabels {
    key: String,
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
        registry.register(
            "peel_signer_build",
            "The version that runs",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        metrics
    }

    /// Counts what became of a request.
    pub(crate) fn note(&self, key: &str, payload: &Payload, outcome: &Outcome, took: Duration) {
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

/// Registers what is read from these when somebody asks.
pub(crate) fn register_readings(registry: &mut Registry, keyring: Keyring, store: Arc<Store>) {
    registry.register_collector(Box::new(Readings { keyring, store }));
}

impl Collector for Readings {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let ready = |at: usize| {
            self.keyring.0.get(at).is_some_and(|entry| entry.key.readiness().is_ok()).into()
        };
        self.per_key(&mut encoder, "peel_signer_key_ready", "1: the key can sign now", ready)?;
        let waiting = |at: usize| {
            let queued = self.keyring.0.get(at).map(|entry| entry.queue.len());
            i64::try_from(queued.unwrap_or_default()).unwrap_or(i64::MAX)
        };
        self.per_key(&mut encoder, "peel_signer_queue_length", "Requests that wait", waiting)?;
        let good = ConstGauge::new(i64::from(self.store.failure().is_none()));
        let metric = encoder.encode_descriptor(
            "peel_signer_store_writable",
            "1: the last write to the watermark store went well",
            None,
            good.metric_type(),
        )?;
        good.encode(metric)
    }
}

impl Readings {
    fn per_key(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        name: &str,
        help: &str,
        read: impl Fn(usize) -> i64,
    ) -> Result<(), fmt::Error> {
        let kind = ConstGauge::new(0_i64).metric_type();
        let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
        for (at, entry) in self.keyring.0.iter().enumerate() {
            let labels = KeyLabels { key: entry.key.name.clone() };
            ConstGauge::new(read(at)).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
