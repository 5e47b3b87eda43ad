//! The keys in shares, as this gateway sees them: which signer has which share, and which of them take part.

use std::sync::Arc;

use daemon::{Fact, Verdict};
use parking_lot::{Mutex, RwLock};
use shares::ShareIndex;
use tezos::PublicKeyHash;

use crate::config::SharedKeyConfig;
use crate::signer::Signer;
use crate::signers::Signers;
use crate::tally::ShareResult;

/// All keys in shares, as the configuration was last read. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct SharedKeys(Arc<RwLock<Arc<[Arc<SharedKey>]>>>);

/// A key in shares.
#[derive(Debug)]
pub(crate) struct SharedKey {
    pub(crate) config: SharedKeyConfig,
    /// What each share did when a signature was last made, by its place.
    last: Mutex<Vec<Option<ShareResult>>>,
}

/// A share, and whether it can take part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShareState {
    pub(crate) index: ShareIndex,
    /// The name of the signer that has it.
    pub(crate) signer: String,
    /// A short, bounded word.
    pub(crate) state: &'static str,
}

/// The group of the facts about keys in shares.
pub(crate) const SHARED_KEY: &str = "shared_key";
/// The state of a key in shares of which too few can sign.
pub(crate) const TOO_FEW: &str = "too_few";
const READY: &str = "ready";

impl SharedKeys {
    pub(crate) fn new(configs: &[SharedKeyConfig]) -> SharedKeys {
        let keys = configs.iter().cloned().map(SharedKey::new).map(Arc::new);
        SharedKeys(Arc::new(RwLock::new(keys.collect())))
    }

    /// All of them, as they are now.
    pub(crate) fn all(&self) -> Arc<[Arc<SharedKey>]> {
        Arc::clone(&self.0.read())
    }

    /// The key of this hash.
    pub(crate) fn find(&self, key: &PublicKeyHash) -> Option<Arc<SharedKey>> {
        self.all().iter().find(|shared| shared.config.hash() == *key).map(Arc::clone)
    }

    /// What was read anew. What is known of a key that is the same is kept.
    pub(crate) fn replace(&self, configs: &[SharedKeyConfig]) {
        let all = self.all();
        let keys = configs.iter().map(|config| {
            let same = all.iter().find(|shared| shared.config == *config);
            same.map_or_else(|| Arc::new(SharedKey::new(config.clone())), Arc::clone)
        });
        let keys = keys.collect();
        *self.0.write() = keys;
    }

    /// The share of a key that a signer has, if the key is in shares and it has one.
    pub(crate) fn share_of(&self, key: &PublicKeyHash, signer: &str) -> Option<ShareIndex> {
        self.find(key)?.config.share_of(signer)
    }

    /// Whether a signer claims keys, and has a share alone of each.
    pub(crate) fn are_all_keys_of(&self, signer: &Signer) -> bool {
        let claim = signer.claim();
        let mut keys = claim.keys().iter();
        let is_holder = self.all().iter().any(|it| it.config.share_of(&signer.name).is_some());
        is_holder && keys.all(|key| self.share_of(key, &signer.name).is_some())
    }

    /// One for each of them.
    pub(crate) fn facts(&self, signers: &Signers) -> Vec<Fact> {
        self.all().iter().map(|shared| shared.fact(signers)).collect()
    }
}

impl SharedKey {
    pub(crate) fn new(config: SharedKeyConfig) -> SharedKey {
        let last = Mutex::new(vec![None; config.signers.len()]);
        SharedKey { config, last }
    }

    /// Notes what a share did when a signature was made; returns whether that is something else than before.
    pub(crate) fn note(&self, index: ShareIndex, result: ShareResult) -> bool {
        let at = usize::from(index.number()) - 1;
        let mut last = self.last.lock();
        let last = last.get_mut(at).map(|last| last.replace(result));
        last.is_some_and(|last| last != Some(result))
    }

    /// How its shares are.
    pub(crate) fn states(&self, signers: &Signers) -> Vec<ShareState> {
        let (all, last) = (signers.all(), self.last.lock().clone());
        let holders = self.config.holders().zip(last);
        let state = |((index, name), last): ((ShareIndex, &str), Option<ShareResult>)| {
            let signer = all.iter().find(|signer| signer.name == name);
            ShareState { index, signer: name.to_owned(), state: state_of(signer, last) }
        };
        holders.map(state).collect()
    }

    fn fact(&self, signers: &Signers) -> Fact {
        let states = self.states(signers);
        let threshold = self.config.group.threshold();
        let (needed, all) = (usize::from(threshold.needed()), states.len());
        let able = states.iter().filter(|share| share.is_able()).count();
        let others: Vec<String> = states
            .iter()
            .filter(|share| !share.is_able())
            .map(|share| format!("{} {}", share.signer, share.state.replace('_', " ")))
            .collect();
        let others = others.join(", ");
        let (state, verdict, line) = if able < needed {
            let line = format!(
                "no vote of it can be signed: of {all} shares {needed} are needed, and {able} can sign; {others}: look \
                 at each at home"
            );
            (TOO_FEW, Verdict::Degraded, line)
        } else if able == needed && able < all {
            let line = format!(
                "it signs, and not one share may fail any more: of {all} shares {needed} are needed, and {able} can \
                 sign; {others}: mend it before another one fails"
            );
            ("no_spare", Verdict::Degraded, line)
        } else if able < all {
            let line = format!("{able} of {all} shares can sign, {needed} are needed; {others}");
            (READY, Verdict::Good, line)
        } else {
            (READY, Verdict::Good, format!("all {all} shares can sign, {needed} are needed"))
        };
        let count = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        let fact =
            Fact::new(SHARED_KEY, state, verdict, line).about(self.config.hash().to_string());
        fact.with("able", count(able)).with("needed", count(needed)).with("shares", count(all))
    }
}

impl ShareState {
    /// Whether it can take part, as far as is known.
    pub(crate) fn is_able(&self) -> bool {
        self.state == READY
    }
}

fn state_of(signer: Option<&Arc<Signer>>, last: Option<ShareResult>) -> &'static str {
    let Some(signer) = signer else { return "not_connected" };
    match (&*signer.fact().state, last) {
        ("not_connected", _) => "not_connected",
        ("refused", _) => "refused_here",
        ("silent", _) => "silent",
        ("not_ready", _) => "not_ready",
        (_, Some(ShareResult::Lied)) => "lies",
        (_, Some(ShareResult::Refused)) => "refuses",
        (_, Some(ShareResult::Failed)) => "unanswered",
        (_, Some(ShareResult::Part) | None) => READY,
    }
}
