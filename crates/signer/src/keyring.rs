//! The keys of this signer, and how the requests for each are served.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tezos::{BlsScheme, Kind, Level, Payload, PublicKeyHash, Signature};

use watermark::{Refusal, Store};

use crate::dispatch::Dispatch;
use crate::error::{NotReady, SignError};
use crate::key::Key;
use crate::metrics::Metrics;
use crate::queue::Job;

/// A key, and how the requests for it are served.
#[derive(Debug, Clone)]
pub(crate) struct KeyEntry {
    pub(crate) key: Arc<Key>,
    pub(crate) dispatch: Dispatch,
}

/// All keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keyring(pub(crate) Vec<KeyEntry>);

impl Keyring {
    /// The key of this hash.
    pub(crate) fn find(&self, hash: &PublicKeyHash) -> Option<&KeyEntry> {
        self.0.iter().find(|entry| entry.key.hash() == Some(*hash))
    }

    /// Whether there is a key whose hash neither the configuration nor a device has told yet.
    pub(crate) fn has_unknown(&self) -> bool {
        self.0.iter().any(|entry| entry.key.hash().is_none())
    }

    /// Whether all that was signed last was of a form that this version knows; if not, what to do.
    pub(crate) fn known_forms(&self) -> Result<(), String> {
        let unknown = self.0.iter().find_map(|entry| entry.key.unknown_form());
        unknown.map_or(Ok(()), Err)
    }

    /// The hashes of all keys that are known.
    pub(crate) fn hashes(&self) -> Vec<PublicKeyHash> {
        self.0.iter().filter_map(|entry| entry.key.hash()).collect()
    }
}

impl KeyEntry {
    /// Whether the key can sign now, as far as is known: its device, the store, its watermark, and the device's own
    /// mark.
    pub(crate) fn can_sign(&self, store: &Store) -> Result<(), CannotSign> {
        if let Some(failure) = store.failure() {
            return Err(CannotSign { state: STORE_FAILED, line: failure.to_string() });
        }
        let not_ready = |why: NotReady| CannotSign { state: why.reason(), line: why.to_string() };
        self.key.readiness().map_err(not_ready)?;
        let Some(key) = self.key.hash().filter(|_| self.key.policy.has_marks()) else {
            return Ok(());
        };
        let entries = store.entries();
        self.key.policy.chains.iter().try_for_each(|chain| {
            let entry = entries.iter().find(|entry| entry.key == key && entry.chain == *chain);
            let none = Refusal::NoWatermark { key, chain: *chain };
            let no_mark = || CannotSign { state: none.reason(), line: none.to_string() };
            let reached = entry.ok_or_else(no_mark)?.reached();
            match self.key.device_level(*chain) {
                Some(level) if reached < Some(level) => {
                    let line = device_is_ahead(level, reached);
                    Err(CannotSign { state: DEVICE_AHEAD, line })
                }
                Some(_) | None => Ok(()),
            }
        })
    }

    /// Signs a payload, or gives the reason why not, in bounded time.
    pub(crate) async fn sign(
        &self,
        hash: PublicKeyHash,
        payload: Payload,
        scheme: BlsScheme,
        metrics: &Metrics,
    ) -> Result<Signature, SignError> {
        let key = Arc::clone(&self.key);
        let job = Job {
            hash,
            payload,
            scheme,
            asked: Instant::now(),
            votes_twice: key.policy.kinds.contains(&Kind::Preattestation),
            key,
            reserved_in: Duration::ZERO,
        };
        self.dispatch.sign(job, metrics).await
    }
}

/// Why a key cannot sign now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CannotSign {
    /// A short, bounded word.
    pub(crate) state: &'static str,
    /// One line for a person, with the cure.
    pub(crate) line: String,
}

/// What it is that fails, its line says.
const STORE_FAILED: &str = "store_failed";
const DEVICE_AHEAD: &str = "device_mark_ahead";

impl CannotSign {
    /// All states that there are.
    pub(crate) fn states() -> impl Iterator<Item = &'static str> {
        NotReady::REASONS.into_iter().chain(["no_watermark", DEVICE_AHEAD, STORE_FAILED])
    }
}

impl fmt::Display for CannotSign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

/// What the device would refuse although the store would not.
fn device_is_ahead(device: Level, reached: Option<Level>) -> String {
    let reached = reached.map_or_else(|| "nothing".to_owned(), |level| format!("level {level}"));
    format!(
        "the Ledger's own high watermark is {device}, and {reached} was signed last: it refuses every vote up to \
         {device}. If the chain is beyond it, say so with \"peel watermark set --level {device}\"; if not, set the \
         Ledger's with \"peel ledger mark --set LEVEL\""
    )
}
