//! What is counted as it happens, and what is read at each scrape. Labels are names from the configuration, and
//! words of a bounded set.

use std::fmt;
use std::time::Duration;

use daemon::scrape;
use hyper::Method;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tunnel::Service;
use tunnel::endpoint::{Refusal, Refusals};

use crate::signer::Signer;
use crate::signers::Signers;

/// What is counted as it happens.
#[derive(Debug)]
pub(crate) struct Metrics {
    requests: Family<RequestLabels, Counter>,
    seconds: Family<SignerLabels, Histogram>,
    hedges: Family<SignerLabels, Counter>,
}

/// The result of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outcome {
    /// The signer answered with success.
    Answered,
    /// The signer answered with a refusal or a failure.
    Declined,
    /// There was no response.
    Unanswered,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    signer: String,
    method: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SignerLabels {
    signer: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServiceLabels {
    signer: String,
    service: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

/// From a software key beside the gateway to the longest limit.
const BUCKETS: [f64; 11] = [0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 15.0];

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Metrics {
        let metrics = Metrics {
            requests: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            hedges: Family::default(),
        };
        registry.register(
            "peel_gateway_requests",
            "Requests to a signer, by result",
            metrics.requests.clone(),
        );
        registry.register(
            "peel_gateway_answer_seconds",
            "From a signing request to its answer, when there was one",
            metrics.seconds.clone(),
        );
        registry.register(
            "peel_gateway_hedges",
            "Requests that were sent over another path too, the first one being silent",
            metrics.hedges.clone(),
        );
        metrics
    }

    pub(crate) fn note_request(
        &self,
        signer: &str,
        method: &Method,
        outcome: Outcome,
        took: Duration,
    ) {
        let signer = signer.to_owned();
        let is_signing = *method == Method::POST;
        let method = if is_signing { "POST" } else { "GET" };
        let result = outcome.word();
        self.requests
            .get_or_create(&RequestLabels { signer: signer.clone(), method, result })
            .inc();
        if is_signing && matches!(outcome, Outcome::Answered) {
            self.seconds.get_or_create(&SignerLabels { signer }).observe(took.as_secs_f64());
        }
    }

    pub(crate) fn note_hedge(&self, signer: &str) {
        self.hedges.get_or_create(&SignerLabels { signer: signer.to_owned() }).inc();
    }
}

impl Outcome {
    fn word(self) -> &'static str {
        match self {
            Outcome::Answered => "answered",
            Outcome::Declined => "declined",
            Outcome::Unanswered => "unanswered",
        }
    }
}

/// What is read at each scrape.
#[derive(Debug)]
pub(crate) struct Readings {
    pub(crate) signers: Signers,
    pub(crate) refusals: Refusals,
}

impl Collector for Readings {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let of_signer = |signer| Service::BOTH.map(|service| sessions(signer, service));
        let help = "Sessions of a signer, by service";
        let sessions = self.signers.iter().flat_map(|signer| of_signer(signer));
        scrape::gauges(&mut encoder, ("peel_gateway_sessions", help), sessions)?;
        let count = |refusal: Refusal| {
            (ReasonLabels { reason: refusal.word() }, self.refusals.count(refusal))
        };
        let help = "What was refused to ssh clients, by reason";
        let refusals = Refusal::ALL.into_iter().map(count);
        scrape::counters(&mut encoder, ("peel_gateway_ssh_refusals", help), refusals)
    }
}

fn sessions(signer: &Signer, service: Service) -> (ServiceLabels, i64) {
    let count = match service {
        Service::Signing => signer.paths().len(),
        Service::Shell => signer.shells().len(),
    };
    let labels = ServiceLabels { signer: signer.name.clone(), service: service.to_string() };
    (labels, i64::try_from(count).unwrap_or(i64::MAX))
}
