//! New shares of a key that is there: they sign as before, and old ones are worth nothing beside them.
use shares::ceremony::{
    DealersError, Fault, Message, NewBoxes, NewBoxesError, RedealError, Resharing, Round,
};
use shares::{CombineError, Share, ShareIndex, split};

use crate::boxes::{
    Boxes, New, VOTE, all_sign_as, completed, done, key_of, missing, of_round, old_share,
    participant, send, share, shares, threshold, vote_of,
};
use crate::common::{choices, index, key, message, rng, shared, sign};
use crate::text::{forged, read, text, value, values};

fn reshared(old: &[&Share], needed: u8, count: u8) -> Vec<Share> {
    shares(&New::begin(needed, count, 7).complete(old))
}

#[test]
fn every_choice_of_new_shares_signs_as_the_old_key() {
    let old = shares(&Boxes::begin(2, 3, 1).complete());
    let key = key_of(&old);
    for (needed, count) in [(2, 2), (2, 3), (3, 4), (3, 5), (4, 5)] {
        for dealers in choices(&old, 2) {
            all_sign_as(&reshared(&dealers, needed, count), &key);
        }
    }
    // Back, and of a key that was split.
    let wide = reshared(&[&old[0], &old[2]], 3, 4);
    all_sign_as(&reshared(&[&wide[3], &wide[0], &wide[1]], 2, 3), &key);
    let split = split(&crate::common::key(3), threshold(3, 5), rng(3)).unwrap();
    all_sign_as(&reshared(&[&split[4], &split[0], &split[2]], 2, 3), &crate::common::key(3));
}

/// The same numbers of shares: a refresh.
#[test]
fn old_shares_and_new_ones_together_make_nothing() {
    let old = shared(&key(1), 2, 3);
    let new = reshared(&[&old[0], &old[1]], 2, 3);
    for (one, other) in old.iter().flat_map(|one| new.iter().map(move |other| (one, other))) {
        assert_ne!(one.public_key(), other.public_key());
        if one.index() == other.index() {
            continue;
        }
        let parts = sign(&[one, other], message(VOTE));
        for group in [one.group(), other.group()] {
            let made = group.combine(&parts, message(VOTE));
            assert!(matches!(made, Err(CombineError::Few { good: 1, needed: 2, .. })), "{made:?}");
        }
    }
    // t of either are the key: that is why old shares have to be destroyed.
    for set in [&old, &new] {
        let parts = sign(&[&set[1], &set[2]], message(VOTE));
        let made = set[0].group().combine(&parts, message(VOTE)).unwrap();
        assert_eq!(made.signature, vote_of(&key(1)));
    }
}

#[test]
fn missing_boxes_are_named_on_both_sides() {
    let old = shared(&key(1), 2, 3);
    let mut new = New::begin(2, 3, 1);
    assert_eq!(NewBoxes::gather(&new.wire).map(drop), Err(NewBoxesError::None));
    let first = new.boxes[0].advance(&[]).unwrap();
    assert_eq!(missing(first.progress), (Round::First, vec![share(2), share(3)]));
    let Err(NewBoxesError::Missing(lacking)) = NewBoxes::gather(&first.send) else { panic!() };
    assert_eq!(lacking.senders, [share(2), share(3)]);
    new.round();
    let ends = new.round();
    assert!(ends.into_iter().all(|end| missing(end.unwrap()) == (Round::Second, vec![])));
    let boxes = NewBoxes::gather(&new.wire).unwrap();
    let dealers = [index(1), index(3)];
    let dealt = boxes.deal(&old[2], &dealers, boxes.fingerprint(), &mut rng(1)).unwrap();
    send(&mut new.wire, vec![dealt]);
    let ends = new.round();
    assert!(
        ends.into_iter().all(|end| missing(end.unwrap()) == (Round::Second, vec![old_share(1)]))
    );
    let dealt = boxes.deal(&old[0], &dealers, boxes.fingerprint(), &mut rng(2)).unwrap();
    send(&mut new.wire, vec![dealt]);
    new.round();
    let ends = completed(new.round());
    assert!(ends.iter().all(|end| end.fingerprint == ends[0].fingerprint));
    assert_ne!(ends[0].fingerprint, boxes.fingerprint());
    all_sign_as(&shares(&ends), &key(1));
}

