//! What is counted as it happens, and what is read at each scrape. Labels are names from the configuration, and
//! words of a bounded set. Every series that can be is there from the start, at 0.

use std::fmt;
use std::time::Duration;

use daemon::scrape;
use daemon::{Fact, Verdict};
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
    seconds: Family<StageLabels, Histogram>,
    hedges: Family<SignerLabels, Counter>,
}

/// The result of a request to a signer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outcome {
    /// The signer answered with success.
    Answered,
    /// The signer answered with a refusal or a failure.
    Declined,
    /// There was no response, for this reason: one of [`UNANSWERED`].
    Unanswered(&'static str),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    signer: String,
    call: &'static str,
    result: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SignerLabels {
    signer: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabels {
    signer: String,
    stage: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServiceLabels {
    signer: String,
    service: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UplinkLabels {
    signer: String,
    service: String,
    uplink: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    signer: String,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

/// From a software key beside the gateway to the longest limit, in seconds.
const BUCKETS: [f64; 11] = [0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 15.0];
/// All of it, and what is left of that without the signer's own time.
const WHOLE: &str = "whole";
const TUNNEL: &str = "tunnel";
/// What is asked for: a signature, what a baker asks before it, its public key, whether it could sign, anything else.
const CALLS: [&str; 5] = [SIGN, "authorized_keys", "public_key", "status", "other"];
pub(crate) const SIGN: &str = "sign";
const UNANSWERED_RESULT: &str = "unanswered";
/// Why a signer gave no response.
pub(crate) const UNANSWERED: [&str; 6] =
    ["not_connected", "behind", "refused", "failed", "timed_out", "busy"];
const REFUSED: &str = "refused";
/// Why no signer was asked.
pub(crate) const NOT_ASKED: [&str; 10] = [
    "no_signer",
    "standby",
    "unknown",
    "in_shares",
    "authentication",
    "web_page",
    "malformed",
    "media",
    "too_large",
    "too_slow",
];
/// The name of no signer: none was asked.
const NO_SIGNER: &str = "";

/// The word for what is asked for.
pub(crate) fn call_word(method: &Method, path: &str) -> &'static str {
    match path.split(['/', '?']).find(|part| !part.is_empty()) {
        _ if *method == Method::POST => SIGN,
        Some("authorized_keys") => "authorized_keys",
        Some("keys") => "public_key",
        Some("statusz") => "status",
        Some(_) | None => "other",
    }
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry, signers: &Signers) -> Metrics {
        let metrics = Metrics {
            requests: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            hedges: Family::default(),
        };
        registry.register("peel_gateway_requests", "Requests, by result", metrics.requests.clone());
        registry.register(
            "peel_gateway_answer_seconds",
            "From a signing request to its answer, when there was one; of that, without the signer's own time",
            metrics.seconds.clone(),
        );
        registry.register(
            "peel_gateway_hedges",
            "Requests that were sent over another path too, the first one being silent",
            metrics.hedges.clone(),
        );
        metrics.begin(signers.all().iter().map(|signer| signer.name.as_str()));
        for reason in NOT_ASKED {
            for call in CALLS {
                metrics.series(NO_SIGNER, call, REFUSED, reason);
            }
        }
        metrics
    }

    /// Every series of these signers, at 0.
    pub(crate) fn begin<'a>(&self, signers: impl IntoIterator<Item = &'a str>) {
        for signer in signers {
            for call in CALLS {
                self.series(signer, call, "answered", "");
                self.series(signer, call, "declined", "");
                for reason in UNANSWERED {
                    self.series(signer, call, UNANSWERED_RESULT, reason);
                }
            }
            for stage in [WHOLE, TUNNEL] {
                drop(self.seconds.get_or_create(&StageLabels { signer: signer.to_owned(), stage }));
            }
            drop(self.hedges.get_or_create(&SignerLabels { signer: signer.to_owned() }));
        }
    }

    /// No series of this signer any more.
    pub(crate) fn end(&self, signer: &str) {
        let labels = |call, result, reason| RequestLabels {
            signer: signer.to_owned(),
            call,
            result,
            reason,
        };
        for call in CALLS {
            self.requests.remove(&labels(call, "answered", ""));
            self.requests.remove(&labels(call, "declined", ""));
            for reason in UNANSWERED {
                self.requests.remove(&labels(call, UNANSWERED_RESULT, reason));
            }
        }
        for stage in [WHOLE, TUNNEL] {
            self.seconds.remove(&StageLabels { signer: signer.to_owned(), stage });
        }
        self.hedges.remove(&SignerLabels { signer: signer.to_owned() });
    }

    fn series(&self, signer: &str, call: &'static str, result: &'static str, reason: &'static str) {
        let signer = signer.to_owned();
        drop(self.requests.get_or_create(&RequestLabels { signer, call, result, reason }));
    }

    /// Counts a request to a signer. `signer_took`: what of that was the signer's own time, if it says so.
    pub(crate) fn note_request(
        &self,
        signer: &str,
        call: &'static str,
        outcome: Outcome,
        (took, signer_took): (Duration, Option<Duration>),
    ) {
        let (result, reason) = match outcome {
            Outcome::Answered => ("answered", ""),
            Outcome::Declined => ("declined", ""),
            Outcome::Unanswered(reason) => (UNANSWERED_RESULT, reason),
        };
        self.count(signer, call, result, reason);
        if call == SIGN && matches!(outcome, Outcome::Answered) {
            self.observe(signer, WHOLE, took);
            if let Some(signer_took) = signer_took {
                self.observe(signer, TUNNEL, took.saturating_sub(signer_took));
            }
        }
    }

    /// Counts a request for which no signer was asked, for one of [`NOT_ASKED`].
    pub(crate) fn note_not_asked(&self, call: &'static str, reason: &'static str) {
        self.count(NO_SIGNER, call, REFUSED, reason);
    }

    fn count(&self, signer: &str, call: &'static str, result: &'static str, reason: &'static str) {
        let signer = signer.to_owned();
        self.requests.get_or_create(&RequestLabels { signer, call, result, reason }).inc();
    }

    fn observe(&self, signer: &str, stage: &'static str, took: Duration) {
        let labels = StageLabels { signer: signer.to_owned(), stage };
        self.seconds.get_or_create(&labels).observe(took.as_secs_f64());
    }

    pub(crate) fn note_hedge(&self, signer: &str) {
        self.hedges.get_or_create(&SignerLabels { signer: signer.to_owned() }).inc();
    }
}

/// What is read at each scrape.
#[derive(Debug)]
pub(crate) struct Readings {
    pub(crate) signers: Signers,
    pub(crate) refusals: Refusals,
}

/// The states that a signer can be in, as its fact names them.
const STATES: [&str; 8] = [
    "ready",
    "partly_ready",
    "not_signing",
    "not_ready",
    "silent",
    "not_connected",
    "refused",
    "connected",
];

impl Collector for Readings {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        self.encode_signers(&mut encoder)?;
        self.encode_sessions(&mut encoder)?;
        let count = |refusal: Refusal| {
            (ReasonLabels { reason: refusal.word() }, self.refusals.count(refusal))
        };
        let help = "What was refused to ssh clients, by reason";
        let refusals = Refusal::ALL.into_iter().map(count);
        scrape::counters(&mut encoder, ("peel_gateway_ssh_refusals", help), refusals)
    }
}

impl Readings {
    fn encode_signers(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let signers = self.signers.all();
        let facts: Vec<Fact> = signers.iter().map(|signer| signer.fact()).collect();
        let ready = facts.iter().map(|fact| {
            let labels = SignerLabels { signer: fact.subject.clone() };
            (labels, i64::from(fact.verdict == Verdict::Good))
        });
        let help = "1: the signer is connected, and does not say that it cannot sign";
        scrape::gauges(encoder, ("peel_gateway_signer_ready", help), ready)?;
        let states = facts.iter().flat_map(|fact| {
            STATES.map(|state| {
                let labels = StateLabels { signer: fact.subject.clone(), state };
                (labels, i64::from(fact.state == state))
            })
        });
        let help = "1: the state that the signer is in, as seen from here";
        scrape::gauges(encoder, ("peel_gateway_signer_state", help), states)?;
        let metered = signers.iter().map(|signer| {
            let labels = SignerLabels { signer: signer.name.clone() };
            (labels, i64::from(signer.is_metered_only()))
        });
        let help = "1: the signer is connected over metered uplinks alone";
        scrape::gauges(encoder, ("peel_gateway_signer_metered", help), metered)?;
        let offsets = signers.iter().filter_map(|signer| {
            Some((SignerLabels { signer: signer.name.clone() }, signer.clock_offset()?))
        });
        let help = "By how much the signer's clock is ahead of this one";
        scrape::gauges(encoder, ("peel_gateway_signer_clock_offset_seconds", help), offsets)
    }

    fn encode_sessions(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let signers = self.signers.all();
        let of_signer = |signer| Service::BOTH.map(|service| sessions(signer, service));
        let help = "Sessions of a signer, by service";
        let sessions = signers.iter().flat_map(|signer| of_signer(signer));
        scrape::gauges(encoder, ("peel_gateway_sessions", help), sessions)?;
        let opened = signers.iter().flat_map(|signer| {
            Service::BOTH.map(|service| (service_labels(signer, service), signer.opened(service)))
        });
        let help = "Sessions of a signer that were opened, by service";
        scrape::counters(encoder, ("peel_gateway_sessions_opened", help), opened)?;
        let round_trips = signers.iter().flat_map(|signer| round_trips(signer));
        let help = "Round trip of a signer's sessions, by its uplink, when it was last measured";
        scrape::gauges(encoder, ("peel_gateway_session_round_trip_seconds", help), round_trips)
    }
}

fn service_labels(signer: &Signer, service: Service) -> ServiceLabels {
    ServiceLabels { signer: signer.name.clone(), service: service.to_string() }
}

fn sessions(signer: &Signer, service: Service) -> (ServiceLabels, i64) {
    let count = match service {
        Service::Signing => signer.paths().len(),
        Service::Shell => signer.shells().len(),
    };
    (service_labels(signer, service), i64::try_from(count).unwrap_or(i64::MAX))
}

/// Of each uplink the best session's: two of one uplink would be one series twice.
fn round_trips(signer: &Signer) -> Vec<(UplinkLabels, f64)> {
    let mut rows: Vec<(UplinkLabels, f64)> = Vec::new();
    for session in signer.sessions() {
        let labels = UplinkLabels {
            signer: signer.name.clone(),
            service: session.service().to_string(),
            uplink: session.uplink().unwrap_or_default().to_owned(),
        };
        if let Some(round_trip) = session.round_trip()
            && rows.iter().all(|(other, _)| *other != labels)
        {
            rows.push((labels, round_trip.as_secs_f64()));
        }
    }
    rows
}
