//! A key that never existed: what honest boxes get, and what a liar, a mistake or a bad line makes of it.
use bls12_381_plus::Scalar;
use proptest::prelude::*;
use rand::seq::SliceRandom;
use shares::ceremony::{Ceremony, Fault, MemoryError, Message, Procedure, Resharing, Round};
use tezos::Curve;

use crate::boxes::{
    Boxes, Wire, all_sign_as, completed, done, key_of, missing, of_round, participant, send, share,
    shares, threshold,
};
use crate::common::{index, rng};
use crate::liar::{Liar, number, proof_of, secret_key};
use crate::text::forged;

#[test]
fn every_choice_of_shares_signs_as_the_key_that_never_existed() {
    for (needed, count) in [(2, 2), (2, 3), (3, 4), (3, 5), (4, 5)] {
        let completed = Boxes::begin(needed, count, 1).complete();
        assert!(completed.iter().all(|one| one.fingerprint == completed[0].fingerprint));
        let shares = shares(&completed);
        assert!(shares.iter().zip(1..).all(|(share, number)| share.index() == index(number)));
        all_sign_as(&shares, &key_of(&shares));
    }
}

#[test]
fn a_key_proves_its_possession_with_shares_alone() {
    let shares = shares(&Boxes::begin(2, 3, 1).complete());
    let statement = tezos::Statement::Possession;
    let parts: Vec<_> = shares.iter().map(|share| share.sign(statement).unwrap()).collect();
    let proof = shares[0].group().combine(&parts, statement).unwrap().signature;
    assert_eq!(Some(proof), key_of(&shares).prove_possession());
}

#[test]
fn two_ceremonies_make_two_keys() {
    let key = |seed| Boxes::begin(2, 3, seed).complete()[0].share.group().public_key().clone();
    assert_ne!(key(1), key(2));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    /// In any order, with any repetitions, and with what is remembered kept as text between all steps.
    #[test]
    fn order_repetition_and_a_restart_change_nothing(
        (count, seed) in (2_u8..=7, any::<u64>())
    ) {
        let needed = (count / 2 + 1).max(2);
        let (mut boxes, mut rng) = (Boxes::begin(needed, count, seed), rng(seed));
        for _ in 0..3 {
            boxes.round();
            boxes.wire = [boxes.wire.clone(), boxes.wire.clone()].concat();
            boxes.wire.shuffle(&mut rng);
            let kept: Vec<_> = boxes.boxes.iter().map(Ceremony::to_text).collect();
            boxes.boxes = kept.iter().map(|text| Ceremony::from_text(text).unwrap()).collect();
        }
        let shares = shares(&completed(boxes.round()));
        let key = key_of(&shares);
        prop_assert_eq!(shares[0].group().public_key(), key.public_key());
        prop_assert_eq!(key_of(&shares[usize::from(count - needed)..]).hash(), key.hash());
    }
}

#[test]
fn a_missing_message_is_named_and_waited_for() {
    let mut boxes = Boxes::begin(2, 3, 1);
    assert_eq!(missing(boxes.run(0).unwrap()), (Round::First, vec![share(2), share(3)]));
    boxes.run(1).unwrap();
    assert_eq!(missing(boxes.run(0).unwrap()), (Round::First, vec![share(3)]));
    boxes.run(2).unwrap();
    assert_eq!(missing(boxes.run(0).unwrap()), (Round::Second, vec![share(2)]));
    boxes.run(1).unwrap();
    // That box had all of round 2, and has confirmed it.
    assert_eq!(missing(boxes.run(0).unwrap()), (Round::Third, vec![share(3)]));
    boxes.run(2).unwrap();
    let done = [0, 1, 2].map(|at| done(boxes.run(at).unwrap()));
    assert!(done.iter().all(|one| one.fingerprint == done[0].fingerprint));
}

#[test]
fn a_box_sends_the_same_whenever_it_runs_again() {
    let mut boxes = Boxes::begin(2, 3, 1);
    boxes.finish();
    let sent = boxes.wire.clone();
    assert_eq!(sent.len(), 9);
    boxes.finish();
    assert_eq!(boxes.wire, sent);
}

