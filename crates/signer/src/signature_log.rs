//! Which signatures are a line in the log. Two votes each six seconds are ten million lines a year; refusals, failures
//! and what was slow are lines always, and all are counted in the metrics.

use std::collections::HashMap;
use std::time::Duration;

use tezos::{Kind, PublicKeyHash};

/// Takes the first signature of each key and kind, and then each so many.
#[derive(Debug, Clone)]
pub(crate) struct SignatureLog {
    /// 1: all; 0: none.
    every: u32,
    /// Since the last one that was taken.
    passed: HashMap<(PublicKeyHash, Kind), u32>,
}

/// From the request to the signature; the alert PeelSlow goes by the same.
pub(crate) const SLOW: Duration = Duration::from_secs(1);

impl Default for SignatureLog {
    fn default() -> SignatureLog {
        SignatureLog::each(1)
    }
}

impl SignatureLog {
    /// One of `every`; 0: none.
    pub(crate) fn each(every: u32) -> SignatureLog {
        SignatureLog { every, passed: HashMap::new() }
    }

    /// Whether this signature, made `took` after it was asked for, is a line.
    pub(crate) fn takes(&mut self, key: PublicKeyHash, kind: Kind, took: Duration) -> bool {
        took >= SLOW || self.is_due(key, kind)
    }

    fn is_due(&mut self, key: PublicKeyHash, kind: Kind) -> bool {
        let Some(last) = self.every.checked_sub(1) else { return false };
        let passed = self.passed.entry((key, kind)).or_insert(last);
        let is_due = *passed >= last;
        *passed = if is_due { 0 } else { *passed + 1 };
        is_due
    }
}

#[cfg(test)]
mod tests {
    use tezos::{Curve, SecretKey};

    use super::*;

    const FAST: Duration = Duration::from_millis(230);

    fn key(seed: u8) -> PublicKeyHash {
        SecretKey::generate(Curve::Ed25519, &[seed; 32]).unwrap().hash()
    }

    fn taken(log: &mut SignatureLog, count: usize, key: PublicKeyHash, kind: Kind) -> Vec<bool> {
        (0..count).map(|_| log.takes(key, kind, FAST)).collect()
    }

    #[test]
    fn the_first_and_then_each_so_many_are_taken() {
        let mut log = SignatureLog::each(3);
        let expected = [true, false, false, true, false, false, true];
        assert_eq!(taken(&mut log, 7, key(1), Kind::Block), expected);
        assert_eq!(taken(&mut SignatureLog::default(), 3, key(1), Kind::Block), [true; 3]);
        assert_eq!(taken(&mut SignatureLog::each(0), 3, key(1), Kind::Block), [false; 3]);
    }

    /// A baker asks for both votes in turn.
    #[test]
    fn each_key_and_kind_is_counted_by_itself() {
        let mut log = SignatureLog::each(2);
        for expected in [true, false, true] {
            for kind in [Kind::Preattestation, Kind::Attestation] {
                for seed in [1, 2] {
                    assert_eq!(log.takes(key(seed), kind, FAST), expected, "{kind:?}");
                }
            }
        }
    }

    #[test]
    fn a_slow_one_is_taken_always_and_leaves_the_turn_of_others() {
        let mut log = SignatureLog::each(0);
        assert!(log.takes(key(1), Kind::Block, SLOW));
        let mut log = SignatureLog::each(2);
        assert_eq!(taken(&mut log, 1, key(1), Kind::Block), [true]);
        assert!(log.takes(key(1), Kind::Block, SLOW));
        assert_eq!(taken(&mut log, 2, key(1), Kind::Block), [false, true]);
    }
}
