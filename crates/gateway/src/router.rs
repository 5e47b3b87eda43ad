//! Which signer is asked for a key. Pure: the keys of the configuration and those that signers advertise go in, one
//! signer comes out.
//!
//! Of two signers with one key, only the one that the configuration names first is asked. The other is a cold
//! standby. So a signer whose keys are not all known, because it has not connected yet or does not list them,
//! comes before those named after it: it may have theirs. Naming `keys` in the configuration settles it.

use std::borrow::Borrow;
use std::collections::BTreeSet;

use tezos::PublicKeyHash;
use tunnel::endpoint::SignerId;

/// What is known about a signer's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Claim {
    /// These: the configuration says.
    Configured(BTreeSet<PublicKeyHash>),
    /// These: it advertises all of its keys.
    All(BTreeSet<PublicKeyHash>),
    /// These, for which it has answered; it may have others.
    Some(BTreeSet<PublicKeyHash>),
}

/// Which signer is asked for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// This signer.
    To(SignerId),
    /// Not the signer of the port, which is a cold standby for `first`.
    Standby {
        /// The signer that is asked.
        first: SignerId,
    },
    /// None yet: this signer may have the key, and does not list its keys.
    Unknown(SignerId),
    /// None has it.
    NoSigner,
}

impl Claim {
    /// That of a signer of which nothing was heard yet.
    pub(crate) fn unknown() -> Claim {
        Claim::Some(BTreeSet::new())
    }

    pub(crate) fn configured(keys: &[PublicKeyHash]) -> Claim {
        Claim::Configured(keys.iter().copied().collect())
    }

    /// The keys that are claimed.
    pub(crate) fn keys(&self) -> &BTreeSet<PublicKeyHash> {
        match self {
            Claim::Configured(keys) | Claim::All(keys) | Claim::Some(keys) => keys,
        }
    }

    fn has(&self, key: &PublicKeyHash) -> bool {
        self.keys().contains(key)
    }
}

/// Which signer is asked for `key` by a request to the port of all signers, or to the `port` of one.
pub(crate) fn route(
    claims: &[(SignerId, impl Borrow<Claim>)],
    key: &PublicKeyHash,
    port: Option<SignerId>,
) -> Route {
    match (owner(claims, key, port), port) {
        (Route::To(first), Some(port)) if first != port => {
            // Whether the signer of the port has the key, too, is not always known, and is not tried out.
            Route::Standby { first }
        }
        (route, _) => route,
    }
}