/// Boxes 1 and 3 are honest, and share 2 is a liar's. What the honest ones find after these messages of the liar.
fn against(
    liar: &mut Liar,
    announcement: impl FnOnce(Message) -> Message,
    dealing: impl FnOnce(Message) -> Message,
) -> (Boxes, Result<(), Fault>) {
    let (needed, count) = liar.threshold;
    let mut honest = Boxes::only(needed, count, &[1, 3], 1);
    honest.round();
    send(&mut honest.wire, vec![announcement(liar.announcement())]);
    let dealt = honest.round().into_iter().collect::<Result<Vec<_>, _>>();
    if let Err(fault) = dealt {
        return (honest, Err(fault));
    }
    let dealt = dealing(liar.dealing(&honest.wire));
    send(&mut honest.wire, vec![dealt]);
    let found = honest.round().into_iter().try_for_each(|end| end.map(drop));
    (honest, found)
}

fn same(message: Message) -> Message {
    message
}

/// The other implementation takes part like any box.
#[test]
fn a_box_of_other_libraries_takes_part() {
    for needed in [2, 3] {
        let mut other = Liar::new(needed, 3, 2);
        let (mut honest, found) = against(&mut other, same, same);
        found.unwrap();
        let confirmed = of_round(&honest.wire, Round::Third)[0].clone();
        let seen = crate::text::values(&confirmed);
        let key = hex::decode(&seen.last().unwrap().1).unwrap();
        let confirmation = other.confirmation(&honest.wire, &key);
        send(&mut honest.wire, vec![confirmation]);
        let shares = shares(&completed(honest.round()));
        assert_eq!(shares[0].group().public_key().bytes(), key);
    }
}

#[test]
fn a_dealing_that_was_not_promised_is_named() {
    let promise = |message: Message| {
        forged(&message, "promise", |promise| *promise = "5a".repeat(32)).unwrap()
    };
    let (_, found) = against(&mut Liar::new(2, 3, 2), promise, same);
    assert_eq!(found, Err(Fault::Promise(share(2))));
    // As it would, if it chose its part after those of the others.
    let mut later = Liar::new(2, 3, 2);
    let first = later.announcement();
    later.polynomial[1] = number(9, 9);
    let (_, found) = against(&mut later, |_| first, same);
    assert_eq!(found, Err(Fault::Promise(share(2))));
}

#[test]
fn a_part_of_which_the_secret_is_not_known_is_named() {
    let mut liar = Liar::new(2, 3, 2);
    liar.proof = proof_of(&number(9, 9));
    let (_, found) = against(&mut liar, same, same);
    assert_eq!(found, Err(Fault::Proof(share(2))));
    liar.proof = vec![0; 96];
    let (_, found) = against(&mut liar, same, same);
    assert_eq!(found, Err(Fault::Proof(share(2))));
}

#[test]
fn a_value_that_does_not_fit_is_named() {
    let mut liar = Liar::new(2, 3, 2);
    liar.error = Scalar::ONE;
    let (_, found) = against(&mut liar, same, same);
    assert_eq!(found, Err(Fault::Part(share(2))));
}

#[test]
fn what_is_sealed_for_another_box_is_named() {
    let mut liar = Liar::new(2, 3, 2);
    liar.seal_to = |receiver| 4 - receiver;
    let (_, found) = against(&mut liar, same, same);
    assert_eq!(found, Err(Fault::Sealed(share(2))));
    let damage = |message: Message| {
        forged(&message, "sealed", |sealed| sealed.replace_range(60..64, "0000")).unwrap()
    };
    let (_, found) = against(&mut Liar::new(2, 3, 2), same, damage);
    assert_eq!(found, Err(Fault::Sealed(share(2))));
}

#[test]
fn a_key_to_which_nothing_can_be_encrypted_is_named() {
    let mut liar = Liar::new(2, 3, 2);
    liar.key = [0; 32];
    let (honest, found) = against(&mut liar, same, same);
    assert_eq!(found, Err(Fault::Key(share(2))));
    assert!(of_round(&honest.wire, Round::Second).is_empty(), "nothing was dealt");
}

