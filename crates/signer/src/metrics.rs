//! What is counted as it happens. Labels are names from the configuration and bounded words.
//!
//! Every series that can be is there from the start, at 0: the first refusal of a kind is then a rise, which an alert
//! sees.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tezos::{Kind, Payload, Signature};
use watermark::{DiskError, Refusal};

use crate::error::{Failed, NotReady, Refused, SignError};
use crate::made::Made;
use crate::policy::Policy;

/// What is counted as it happens.
#[derive(Debug)]
pub(crate) struct Metrics {
    requests: Family<RequestLabels, Counter>,
    seconds: Family<StageLabels, Histogram>,
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
struct StageLabels {
    key: String,
    stage: &'static str,
}

/// How long the stages of a signature took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Stages {
    /// From the request to the worker.
    pub(crate) queue: Duration,
    /// For the mark to be raised, written, and covered by a reservation.
    pub(crate) store: Duration,
    /// For the device to sign.
    pub(crate) device: Duration,
    /// From the request to the signature.
    pub(crate) whole: Duration,
}

/// From a software key (0.1 ms) to the slowest device (0.8 s) and its time limit, in seconds.
const BUCKETS: [f64; 11] = [0.000_5, 0.001, 0.002, 0.005, 0.02, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0];
const STAGES: [&str; 4] = ["queue", "store", "device", "whole"];
/// Of operations, which have no mark.
const OPERATION: &str = "operation";
/// Of bytes that were refused before it was known what they are.
const UNREAD: &str = "none";
/// The name of no key: that which a request was for is not here.
const NO_KEY: &str = "";
const NOT_HERE: &str = "unknown_key";

impl Metrics {
    /// For these keys, by name, with what each may sign.
    pub(crate) fn register<'a>(
        registry: &mut Registry,
        keys: impl IntoIterator<Item = (&'a str, &'a Policy)>,
    ) -> Metrics {
        let metrics = Metrics {
            requests: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
        };
        registry.register(
            "peel_signer_requests",
            "Signing requests, by what became of them",
            metrics.requests.clone(),
        );
        registry.register(
            "peel_signer_sign_seconds",
            "Time of the stages of requests that were signed: waiting, the mark, the device, and all of it",
            metrics.seconds.clone(),
        );
        metrics.count_from_zero(NO_KEY, UNREAD, "refused", [NOT_HERE]);
        for (key, policy) in keys {
            metrics.begin_key(key, policy);
        }
        metrics
    }

    fn begin_key(&self, key: &str, policy: &Policy) {
        for stage in STAGES {
            drop(self.seconds.get_or_create(&StageLabels { key: key.to_owned(), stage }));
        }
        self.count_from_zero(key, UNREAD, "refused", Refused::REASONS_UNREAD);
        let beside_disk = || Failed::REASONS.into_iter().chain(NotReady::REASONS);
        let failures = || beside_disk().chain(DiskError::REASONS);
        self.count_from_zero(key, UNREAD, "failed", failures());
        for kind in policy.kinds.iter().map(|kind| kind.name()) {
            self.count_from_zero(key, kind, "signed", [""]);
            self.count_from_zero(key, kind, "repeated", [""]);
            let refusals = Refused::REASONS.into_iter().chain(Refusal::REASONS);
            self.count_from_zero(key, kind, "refused", refusals);
            self.count_from_zero(key, kind, "failed", failures());
        }
        if !policy.operations.is_empty() {
            self.count_from_zero(key, OPERATION, "signed", [""]);
            self.count_from_zero(key, OPERATION, "failed", beside_disk());
        }
    }

    fn count_from_zero(
        &self,
        key: &str,
        kind: &'static str,
        result: &'static str,
        reasons: impl IntoIterator<Item = &'static str>,
    ) {
        for reason in reasons {
            let key = key.to_owned();
            drop(self.requests.get_or_create(&RequestLabels { key, kind, result, reason }));
        }
    }

    /// Counts what became of operations.
    pub(crate) fn note_operations(&self, key: &str, outcome: &Result<Signature, SignError>) {
        let labels = outcome.as_ref().map_or_else(SignError::labels, |_| ("signed", ""));
        self.count(key, OPERATION, labels);
    }

    /// Counts a request that came to no worker.
    pub(crate) fn note_unserved(&self, key: &str, kind: Option<Kind>, error: &SignError) {
        let kind = kind.map_or(UNREAD, Kind::name);
        self.count(key, kind, error.labels());
    }

    /// Counts a request for a key that is not here.
    pub(crate) fn note_unknown_key(&self) {
        self.count(NO_KEY, UNREAD, ("refused", NOT_HERE));
    }

    /// Counts what became of a request.
    pub(crate) fn note(
        &self,
        key: &str,
        payload: &Payload,
        outcome: &Result<Made, SignError>,
        stages: &Stages,
    ) {
        let labels = match outcome {
            Ok(Made::Now(_)) => ("signed", ""),
            Ok(Made::Before(_)) => ("repeated", ""),
            Err(error) => error.labels(),
        };
        self.count(key, payload.kind().name(), labels);
        if matches!(outcome, Ok(Made::Now(_))) {
            let Stages { queue, store, device, whole } = stages;
            for (stage, took) in STAGES.into_iter().zip([queue, store, device, whole]) {
                let labels = StageLabels { key: key.to_owned(), stage };
                self.seconds.get_or_create(&labels).observe(took.as_secs_f64());
            }
        }
    }

    fn count(&self, key: &str, kind: &'static str, (result, reason): (&'static str, &'static str)) {
        let key = key.to_owned();
        self.requests.get_or_create(&RequestLabels { key, kind, result, reason }).inc();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use daemon::exposition;

    use super::*;

    fn series(registry: &Registry) -> BTreeSet<String> {
        let text = exposition::text(registry);
        let lines = text.lines().filter(|line| line.starts_with("peel_signer_requests_total{"));
        lines.map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect()
    }

    /// An alert on a rise is silent about a series that begins with its first event.
    #[test]
    fn what_is_counted_was_there_at_zero() {
        let mut registry = Registry::default();
        let policy = Policy { kinds: Kind::ALL.into_iter().collect(), ..Policy::default() };
        let metrics = Metrics::register(&mut registry, [("baker", &policy)]);
        let before = series(&registry);
        let errors = [
            SignError::from(Refused::Authentication),
            Refused::Version.into(),
            Refused::Kind(Kind::Block).into(),
            Refused::OtherVersion.into(),
            Refused::ByDevice(String::new()).into(),
            Failed::Busy.into(),
            Failed::NotReady(NotReady::Locked).into(),
            Failed::Stopping.into(),
            Failed::NoAnswer.into(),
            Failed::WrongSignature.into(),
            Failed::Late(Duration::ZERO).into(),
        ];
        for error in &errors {
            let is_unread = matches!(
                error,
                SignError::Refused(Refused::Authentication | Refused::Version | Refused::Kind(_))
            );
            metrics.note_unserved("baker", (!is_unread).then_some(Kind::Block), error);
        }
        metrics.note_unknown_key();
        assert_eq!(series(&registry), before);
    }
}
