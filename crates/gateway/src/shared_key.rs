//! The keys in shares, as this gateway sees them: which signer has which share, and which of them take part.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use daemon::{Fact, Verdict};
use parking_lot::{Mutex, RwLock};
use shares::ShareIndex;
use tezos::PublicKeyHash;
use tunnel::Service;

use crate::config::SharedKeyConfig;
use crate::participation::Participation;
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
    /// What each share did of late, by its place.
    participations: Mutex<Vec<Participation>>,
    /// How many requests there were.
    requests: AtomicU64,
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

/// How many shares of a key can sign, of those that are needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Supply {
    /// No vote can be signed.
    TooFew,
    /// Every share that can sign is needed, and another one cannot.
    NoSpare,
    /// All can sign, or more than are needed.
    Enough,
}

/// The group of the facts about keys in shares.
pub(crate) const SHARED_KEY: &str = "shared_key";
/// The state of a share that can take part.
pub(crate) const READY: &str = "ready";
const LIES: &str = "lies";
const GIVES_NO_PART: &str = "gives_no_part";

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

    /// Whether a vote of one of them may be signed.
    pub(crate) fn can_be_asked(&self, signers: &Signers) -> bool {
        self.all().iter().any(|shared| shared.can_be_asked(signers))
    }

    /// One for each of them.
    pub(crate) fn facts(&self, signers: &Signers) -> Vec<Fact> {
        self.all().iter().map(|shared| shared.fact(signers)).collect()
    }
}

impl SharedKey {
    pub(crate) fn new(config: SharedKeyConfig) -> SharedKey {
        let participations = Mutex::new(vec![Participation::default(); config.signers.len()]);
        SharedKey { config, participations, requests: AtomicU64::default() }
    }

    /// The number of a request that begins now.
    pub(crate) fn begin_request(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed)
    }

    /// Notes what a share did when it was asked in that request. `is_telling`: others signed the same, or it is no matter of
    /// the request. Returns whether it did something else before.
    pub(crate) fn note(
        &self,
        signers: &Signers,
        (request, index): (u64, ShareIndex),
        result: ShareResult,
        is_telling: bool,
    ) -> bool {
        let at = usize::from(index.number()) - 1;
        let signer = self.config.signers.get(at).and_then(|name| signers.named(name));
        let opened = signer.map_or(0, |signer| signer.opened(Service::Signing));
        let mut participations = self.participations.lock();
        let own = participations.get_mut(at);
        own.is_some_and(|own| own.note((request, opened), result, is_telling))
    }

    /// How its shares are.
    pub(crate) fn states(&self, signers: &Signers) -> Vec<ShareState> {
        let participations = self.participations.lock().clone();
        let holders = self.config.holders().zip(participations);
        let state = |((index, name), own): ((ShareIndex, &str), Participation)| {
            let state = state_of(signers.named(name).as_deref(), own);
            ShareState { index, signer: name.to_owned(), state }
        };
        holders.map(state).collect()
    }

    /// Whether so many of its signers can be asked that a vote may be signed, whatever they answered of late.
    pub(crate) fn can_be_asked(&self, signers: &Signers) -> bool {
        let holders = self.config.holders().filter_map(|(_, name)| signers.named(name));
        let can_be_asked = holders.filter(|signer| away(&signer.fact().state).is_none()).count();
        can_be_asked >= usize::from(self.config.group.threshold().needed())
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
        let (state, verdict, line) = match Supply::of(able, needed, all) {
            Supply::TooFew => {
                let line = format!(
                    "no vote of it can be signed: of {all} shares {needed} are needed, and {able} can sign; {others}: \
                     look at each at home"
                );
                ("too_few", Verdict::Degraded, line)
            }
            Supply::NoSpare => {
                let line = format!(
                    "it signs, and not one share may fail any more: of {all} shares {needed} are needed, and {able} can \
                     sign; {others}: mend it before another one fails"
                );
                ("no_spare", Verdict::Degraded, line)
            }
            Supply::Enough if able < all => {
                let line =
                    format!("{able} of {all} shares can sign, {needed} are needed; {others}");
                (READY, Verdict::Good, line)
            }
            Supply::Enough => {
                (READY, Verdict::Good, format!("all {all} shares can sign, {needed} are needed"))
            }
        };
        let count = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        let fact =
            Fact::new(SHARED_KEY, state, verdict, line).about(self.config.hash().to_string());
        fact.with("able", count(able)).with("needed", count(needed)).with("shares", count(all))
    }
}

impl Supply {
    pub(crate) fn of(able: usize, needed: usize, all: usize) -> Supply {
        if able < needed {
            Supply::TooFew
        } else if able == needed && able < all {
            Supply::NoSpare
        } else {
            Supply::Enough
        }
    }
}

impl ShareState {
    /// Whether it can take part, as far as is known.
    pub(crate) fn is_able(&self) -> bool {
        self.state == READY
    }

    /// Whether its signer gave what is no part of a signature of late: what it says of itself is worth nothing.
    pub(crate) fn gives_nonsense(&self) -> bool {
        matches!(self.state, LIES | GIVES_NO_PART)
    }
}

fn state_of(signer: Option<&Signer>, participation: Participation) -> &'static str {
    let Some(signer) = signer else { return "not_connected" };
    let fact = signer.fact();
    if let Some(away) = away(&fact.state) {
        return away;
    }
    match participation.gives_nothing(signer.opened(Service::Signing)) {
        Some(ShareResult::Lied) => LIES,
        Some(ShareResult::Unfit) => GIVES_NO_PART,
        Some(ShareResult::Refused) => "refuses",
        Some(ShareResult::Failed) => "unanswered",
        Some(ShareResult::Part) | None if fact.state == "not_signing" => "not_signing",
        Some(ShareResult::Part) | None => READY,
    }
}

/// The states in which a signer cannot be asked, or says itself that it cannot sign.
fn away(state: &str) -> Option<&'static str> {
    match state {
        "not_connected" => Some("not_connected"),
        "refused" => Some("refused_here"),
        "silent" => Some("silent"),
        "not_ready" => Some("not_ready"),
        _ => None,
    }
}