fn owner(
    claims: &[(SignerId, impl Borrow<Claim>)],
    key: &PublicKeyHash,
    port: Option<SignerId>,
) -> Route {
    let is_only_one = claims.len() == 1;
    let claims = || claims.iter().map(|(signer, claim)| (*signer, claim.borrow()));
    let is_configured = |claim: &Claim| matches!(claim, Claim::Configured(_)) && claim.has(key);
    if let Some((first, _)) = claims().find(|(_, claim)| is_configured(claim)) {
        return Route::To(first);
    }
    for (signer, claim) in claims() {
        match claim {
            Claim::All(_) | Claim::Some(_) if claim.has(key) => return Route::To(signer),
            // No signer before it has the key: it is asked, and answers if it has not.
            Claim::Some(_) if port == Some(signer) || is_only_one => return Route::To(signer),
            Claim::Some(_) => return Route::Unknown(signer),
            Claim::All(_) | Claim::Configured(_) => {}
        }
    }
    Route::NoSigner
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: SignerId = SignerId::new(0);
    const SECOND: SignerId = SignerId::new(1);

    fn with_ids(claims: &[Claim]) -> Vec<(SignerId, &Claim)> {
        claims.iter().enumerate().map(|(at, claim)| (SignerId::new(at), claim)).collect()
    }

    fn key(text: &str) -> PublicKeyHash {
        text.parse().unwrap()
    }

    fn ours() -> PublicKeyHash {
        key("tz1YPSCGWXwBdTncK2aCctSZAXWvGsGwVJqU")
    }

    fn other() -> PublicKeyHash {
        key("tz1S7rJtq4FTEXnTr8ecJDGwGcafyEg8Khn8")
    }

    fn advertised(keys: &[PublicKeyHash]) -> Claim {
        Claim::All(keys.iter().copied().collect())
    }

    fn seen(keys: &[PublicKeyHash]) -> Claim {
        Claim::Some(keys.iter().copied().collect())
    }

    fn configured(keys: &[PublicKeyHash]) -> Claim {
        Claim::Configured(keys.iter().copied().collect())
    }

    /// All that a signer can claim about our key.
    fn claims() -> [Claim; 8] {
        [
            seen(&[]),
            seen(&[other()]),
            seen(&[ours()]),
            advertised(&[]),
            advertised(&[other()]),
            advertised(&[ours()]),
            configured(&[ours()]),
            configured(&[other()]),
        ]
    }

    #[test]
    fn every_pair_of_signers_gives_a_key_to_one_of_them_at_most() {
        for one in claims() {
            for two in claims() {
                let pair = [one.clone(), two];
                let asked: BTreeSet<SignerId> = [None, Some(FIRST), Some(SECOND)]
                    .into_iter()
                    .filter_map(|port| match route(&with_ids(&pair), &ours(), port) {
                        Route::To(signer) => Some(signer),
                        Route::Standby { .. } | Route::Unknown(_) | Route::NoSigner => None,
                    })
                    .collect();
                assert!(asked.len() <= 1, "{pair:?}: {asked:?}");
            }
        }
    }

    /// It was seen to have one key, or says nothing: either way it may have another one, too.
    #[test]
    fn a_signer_that_does_not_list_its_keys_may_have_any_key() {
        for first in [seen(&[]), seen(&[other()])] {
            let pair = [first, advertised(&[ours()])];
            assert_eq!(route(&with_ids(&pair), &ours(), None), Route::Unknown(FIRST));
            assert_eq!(route(&with_ids(&pair), &ours(), Some(SECOND)), Route::Unknown(FIRST));
            assert_eq!(route(&with_ids(&pair), &ours(), Some(FIRST)), Route::To(FIRST));
        }
    }

    #[test]
    fn the_first_named_one_is_asked_and_the_second_is_a_standby() {
        let both = [advertised(&[ours()]), advertised(&[ours()])];
        assert_eq!(route(&with_ids(&both), &ours(), None), Route::To(FIRST));
        assert_eq!(route(&with_ids(&both), &ours(), Some(FIRST)), Route::To(FIRST));
        assert_eq!(route(&with_ids(&both), &ours(), Some(SECOND)), Route::Standby { first: FIRST });
    }

    #[test]
    fn the_configuration_counts_before_what_is_said() {
        let pair = [advertised(&[ours()]), configured(&[ours()])];
        assert_eq!(route(&with_ids(&pair), &ours(), None), Route::To(SECOND));
        assert_eq!(route(&with_ids(&pair), &ours(), Some(FIRST)), Route::Standby { first: SECOND });
    }

    #[test]
    fn a_signer_that_may_have_the_key_comes_before_those_after_it() {
        let pair = [seen(&[]), advertised(&[ours()])];
        assert_eq!(route(&with_ids(&pair), &ours(), None), Route::Unknown(FIRST));
        assert_eq!(route(&with_ids(&pair), &ours(), Some(SECOND)), Route::Unknown(FIRST));
        let pair = [advertised(&[ours()]), seen(&[])];
        assert_eq!(route(&with_ids(&pair), &ours(), None), Route::To(FIRST));
    }

    #[test]
    fn the_only_signer_is_asked_for_what_it_may_have() {
        let only = [seen(&[])];
        assert_eq!(route(&with_ids(&only), &ours(), None), Route::To(FIRST));
        assert_eq!(route(&with_ids(&only), &ours(), Some(FIRST)), Route::To(FIRST));
        let only = [advertised(&[other()])];
        assert_eq!(route(&with_ids(&only), &ours(), None), Route::NoSigner);
        let only = [configured(&[other()])];
        assert_eq!(route(&with_ids(&only), &ours(), Some(FIRST)), Route::NoSigner);
    }
}
