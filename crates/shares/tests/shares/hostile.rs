//! What a liar, a mistake or a bad line makes of shares and parts: each is named, and nothing is signed.
use crate::common::{index, key, message, shared, sign};
use blst::BLST_ERROR;
use blst::min_pk;
use shares::{
    CombineError, Group, GroupError, PartialSignature, Share, ShareError, SplitError, Threshold,
    split,
};
use tezos::{Curve, PublicKey, SecretKey, Signature};

const VOTE: &[u8] = b"\x13 a vote at level 100";

fn lie(number: u8, signature: &[u8]) -> PartialSignature {
    PartialSignature::new(index(number), Signature::new(Curve::Bls, signature).unwrap())
}

/// A point of the curve that is none of the group.
fn outside_of_the_group() -> [u8; 96] {
    let mut bytes = [0; 96];
    bytes[0] = 0x80;
    for last in 0..=u8::MAX {
        bytes[95] = last;
        let point = min_pk::Signature::uncompress(&bytes);
        if point
            .is_ok_and(|point| point.validate(false) == Err(BLST_ERROR::BLST_POINT_NOT_IN_GROUP))
        {
            return bytes;
        }
    }
    unreachable!("no such point")
}

/// With three good boxes of four, whatever the fourth says.
#[test]
fn a_box_that_lies_is_named_and_stops_nothing() {
    let shares = shared(&key(1), 3, 4);
    let group = shares[0].group();
    let parts = sign(&shares.iter().collect::<Vec<_>>(), message(VOTE));
    let whole = key(1).sign(VOTE, tezos::BlsScheme::default()).unwrap();
    let replayed = shares[0].sign(message(b"\x13 a vote at level 99")).unwrap();
    let infinity = [&[0xc0_u8][..], &[0; 95]].concat();
    let lies = [
        lie(1, &[0; 96]),
        lie(1, &[0xff; 96]),
        lie(1, &infinity),
        lie(1, &outside_of_the_group()),
        // Of another box, of other bytes, of the level before, of the whole itself, of another key.
        lie(1, parts[1].signature().bytes()),
        shares[0].sign(message(b"\x13 another vote at level 100")).unwrap(),
        replayed,
        lie(1, whole.bytes()),
        lie(1, shared(&key(2), 3, 4)[0].sign(message(VOTE)).unwrap().signature().bytes()),
    ];
    for (at, lie) in lies.into_iter().enumerate() {
        let with = |lie: &PartialSignature| [std::slice::from_ref(lie), &parts[1..]].concat();
        let made = group.combine(&with(&lie), message(VOTE)).unwrap();
        assert_eq!((made.signature, made.liars), (whole.clone(), vec![index(1)]), "lie {at}");
        let few = group.combine(&with(&lie)[..3], message(VOTE)).unwrap_err();
        let expected = CombineError::Few { good: 2, needed: 3, liars: vec![index(1)] };
        assert_eq!(few, expected, "lie {at}");
        assert_eq!(few.to_string(), "2 good parts of 3 that are needed; no parts of it: share 1");
    }
}

#[test]
fn too_few_parts_make_nothing() {
    let shares = shared(&key(1), 2, 3);
    let group = shares[0].group();
    let one = sign(&[&shares[0]], message(VOTE));
    for parts in [vec![], one.clone(), [one.clone(), one].concat()] {
        let few = group.combine(&parts, message(VOTE)).unwrap_err();
        assert!(matches!(few, CombineError::Few { needed: 2, .. }), "{few}");
    }
}

#[test]
fn two_parts_of_one_share_that_differ_are_named() {
    let shares = shared(&key(1), 2, 3);
    let first = shares[0].sign(message(VOTE)).unwrap();
    let other = shares[0].sign(message(b"other")).unwrap();
    let made = shares[0].group().combine(&[first, other], message(VOTE));
    assert_eq!(made, Err(CombineError::Twice(index(1))));
}

/// A part of a share that the group does not have.
#[test]
fn a_share_beyond_the_last_is_a_liar() {
    let shares = shared(&key(1), 2, 3);
    let parts = sign(&[&shares[1], &shares[2]], message(VOTE));
    let beyond = PartialSignature::new(index(4), parts[0].signature().clone());
    let group = shares[0].group();
    let made = group.combine(&[&[beyond], &parts[..]].concat(), message(VOTE)).unwrap();
    assert_eq!(made.liars, [index(4)]);
}

