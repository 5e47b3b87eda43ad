//! Whose key is it? Pure: what the configuration says and what signers said go in, one signer comes out.
//!
//! A key that two signers have is asked of one of them only: of the one that the configuration names
//! first. The other is a cold standby. So a signer that has not said yet which keys it has stands in
//! the way of those named after it: it may have theirs. Naming `keys` in the configuration settles it.

use std::borrow::Borrow;
use std::collections::BTreeSet;

use tezos::PublicKeyHash;

/// What is known about a signer's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The configuration says.
    Configured(BTreeSet<PublicKeyHash>),
    /// It was not heard since the gateway started.
    NotYet,
    /// It said so, now or before; or it was seen to have them.
    Said(BTreeSet<PublicKeyHash>),
}

/// Who is asked for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// This signer.
    To(usize),
    /// Not the one whose port it is: it is a cold standby for `first`.
    Standby {
        /// Who is asked for that key.
        first: usize,
    },
    /// Nobody, for this signer may have the key, and has not said so.
    Unsaid(usize),
    /// Nobody: no signer has it.
    Nobody,
}

impl Claim {
    /// The keys that are claimed.
    pub(crate) fn keys(&self) -> &BTreeSet<PublicKeyHash> {
        const NONE: &BTreeSet<PublicKeyHash> = &BTreeSet::new();
        match self {
            Claim::Configured(keys) | Claim::Said(keys) => keys,
            Claim::NotYet => NONE,
        }
    }

    fn has(&self, key: &PublicKeyHash) -> bool {
        self.keys().contains(key)
    }
}

/// Who is asked for `key` by somebody who came to the port of all signers, or to the `port` of one.
pub(crate) fn route(
    claims: &[impl Borrow<Claim>],
    key: &PublicKeyHash,
    port: Option<usize>,
) -> Route {
    match (owner(claims, key, port), port) {
        (Route::To(first), Some(port)) if first != port => {
            // Whether that signer has the key too is not known of every signer: it is not tried out.
            Route::Standby { first }
        }
        (route, _) => route,
    }
}

fn owner(claims: &[impl Borrow<Claim>], key: &PublicKeyHash, port: Option<usize>) -> Route {
    let claims = || claims.iter().map(Borrow::borrow);
    let is_configured = |claim: &Claim| matches!(claim, Claim::Configured(_)) && claim.has(key);
    if let Some(first) = claims().position(is_configured) {
        return Route::To(first);
    }
    for (at, claim) in claims().enumerate() {
        match claim {
            Claim::NotYet if port == Some(at) => return Route::To(at),
            Claim::NotYet => return Route::Unsaid(at),
            Claim::Said(_) if claim.has(key) => return Route::To(at),
            // A stock signer does not say which keys it has; on its own port it is asked.
            Claim::Said(_) if port == Some(at) => {
                // One after it may have said that the key is its own.
                return Route::To(claims().position(|claim| claim.has(key)).unwrap_or(at));
            }
            Claim::Said(_) | Claim::Configured(_) => {}
        }
    }
    Route::Nobody
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> PublicKeyHash {
        text.parse().unwrap()
    }

    fn ours() -> PublicKeyHash {
        key("tz1YPSCGWXwBdTncK2aCctSZAXWvGsGwVJqU")
    }

    fn other() -> PublicKeyHash {
        key("tz1S7rJtq4FTEXnTr8ecJDGwGcafyEg8Khn8")
    }

    fn said(keys: &[PublicKeyHash]) -> Claim {
        Claim::Said(keys.iter().copied().collect())
    }

    fn configured(keys: &[PublicKeyHash]) -> Claim {
        Claim::Configured(keys.iter().copied().collect())
    }

    /// All that a signer can claim about our key.
    fn claims() -> [Claim; 5] {
        [Claim::NotYet, said(&[]), said(&[ours()]), configured(&[ours()]), configured(&[other()])]
    }

    #[test]
    fn every_pair_of_signers_gives_a_key_to_one_of_them_at_most() {
        for one in claims() {
            for two in claims() {
                let pair = [one.clone(), two];
                let asked: BTreeSet<usize> = [None, Some(0), Some(1)]
                    .into_iter()
                    .filter_map(|port| match route(&pair, &ours(), port) {
                        Route::To(at) => Some(at),
                        Route::Standby { .. } | Route::Unsaid(_) | Route::Nobody => None,
                    })
                    .collect();
                // Of two that do not say which keys they have, each is asked on its own port.
                let is_claimed = pair.iter().any(|claim| claim.has(&ours()));
                assert!(asked.len() <= 1 || !is_claimed, "{pair:?}: {asked:?}");
            }
        }
    }

    #[test]
    fn the_first_named_one_is_asked_and_the_second_is_a_standby() {
        let both = [said(&[ours()]), said(&[ours()])];
        assert_eq!(route(&both, &ours(), None), Route::To(0));
        assert_eq!(route(&both, &ours(), Some(0)), Route::To(0));
        assert_eq!(route(&both, &ours(), Some(1)), Route::Standby { first: 0 });
    }

    #[test]
    fn the_configuration_counts_before_what_is_said() {
        let pair = [said(&[ours()]), configured(&[ours()])];
        assert_eq!(route(&pair, &ours(), None), Route::To(1));
        assert_eq!(route(&pair, &ours(), Some(0)), Route::Standby { first: 1 });
    }

    #[test]
    fn whoever_may_have_it_stands_in_the_way_of_those_after_it() {
        let pair = [Claim::NotYet, said(&[ours()])];
        assert_eq!(route(&pair, &ours(), None), Route::Unsaid(0));
        assert_eq!(route(&pair, &ours(), Some(1)), Route::Unsaid(0));
        let pair = [said(&[ours()]), Claim::NotYet];
        assert_eq!(route(&pair, &ours(), None), Route::To(0));
    }

    #[test]
    fn a_key_that_nobody_claims_is_asked_on_a_port_that_says_nothing_only() {
        let one = [said(&[])];
        assert_eq!(route(&one, &ours(), None), Route::Nobody);
        assert_eq!(route(&one, &ours(), Some(0)), Route::To(0));
        let one = [configured(&[other()])];
        assert_eq!(route(&one, &ours(), Some(0)), Route::Nobody);
    }
}
