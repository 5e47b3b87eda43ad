//! What is counted of keys in shares. Labels are hashes and names from the configuration, and words of a bounded set.

use std::fmt;

use daemon::scrape;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use shares::ShareIndex;
use tezos::Signature;

use crate::shared_key::{SharedKey, SharedKeys};
use crate::signers::Signers;
use crate::tally::{ShareResult, Unsigned};

/// What is counted as it happens. Clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedMetrics {
    requests: Family<RequestLabels, Counter>,
    answers: Family<AnswerLabels, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    key: String,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnswerLabels {
    key: String,
    signer: String,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KeyLabels {
    key: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ShareLabels {
    key: String,
    signer: String,
}

const RESULTS: [&str; 3] = ["signed", "refused", "failed"];
const SHARE_RESULTS: [&str; 5] = ["part", "refused", "unfit", "failed", "lied"];

impl SharedMetrics {
    /// With every series of these keys, at 0.
    pub(crate) fn register(registry: &mut Registry, keys: &SharedKeys) -> SharedMetrics {
        let metrics = SharedMetrics::default();
        registry.register(
            "peel_gateway_shared_key_requests",
            "Requests for a signature of a key in shares, by result",
            metrics.requests.clone(),
        );
        registry.register(
            "peel_gateway_share_answers",
            "What each signer that has a share answered, by result",
            metrics.answers.clone(),
        );
        metrics.begin(keys);
        metrics
    }

    /// The series of these keys, at 0, and no others.
    pub(crate) fn begin(&self, keys: &SharedKeys) {
        self.requests.clear();
        self.answers.clear();
        for shared in keys.all().iter() {
            let key = shared.config.hash().to_string();
            for result in RESULTS {
                let key = key.clone();
                drop(self.requests.get_or_create(&RequestLabels { key, result }));
            }
            for (signer, result) in shared
                .config
                .signers
                .iter()
                .flat_map(|signer| SHARE_RESULTS.map(|result| (signer.clone(), result)))
            {
                let key = key.clone();
                drop(self.answers.get_or_create(&AnswerLabels { key, signer, result }));
            }
        }
    }

    /// Counts a request.
    pub(crate) fn note_request(
        &self,
        shared: &SharedKey,
        ended: Option<&Result<Signature, Unsigned>>,
    ) {
        let result = match ended {
            Some(Ok(_)) => "signed",
            Some(Err(Unsigned::Refused(_))) => "refused",
            Some(Err(Unsigned::Failed(_))) | None => "failed",
        };
        let key = shared.config.hash().to_string();
        self.requests.get_or_create(&RequestLabels { key, result }).inc();
    }

    /// Counts what came of asking for a share.
    pub(crate) fn note_share(&self, shared: &SharedKey, index: ShareIndex, result: ShareResult) {
        let result = match result {
            ShareResult::Part => "part",
            ShareResult::Refused => "refused",
            ShareResult::Unfit => "unfit",
            ShareResult::Failed => "failed",
            ShareResult::Lied => "lied",
        };
        let holder = shared.config.holders().find(|(own, _)| *own == index);
        let Some((_, signer)) = holder else { return };
        let (key, signer) = (shared.config.hash().to_string(), signer.to_owned());
        self.answers.get_or_create(&AnswerLabels { key, signer, result }).inc();
    }
}

/// What is read at each scrape.
#[derive(Debug)]
pub(crate) struct SharedReadings {
    pub(crate) keys: SharedKeys,
    pub(crate) signers: Signers,
}

impl Collector for SharedReadings {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let encoder = &mut encoder;
        let [mut able, mut needed, mut all] = [const { Vec::new() }; 3];
        let mut takes_part = Vec::new();
        for shared in self.keys.all().iter() {
            let key = shared.config.hash().to_string();
            let states = shared.states(&self.signers);
            let count = states.iter().filter(|share| share.is_able()).count();
            able.push((KeyLabels { key: key.clone() }, i64::try_from(count).unwrap_or(i64::MAX)));
            let threshold = shared.config.group.threshold();
            needed.push((KeyLabels { key: key.clone() }, i64::from(threshold.needed())));
            all.push((KeyLabels { key: key.clone() }, i64::from(threshold.shares())));
            takes_part.extend(states.into_iter().map(|share| {
                let is_able = i64::from(share.is_able());
                (ShareLabels { key: key.clone(), signer: share.signer }, is_able)
            }));
        }
        let help = "Shares of a key that can sign, as far as is known";
        scrape::gauges(encoder, ("peel_gateway_shared_key_able", help), able)?;
        let help = "Shares of a key that are needed for a signature";
        scrape::gauges(encoder, ("peel_gateway_shared_key_needed", help), needed)?;
        let help = "Shares of a key that there are";
        scrape::gauges(encoder, ("peel_gateway_shared_key_shares", help), all)?;
        let help = "1: the signer with this share of a key can take part";
        scrape::gauges(encoder, ("peel_gateway_share_able", help), takes_part)
    }
}
