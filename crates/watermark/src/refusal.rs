//! Why a request is refused.

use tezos::{ChainId, Kind, Level, Mark, PayloadError, PublicKeyHash};
use thiserror::Error;

use crate::form::UnknownFormWhy;

/// Why a request is *refused*. The words are those of octez-signer where it has them.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The store knows nothing of this key on this chain.
    #[error("no watermark for {key} on {chain}; make one with \"peel watermark init\"")]
    NoWatermark {
        /// The key.
        key: PublicKeyHash,
        /// The chain.
        chain: ChainId,
    },
    /// At or below the level that is closed for all kinds.
    #[error("{kind} level {} below high watermark {floor}: everything up to it counts as signed", mark.level)]
    Closed {
        /// What was asked for.
        kind: Kind,
        /// Where.
        mark: Mark,
        /// The closed level.
        floor: Level,
    },
    /// Below the last one signed.
    #[error("{kind} {mark} not above high watermark {last}")]
    Below {
        /// What was asked for.
        kind: Kind,
        /// Where.
        mark: Mark,
        /// The last one.
        last: Mark,
    },
    /// Other bytes at the mark of the last one signed: this is the double signature.
    #[error("{kind} {mark} already signed with different data")]
    Different {
        /// What was asked for.
        kind: Kind,
        /// Where.
        mark: Mark,
    },
    /// Further above the last mark than the chain can be by now.
    #[error(
        "{kind} level {} is too far above the last one, {last}: the chain cannot be beyond {highest} by now. \
         If it is, say so: after a long absence with \"peel watermark set --level LEVEL\", and where blocks come \
         faster than that with block_time_seconds under [level_bound]", mark.level
    )]
    TooFar {
        /// What was asked for.
        kind: Kind,
        /// Where.
        mark: Mark,
        /// The highest level so far.
        last: Level,
        /// The highest level that is signed now.
        highest: Level,
    },
    /// Bytes that no protocol known here writes, and that no later one can have written either.
    #[error("{kind} {mark} is of a form that this version of Peel does not know ({what}): {why}")]
    UnknownForm {
        /// What was asked for.
        kind: Kind,
        /// Where.
        mark: Mark,
        /// What is not known of it.
        what: PayloadError,
        /// Why it is not signed all the same, and what to do.
        why: UnknownFormWhy,
    },
    /// The same bytes, but their signature never came back from the device. It may have been made.
    #[error("{kind} {mark} was given to the device before and no answer came: not asked again")]
    Unanswered {
        /// What was asked for.
        kind: Kind,
        /// Where.
        mark: Mark,
    },
}

impl Refusal {
    /// All that [`Refusal::reason`] gives.
    pub const REASONS: [&str; 6] = [
        "no_watermark",
        "below_watermark",
        "double_signature",
        "unanswered",
        "too_far",
        "unknown_form",
    ];

    /// A short, bounded word for metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Refusal::NoWatermark { .. } => "no_watermark",
            Refusal::Closed { .. } | Refusal::Below { .. } => "below_watermark",
            Refusal::Different { .. } => "double_signature",
            Refusal::Unanswered { .. } => "unanswered",
            Refusal::TooFar { .. } => "too_far",
            Refusal::UnknownForm { .. } => "unknown_form",
        }
    }
}
