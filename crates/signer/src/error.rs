//! Why there is no signature: *refused* (a rule said no) or *failed* (the world said no).

use std::time::Duration;

use ledger::KeyPath;
use shares::{ShareIndex, Threshold};
use tezos::{ChainId, Kind, PayloadError, PublicKeyHash};
use thiserror::Error;
use watermark::{AdvanceError, Refusal, StoreFailure};

use crate::operations::OperationRefusal;

/// Why there is no signature.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SignError {
    /// A rule said no. Asking again changes nothing.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The world said no.
    #[error(transparent)]
    Failed(#[from] Failed),
}

/// A rule said no.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refused {
    /// The bytes are not what a baker signs.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// Not one of the chains in the configuration.
    #[error("chain {0} is not one of \"chains\" in the configuration")]
    Chain(ChainId),
    /// Not one of the kinds that this key may sign.
    #[error(
        "kind {0} is not one that this key may sign; \"allow\" in the configuration does not name it"
    )]
    Kind(Kind),
    /// An operation that this key may not sign.
    #[error(transparent)]
    Operation(#[from] OperationRefusal),
    /// The client did not prove that it may ask.
    #[error("invalid authentication signature")]
    Authentication,
    /// Keys of this curve have no signature of that version.
    #[error("this key has no signature of the version that was asked for")]
    Version,
    /// A signature was asked for, and a share alone makes none.
    #[error(
        "this signer has share {index} of {} of {key}, and {} are needed for a signature: ask the gateway, at the port \
         of all signers; gateway.toml there names them under [[shared_key]]", threshold.shares(), threshold.needed()
    )]
    Share {
        /// The key.
        key: PublicKeyHash,
        /// Which share.
        index: ShareIndex,
        /// Of how many, and how many are needed.
        threshold: Threshold,
    },
    /// A share's part of a signature was asked for, and the whole key is here.
    #[error(
        "this signer has the whole of {0}, and no share of it: gateway.toml must not name it under [[shared_key]]"
    )]
    Whole(String),
    /// The watermark.
    #[error(transparent)]
    Watermark(#[from] Refusal),
    /// The same bytes were signed before, in the other form that tz4 keys have.
    #[error(
        "signed already, in another form: under another signature version, or by another share of the key"
    )]
    OtherVersion,
    /// The device has a rule of its own.
    #[error("{0}")]
    ByDevice(String),
}

/// The world said no.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Failed {
    /// The store could not make the mark durable. The mark is where it was.
    #[error(transparent)]
    Store(StoreFailure),
    /// The device is not ready for this key. The mark is where it was; or, if it said so only when it had the bytes, used up
    /// but for these bytes.
    #[error(transparent)]
    NotReady(#[from] NotReady),
    /// The device was asked and gave no signature. The mark is used up: it may have signed.
    #[error("{0}")]
    Device(String),
    /// The device gave a signature that does not verify. The mark is used up.
    #[error("the signature that came back does not verify; it was thrown away")]
    WrongSignature,
    /// It waited too long to be of use. The mark is where it was.
    #[error("too late: the request waited {:.1} s behind others", .0.as_secs_f64())]
    Late(Duration),
    /// Too many requests wait. The mark is where it was.
    #[error("busy: too many requests wait for this device")]
    Busy,
    /// The signer is stopping. The mark is where it was.
    #[error("the signer is stopping")]
    Stopping,
    /// No answer within the limit for all of it. The mark may be used up.
    #[error("no answer from the device in time")]
    NoAnswer,
}

/// The state of a device that cannot sign with a key now. Shown in the log, in answers, in metrics.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotReady {
    /// Nothing there, or the connection broke.
    #[error("device absent: {0}")]
    Absent(String),
    /// It is there, and another program has it, or a prompt is on its screen.
    #[error("device busy: {0}")]
    Busy(String),
    /// It waits for its PIN.
    #[error("device locked: enter the PIN on the Ledger")]
    Locked,
    /// Another app is open, or none.
    #[error("device in another app ({0}): open the Tezos Baking app on the Ledger")]
    OtherApp(String),
    /// The app may not sign with this key.
    #[error("device not authorised for {key} ({}): run \"peel ledger setup {key} --level LEVEL\" with the chain's present level", authorized(.found))]
    NotAuthorized {
        /// The key that should be authorised.
        key: KeyPath,
        /// The one that is.
        found: Option<KeyPath>,
    },
    /// The key there is not the one of the configuration.
    #[error(
        "device has another seed: its key is {found}, not {expected}; plug in the right Ledger"
    )]
    OtherSeed {
        /// The key that should be there.
        expected: PublicKeyHash,
        /// The one that is.
        found: PublicKeyHash,
    },
    /// It gave a signature out that does not verify.
    #[error(
        "this computer fails: a signature of this key that was given out does not verify. Nothing more is signed with \
         it; look at its memory and its cooling, and start again"
    )]
    Faulty,
    /// It answers, with a word that says "not now".
    #[error("device not ready: {0}")]
    Other(String),
}