/// So two deals of one polynomial are one deal, and no two deals have random numbers in common.
#[test]
fn the_seed_of_a_deal_is_of_the_share_the_boxes_and_the_dealers() {
    let (old, other) = (shared(&key(1), 2, 3), shared(&key(2), 2, 3));
    let [boxes, others] = [1, 2].map(|seed| {
        let mut new = New::begin(2, 3, seed);
        new.round();
        NewBoxes::gather(&new.wire).unwrap()
    });
    let seed =
        |boxes: &NewBoxes, share, dealers: [u8; 2]| boxes.seed(share, &dealers.map(index)).unwrap();
    let all = [
        seed(&boxes, &old[0], [1, 2]),
        seed(&boxes, &old[0], [1, 3]),
        seed(&boxes, &old[1], [1, 2]),
        seed(&boxes, &other[0], [1, 2]),
        seed(&others, &old[0], [1, 2]),
    ];
    for (at, one) in all.iter().enumerate() {
        assert!(all[at + 1..].iter().all(|other| other != one), "{at}");
    }
    assert_eq!(seed(&boxes, &old[0], [2, 1]), all[0], "the same dealers");
}

/// Otherwise the key is given to those that exchange two messages.
#[test]
fn a_share_is_dealt_only_to_the_boxes_that_were_compared() {
    let old = shared(&key(1), 2, 3);
    let (mut new, mut others) = (New::begin(2, 3, 1), New::begin(2, 3, 2));
    new.round();
    others.round();
    let compared = NewBoxes::gather(&new.wire).unwrap().fingerprint();
    let exchanged = [new.wire[0].clone(), others.wire[1].clone(), others.wire[2].clone()];
    let exchanged = NewBoxes::gather(&exchanged).unwrap();
    let refused = exchanged.deal(&old[0], &[index(1), index(2)], compared, &mut rng(1));
    assert_eq!(refused, Err(RedealError::OtherBoxes { here: exchanged.fingerprint() }));
}

#[test]
fn dealers_that_are_none_are_refused() {
    let old = shared(&key(1), 2, 3);
    let mut new = New::begin(2, 3, 1);
    new.round();
    let boxes = NewBoxes::gather(&new.wire).unwrap();
    let deal = |dealers: &[u8]| {
        let dealers: Vec<ShareIndex> = dealers.iter().map(|number| index(*number)).collect();
        boxes.deal(&old[0], &dealers, boxes.fingerprint(), &mut rng(1))
    };
    for wrong in [&[1][..], &[1, 1], &[1, 2, 3], &[1, 4], &[]] {
        assert!(matches!(deal(wrong), Err(RedealError::Dealers(DealersError { .. }))), "{wrong:?}");
    }
    assert_eq!(deal(&[2, 3]), Err(RedealError::NoDealer(index(1))));
    assert_eq!(deal(&[2, 1]).map(|message| message.sender()), Ok(old_share(1)));
    let said = deal(&[1]).unwrap_err().to_string();
    assert_eq!(said, "the dealers have to be 2 different shares of 3, the same at each of them");
}

/// A resharing up to its dealings.
fn dealt() -> (Vec<Share>, New) {
    let old = shared(&key(1), 2, 3);
    let mut new = New::begin(2, 3, 1);
    new.round();
    new.deal(&[&old[0], &old[1]]);
    (old, new)
}

fn finds(new: &New, expected: &Fault) {
    for one in &new.boxes {
        assert_eq!(one.advance(&new.wire).map(drop), Err(expected.clone()));
    }
}

/// The first of the dealings, replaced by another message.
fn replaced(mut new: New, message: Message) -> New {
    let old = new.wire.iter_mut().find(|other| other.sender() == message.sender());
    *old.unwrap() = message;
    new
}

