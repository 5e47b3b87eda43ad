//! Another library, which was audited, makes the same of the same shares.
use crate::common::{choices, key, message, shared, sign};
use bls12_381_plus::Scalar;
use blsful::{Bls12381G2Impl, Pairing, SecretKeyShare, SignatureSchemes};
use shares::Share;
use tezos::{Curve, SecretKey};
use vsss_rs::{IdentifierPrimeField, Share as _};

type TheirShare = SecretKeyShare<Bls12381G2Impl>;

fn theirs(share: &Share) -> TheirShare {
    let bytes = share.secret().to_bytes();
    let value = Scalar::from_le_bytes(&bytes.as_slice().try_into().unwrap()).unwrap();
    let place = Scalar::from(u64::from(share.index().number()));
    SecretKeyShare(<Bls12381G2Impl as Pairing>::SecretKeyShare::with_identifier_and_value(
        IdentifierPrimeField(place),
        IdentifierPrimeField(value),
    ))
}

/// The key of which these shares suffice, as that library puts it together.
pub(crate) fn whole_of(shares: &[&Share]) -> SecretKey {
    let theirs: Vec<TheirShare> = shares.iter().map(|share| theirs(share)).collect();
    let whole = blsful::SecretKey::<Bls12381G2Impl>::combine(&theirs).unwrap();
    SecretKey::from_bytes(Curve::Bls, whole.to_le_bytes().as_slice()).unwrap()
}

#[test]
fn parts_and_wholes_are_what_another_library_makes() {
    const VOTE: &[u8] = b"\x13 a vote";
    for (needed, count) in [(2, 3), (3, 5), (4, 5)] {
        let shares = shared(&key(needed), needed, count);
        for choice in choices(&shares, usize::from(needed)) {
            let parts: Vec<_> = choice
                .iter()
                .map(|share| theirs(share).sign(SignatureSchemes::ProofOfPossession, VOTE).unwrap())
                .collect();
            let their_whole = blsful::Signature::from_shares(&parts).unwrap();
            let ours = sign(&choice, message(VOTE));
            let whole = shares[0].group().combine(&ours, message(VOTE)).unwrap().signature;
            assert_eq!(whole.bytes(), their_whole.as_raw_value().to_compressed());
        }
    }
}

/// Their shares of our key are shares here, too.
#[test]
fn shares_of_another_library_come_back_to_the_same_key() {
    let whole = key(5);
    let all: Vec<TheirShare> = shared(&whole, 3, 5).iter().map(theirs).collect();
    for choice in choices(&all, 3) {
        let choice: Vec<TheirShare> = choice.into_iter().cloned().collect();
        let combined = blsful::SecretKey::<Bls12381G2Impl>::combine(&choice).unwrap();
        assert_eq!(combined.to_le_bytes().as_slice(), whole.to_bytes().as_slice());
    }
}
