//! What all of these tests begin with.

use rand::SeedableRng;
use rand::rngs::StdRng;
use shares::{PartialSignature, Share, ShareIndex, Threshold, split};
use tezos::{BlsScheme, Curve, SecretKey, Statement};

/// The same at each run.
pub(crate) fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

pub(crate) fn key(seed: u8) -> SecretKey {
    SecretKey::generate(Curve::Bls, &[seed; 32]).unwrap()
}

pub(crate) fn shared(key: &SecretKey, needed: u8, shares: u8) -> Vec<Share> {
    split(key, Threshold::new(needed, shares).unwrap(), rng(u64::from(needed))).unwrap()
}

pub(crate) fn message(bytes: &[u8]) -> Statement<'_> {
    Statement::Message { bytes, scheme: BlsScheme::ProofOfPossession }
}

pub(crate) fn index(number: u8) -> ShareIndex {
    ShareIndex::new(number).unwrap()
}

pub(crate) fn sign(shares: &[&Share], statement: Statement<'_>) -> Vec<PartialSignature> {
    shares.iter().map(|share| share.sign(statement).unwrap()).collect()
}

/// Every choice of so many of these.
pub(crate) fn choices<T>(of: &[T], count: usize) -> Vec<Vec<&T>> {
    let Some((first, rest)) = of.split_first() else {
        return if count == 0 { vec![Vec::new()] } else { Vec::new() };
    };
    let without = choices(rest, count);
    if count == 0 {
        return without;
    }
    let with = choices(rest, count - 1);
    let with = with.into_iter().map(|others| [vec![first], others].concat());
    with.chain(without).collect()
}