#[test]
fn a_dealer_of_another_secret_is_named() {
    let (_, new) = dealt();
    // It says that it is of this key, and deals its share of another.
    let other = shared(&key(2), 2, 3);
    let boxes = NewBoxes::gather(&new.wire).unwrap();
    let dealers = [index(1), index(2)];
    let lie = boxes.deal(&other[0], &dealers, boxes.fingerprint(), &mut rng(1)).unwrap();
    let mut lie = values(&lie);
    let mut truth = values(&of_round(&new.wire, Round::Second)[0]);
    for name in ["old-public-key", "old-shares"] {
        *value(&mut lie, name) = value(&mut truth, name).clone();
    }
    let new = replaced(new, read(&text(&lie)).unwrap());
    finds(&new, &Fault::Constant(old_share(1)));
}

#[test]
fn dealers_that_do_not_agree_are_named() {
    for (key_of_other, dealers) in [(1, [1, 3]), (2, [1, 2])] {
        let (_, new) = dealt();
        let other = shared(&key(key_of_other), 2, 3);
        let boxes = NewBoxes::gather(&new.wire).unwrap();
        let dealers = dealers.map(index);
        let lie = boxes.deal(&other[0], &dealers, boxes.fingerprint(), &mut rng(1)).unwrap();
        let new = replaced(new, lie);
        finds(&new, &Fault::OldKey { by: old_share(1), other: old_share(2) });
    }
}

#[test]
fn a_damaged_envelope_is_named_by_its_receiver() {
    let (_, new) = dealt();
    let damaged = forged(&of_round(&new.wire, Round::Second)[0], "sealed", |sealed| {
        sealed.replace_range(160..162, "00");
        sealed.replace_range(170..172, "00");
    });
    let new = replaced(new, damaged.unwrap());
    let ends: Vec<_> = new.boxes.iter().map(|one| one.advance(&new.wire).map(drop)).collect();
    assert_eq!(ends, [Ok(()), Err(Fault::Sealed(old_share(1))), Ok(())]);
}

#[test]
fn a_dealing_for_other_boxes_is_named() {
    let (_, other) = {
        let old = shared(&key(1), 2, 3);
        let mut new = New::begin(2, 3, 9);
        new.round();
        new.deal(&[&old[0], &old[1]]);
        (old, new)
    };
    let (_, new) = dealt();
    let new = replaced(new, of_round(&other.wire, Round::Second)[0].clone());
    finds(&new, &Fault::Foreign { by: old_share(1), round: Round::Second });
}

/// A dealer that runs twice deals another polynomial: both are good, and no box may mix them.
#[test]
fn a_dealer_that_dealt_twice_is_named() {
    let (old, mut new) = dealt();
    let boxes = NewBoxes::gather(&new.wire).unwrap();
    let dealers = [index(1), index(2)];
    let again = boxes.deal(&old[0], &dealers, boxes.fingerprint(), &mut rng(99)).unwrap();
    let other = replaced(New { boxes: Vec::new(), wire: new.wire.clone() }, again.clone());
    let confirmed = new.boxes[2].advance(&other.wire).unwrap();
    send(&mut new.wire, of_round(&confirmed.send, Round::Third));
    let (by, round) = (share(3), Round::Third);
    let (of, of_round) = (old_share(1), Round::Second);
    finds(&new, &Fault::Disagreement { by, round, of, of_round });
    new.wire.retain(|message| message.round() != Round::Third);
    new.wire.push(again);
    finds(&new, &Fault::Twice { by: old_share(1), round: Round::Second });
}

#[test]
fn a_restart_changes_nothing() {
    let (_, mut new) = dealt();
    let restart = |one: &Resharing| Resharing::from_text(&one.to_text()).unwrap();
    new.boxes = new.boxes.iter().map(restart).collect();
    new.round();
    new.boxes = new.boxes.iter().map(restart).collect();
    assert_eq!(new.boxes[2].participant(), participant(2, 3, 3));
    for end in new.round() {
        assert_eq!(done(end.unwrap()).share.group().public_key(), key(1).public_key());
    }
}