fn authorized(found: &Option<KeyPath>) -> String {
    found.as_ref().map_or("no key is".to_owned(), |path| format!("{path} is"))
}

impl Failed {
    /// Whether nothing was signed, and asking again for the same bytes may help: HTTP 502.
    #[must_use]
    pub fn may_be_asked_again(&self) -> bool {
        match self {
            Failed::Store(StoreFailure::Slow | StoreFailure::Closed)
            | Failed::NotReady(NotReady::Absent(_) | NotReady::Busy(_) | NotReady::Other(_))
            | Failed::Late(_)
            | Failed::Busy
            | Failed::Stopping => true,
            Failed::Store(StoreFailure::Disk(_) | StoreFailure::WriterDied)
            | Failed::NotReady(
                NotReady::Locked
                | NotReady::OtherApp(_)
                | NotReady::NotAuthorized { .. }
                | NotReady::OtherSeed { .. }
                | NotReady::Faulty,
            )
            | Failed::Device(_)
            | Failed::WrongSignature
            | Failed::NoAnswer => false,
        }
    }

    /// The reasons, beside those of a disk that fails and of a device that is not ready.
    pub(crate) const REASONS: [&str; 8] = [
        "store_slow",
        "store_writer_died",
        "stopping",
        "device_failed",
        "wrong_signature",
        "late",
        "busy",
        "no_answer",
    ];

    fn reason(&self) -> &'static str {
        match self {
            Failed::Store(StoreFailure::Disk(error)) => error.reason(),
            Failed::Store(StoreFailure::Slow) => "store_slow",
            Failed::Store(StoreFailure::WriterDied) => "store_writer_died",
            Failed::Store(StoreFailure::Closed) | Failed::Stopping => "stopping",
            Failed::NotReady(state) => state.reason(),
            Failed::Device(_) => "device_failed",
            Failed::WrongSignature => "wrong_signature",
            Failed::Late(_) => "late",
            Failed::Busy => "busy",
            Failed::NoAnswer => "no_answer",
        }
    }
}

impl Refused {
    /// The reasons for which bytes are refused before it is known what they are.
    pub(crate) const REASONS_UNREAD: [&str; 8] = [
        "magic_byte",
        "malformed",
        "chain",
        "kind",
        "operation",
        "authentication",
        "version",
        "share",
    ];
    /// The reasons for which a block or vote is refused, beside those of the watermark.
    pub(crate) const REASONS: [&str; 2] = ["version", "by_device"];

    fn reason(&self) -> &'static str {
        match self {
            Refused::Payload(PayloadError::MagicByte(_)) => "magic_byte",
            Refused::Payload(_) => "malformed",
            Refused::Chain(_) => "chain",
            Refused::Kind(_) => "kind",
            Refused::Operation(_) => "operation",
            Refused::Authentication => "authentication",
            Refused::Version | Refused::OtherVersion => "version",
            Refused::Share { .. } | Refused::Whole(_) => "share",
            Refused::Watermark(refusal) => refusal.reason(),
            Refused::ByDevice(_) => "by_device",
        }
    }
}

impl NotReady {
    /// The names of all states.
    pub(crate) const REASONS: [&str; 8] = [
        "device_absent",
        "device_busy",
        "device_locked",
        "device_in_other_app",
        "device_not_authorized",
        "device_has_other_seed",
        "computer_faulty",
        "device_not_ready",
    ];

    /// The state's name: a short, bounded word for metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            NotReady::Absent(_) => "device_absent",
            NotReady::Busy(_) => "device_busy",
            NotReady::Locked => "device_locked",
            NotReady::OtherApp(_) => "device_in_other_app",
            NotReady::NotAuthorized { .. } => "device_not_authorized",
            NotReady::OtherSeed { .. } => "device_has_other_seed",
            NotReady::Faulty => "computer_faulty",
            NotReady::Other(_) => "device_not_ready",
        }
    }
}

impl SignError {
    /// "refused" or "failed", and why: short, bounded words for metrics.
    #[must_use]
    pub fn labels(&self) -> (&'static str, &'static str) {
        match self {
            SignError::Refused(refused) => ("refused", refused.reason()),
            SignError::Failed(failed) => ("failed", failed.reason()),
        }
    }
}

impl From<AdvanceError> for SignError {
    fn from(error: AdvanceError) -> SignError {
        match error {
            AdvanceError::Refused(refusal) => Refused::Watermark(refusal).into(),
            AdvanceError::Failed(failure) => Failed::Store(failure).into(),
        }
    }
}