/// A gateway asks two halves for different bytes: no choice of what they made is a signature of either.
#[test]
fn two_halves_that_were_asked_for_different_bytes_make_nothing() {
    let shares = shared(&key(1), 3, 4);
    let (one, other) = (message(b"one"), message(b"other"));
    let parts =
        [sign(&[&shares[0], &shares[1]], one), sign(&[&shares[2], &shares[3]], other)].concat();
    for statement in [one, other] {
        let made = shares[0].group().combine(&parts, statement).unwrap_err();
        assert!(matches!(made, CombineError::Few { good: 2, needed: 3, .. }), "{made}");
    }
}

fn public_keys(shares: &[Share]) -> Vec<PublicKey> {
    shares.iter().map(|share| share.public_key().clone()).collect()
}

#[test]
fn public_keys_that_do_not_belong_together_are_no_group() {
    let (shares, others) = (shared(&key(1), 2, 4 - 1), shared(&key(2), 2, 3));
    let (threshold, whole) = (shares[0].group().threshold(), key(1).public_key().clone());
    let group = |keys| Group::new(threshold, whole.clone(), keys).map(drop);
    let keys = public_keys(&shares);
    assert_eq!(group(keys.clone()), Ok(()));
    let mut foreign = keys.clone();
    foreign[2] = public_keys(&others)[2].clone();
    assert_eq!(group(foreign), Err(GroupError::Foreign(index(3))));
    let mut swapped = keys.clone();
    swapped.swap(0, 1);
    assert!(matches!(group(swapped), Err(GroupError::Foreign(_))));
    assert_eq!(group(public_keys(&others)), Err(GroupError::OtherKey(whole.clone())));
    assert_eq!(group(keys[..2].to_vec()), Err(GroupError::Count { threshold, given: 2 }));
    let tz1 = SecretKey::generate(Curve::Ed25519, &[3; 32]).unwrap().public_key().clone();
    let mut mixed = keys;
    mixed[1] = tz1.clone();
    assert_eq!(group(mixed), Err(GroupError::Curve(tz1)));
    // Of another splitting of the same key, with another threshold.
    let wider = public_keys(&shared(&key(1), 3, 4));
    assert!(matches!(group(wider[..3].to_vec()), Err(GroupError::Foreign(_))));
}

/// They sign, but fewer do, too: what is said of them is not true.
#[test]
fn a_threshold_that_is_higher_than_the_true_one_is_refused() {
    for (needed, said) in [(2, 3), (3, 4), (3, 5)] {
        let keys = public_keys(&shared(&key(1), needed, 5.min(2 * needed - 1)));
        let threshold = Threshold::new(said, u8::try_from(keys.len()).unwrap()).unwrap();
        let made = Group::new(threshold, key(1).public_key().clone(), keys);
        assert_eq!(made, Err(GroupError::Fewer(said)));
    }
}

#[test]
fn a_secret_that_is_not_the_share_is_refused_and_not_shown() {
    let shares = shared(&key(1), 2, 3);
    let group = shares[0].group();
    let is = |number, share: &Share| {
        Share::new(group.clone(), index(number), share.secret().clone()).map(drop)
    };
    assert_eq!(is(1, &shares[0]), Ok(()));
    assert_eq!(is(2, &shares[0]), Err(ShareError::Other(index(2))));
    assert_eq!(is(4, &shares[0]), Err(ShareError::NoIndex { index: index(4), of: 3 }));
    assert_eq!(is(1, &shared(&key(2), 2, 3)[0]), Err(ShareError::Other(index(1))));
    let shown = format!("{:?} {}", shares[0], is(2, &shares[0]).unwrap_err());
    assert!(!shown.contains(shares[0].secret().to_base58().as_str()), "{shown}");
    assert!(shown.contains(&key(1).hash().to_string()), "{shown}");
}

#[test]
fn only_a_key_of_tz4_is_split() {
    let tz1 = SecretKey::generate(Curve::Ed25519, &[3; 32]).unwrap();
    let made = split(&tz1, Threshold::new(2, 3).unwrap(), crate::common::rng(1));
    assert_eq!(made.map(drop), Err(SplitError::Curve(tz1.public_key().clone())));
}