#[test]
fn commitments_that_are_none_are_named() {
    let (mut other, mut honest) = (Liar::new(2, 3, 2), Boxes::only(2, 3, &[1, 3], 1));
    honest.round();
    send(&mut honest.wire, vec![other.announcement()]);
    let dealt = other.dealing(&honest.wire);
    let said =
        |change: fn(&mut String)| forged(&dealt, "commitments", change).unwrap_err().to_string();
    let infinity = |text: &mut String| text.replace_range(..96, &format!("c0{}", "0".repeat(94)));
    let outside = |text: &mut String| text.replace_range(96.., &format!("80{}", "0".repeat(94)));
    for (said, expected) in [
        (said(infinity), "its commitment 1 is no point of the group"),
        (said(outside), "its commitment 2 is no point of the group"),
        (said(|text| text.replace_range(..96, &"f".repeat(96))), "its commitment 1 is no point"),
        (said(|text| text.truncate(96)), "it has 1 commitments, and 2 belong to this threshold"),
        (said(|text| *text = text.repeat(2)), "it has 4 commitments"),
        (said(|text| text.truncate(95)), "has no good \"commitments\""),
    ] {
        assert!(said.starts_with("the message of round 2 from share 2 "), "{said}");
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn other_numbers_of_shares_are_named() {
    let mut boxes = Boxes::begin(2, 3, 1);
    let mut other = Ceremony::begin(participant(3, 3, 2), &mut rng(2));
    let sent = other.advance(&[], &mut rng(2)).unwrap().send;
    send(&mut boxes.wire, sent);
    let (theirs, ours) = (threshold(3, 3), threshold(2, 3));
    let expected = Fault::Threshold { by: share(2), theirs, ours };
    assert_eq!(boxes.run(0).map(drop), Err(expected.clone()));
    assert_eq!(
        expected.to_string(),
        "share 2 takes part for 3 of 3 shares, and this box for 2 of 3; begin anew with the same numbers at every box"
    );
}

#[test]
fn two_boxes_that_began_as_one_share_are_named() {
    let mut boxes = Boxes::only(2, 3, &[1, 2, 2, 3], 1);
    boxes.round();
    let expected = Fault::Twice { by: share(2), round: Round::First };
    for end in boxes.round() {
        assert_eq!(end.map(drop), Err(expected.clone()));
    }
}

#[test]
fn a_message_of_a_resharing_is_named() {
    let mut boxes = Boxes::begin(2, 3, 1);
    let other = Resharing::begin(participant(2, 3, 2), &mut rng(1));
    send(&mut boxes.wire, other.advance(&[]).unwrap().send);
    let (theirs, ours) = (Procedure::Resharing, Procedure::Ceremony);
    let expected = Fault::Procedure { by: share(2), round: Round::First, theirs, ours };
    assert_eq!(boxes.run(0).map(drop), Err(expected));
}

/// Of the same boxes, at another time.
#[test]
fn a_message_of_another_ceremony_is_named() {
    let mut other = Boxes::begin(2, 3, 2);
    other.finish();
    for (round, runs) in [(Round::Second, 1), (Round::Third, 2)] {
        let mut boxes = Boxes::begin(2, 3, 1);
        (0..runs).for_each(|_| drop(boxes.round()));
        send(&mut boxes.wire, vec![of_round(&other.wire, round)[1].clone()]);
        let by = share(2);
        assert_eq!(boxes.run(0).map(drop), Err(Fault::Foreign { by, round }), "round {round}");
    }
}

/// To boxes 1 and 3 it sends different messages, each of them good.
#[test]
fn a_box_that_tells_others_different_things_is_named() {
    let (mut liar, mut honest) = (Liar::new(2, 3, 2), Boxes::only(2, 3, &[1, 3], 1));
    honest.round();
    send(&mut honest.wire, vec![liar.announcement()]);
    honest.round();
    let mut wires: [Wire; 2] = [honest.wire.clone(), honest.wire.clone()];
    for (wire, one) in wires.iter_mut().zip(&mut honest.boxes) {
        send(wire, vec![liar.dealing(&honest.wire)]);
        let outcome = one.advance(wire, &mut rng(1)).unwrap();
        send(wire, outcome.send);
    }
    let confirmed = of_round(&wires[1], Round::Third);
    send(&mut wires[0], confirmed);
    let expected = Fault::Disagreement {
        by: share(3),
        round: Round::Third,
        of: share(2),
        of_round: Round::Second,
    };
    let found = honest.boxes[0].advance(&wires[0], &mut rng(1));
    assert_eq!(found.map(drop), Err(expected.clone()));
    assert!(expected.to_string().contains("share 2 sent two that differ"), "{expected}");
}

/// Somewhere between them, in round 1.
#[test]
fn a_message_that_was_exchanged_on_its_way_is_named() {
    let (mut boxes, mut other) = (Boxes::begin(2, 3, 1), Boxes::only(2, 3, &[3], 9));
    boxes.round();
    other.round();
    let mut exchanged = boxes.wire.clone();
    exchanged[2] = other.wire[0].clone();
    let second = boxes.boxes[1].advance(&exchanged, &mut rng(1)).unwrap();
    send(&mut boxes.wire, of_round(&second.send, Round::Second));
    let expected = Fault::Disagreement {
        by: share(2),
        round: Round::Second,
        of: share(3),
        of_round: Round::First,
    };
    assert_eq!(boxes.run(0).map(drop), Err(expected));
}

#[test]
fn a_confirmation_of_another_key_is_named() {
    let mut liar = Liar::new(2, 3, 2);
    let (mut honest, found) = against(&mut liar, same, same);
    found.unwrap();
    let other = secret_key(&number(9, 9)).public_key().clone();
    let confirmation = liar.confirmation(&honest.wire, other.bytes());
    send(&mut honest.wire, vec![confirmation]);
    for end in honest.round() {
        assert_eq!(end.map(drop), Err(Fault::OtherKey(share(2))));
    }
}

/// Once it has dealt, a box deals to no others: with two dealings, its part would be known.
#[test]
fn a_box_deals_once() {
    let mut boxes = Boxes::begin(2, 3, 1);
    boxes.round();
    let mut others = boxes.wire.clone();
    boxes.round();
    others[1] = Liar::new(2, 3, 2).announcement();
    others[2] = Liar::new(2, 3, 3).announcement();
    let kept = boxes.boxes[0].to_text();
    for one in [&mut boxes.boxes[0], &mut Ceremony::from_text(&kept).unwrap()] {
        let found = one.advance(&others, &mut rng(1)).map(drop);
        let of = share(2);
        let (by, round, of_round) = (share(1), Round::Second, Round::First);
        assert_eq!(found, Err(Fault::Disagreement { by, round, of, of_round }));
    }
}

#[test]
fn a_fault_changes_nothing_and_the_ceremony_goes_on_without_the_message() {
    let mut boxes = Boxes::begin(2, 3, 1);
    boxes.round();
    let good = boxes.wire.clone();
    let kept = boxes.boxes[0].to_text();
    boxes.wire.push(Liar::new(2, 3, 2).announcement());
    boxes.run(0).unwrap_err();
    assert_eq!(*boxes.boxes[0].to_text(), *kept);
    boxes.wire = good;
    assert_eq!(boxes.complete().len(), 3);
}

#[test]
fn what_is_remembered_is_no_share_and_shows_nothing() {
    let (one, new) = (
        Ceremony::begin(participant(2, 3, 1), &mut rng(1)),
        Resharing::begin(participant(2, 3, 1), &mut rng(1)),
    );
    let text = one.to_text();
    assert!(text.starts_with("BEGIN PEEL CEREMONY SECRET\n") && text.contains("worth the share"));
    assert_eq!(format!("{one:?} {new:?}"), "Ceremony(share 1 of 3) Resharing(share 1 of 3)");
    assert!(Message::read_all(&text).is_empty());
    for length in (0..text.len() - 1).step_by(7) {
        assert!(Ceremony::from_text(&text[..length]).is_err(), "{length}");
    }
    let other = Ceremony::from_text(&new.to_text()).unwrap_err();
    assert_eq!(other, MemoryError::Procedure(Procedure::Resharing));
    assert!(Resharing::from_text(&text).is_err());
    let twice = format!("{}{}", *text, *text);
    assert_eq!(Ceremony::from_text(&twice).map(drop), Err(MemoryError::None));
    let secrets: Vec<&str> = text.lines().filter(|line| line.len() == 64).collect();
    assert!(!secrets.is_empty());
    for damaged in [text.replace("key:", "kez:"), text.replace("share: 1", "share: 4")] {
        let said = Ceremony::from_text(&damaged).unwrap_err().to_string();
        assert!(secrets.iter().all(|secret| !said.contains(secret)), "{said}");
    }
}

#[test]
fn no_outcome_shows_a_secret() {
    let mut boxes = Boxes::begin(2, 3, 1);
    let ends = boxes.finish();
    let shown = format!("{ends:?} {:?}", boxes.wire);
    for share in shares(&completed(ends)) {
        let secret = share.secret();
        assert!(!shown.contains(&hex::encode(&*secret.to_bytes())));
        assert!(!shown.contains(secret.to_base58().as_str()));
        assert_eq!(secret.public_key().curve(), Curve::Bls);
    }
}
