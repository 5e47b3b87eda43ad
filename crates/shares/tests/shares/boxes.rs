//! Boxes of a ceremony or a resharing, and the messages between them.

use rand::rngs::StdRng;
use shares::ceremony::{
    Ceremony, Completed, Fault, Message, NewBoxes, Outcome, Participant, Progress, Resharing,
    Round, Sender,
};
use shares::{Share, ShareIndex, Threshold};
use tezos::{BlsScheme, SecretKey, Signature};

use crate::common::{choices, index, message, rng, sign};
use crate::second_opinion::whole_of;

pub(crate) fn threshold(needed: u8, shares: u8) -> Threshold {
    Threshold::new(needed, shares).unwrap()
}

pub(crate) fn participant(needed: u8, shares: u8, number: u8) -> Participant {
    Participant::new(threshold(needed, shares), index(number)).unwrap()
}

pub(crate) fn share(number: u8) -> Sender {
    Sender::Share(index(number))
}

pub(crate) fn old_share(number: u8) -> Sender {
    Sender::OldShare(index(number))
}

/// What is sent to all, each once.
pub(crate) type Wire = Vec<Message>;

pub(crate) fn send(wire: &mut Wire, messages: Vec<Message>) {
    for message in messages {
        if !wire.contains(&message) {
            wire.push(message);
        }
    }
}

/// The messages of one round.
pub(crate) fn of_round(wire: &Wire, round: Round) -> Wire {
    wire.iter().filter(|message| message.round() == round).cloned().collect()
}

/// Boxes that do what they should.
pub(crate) struct Boxes {
    pub(crate) boxes: Vec<Ceremony>,
    pub(crate) wire: Wire,
    rng: StdRng,
}

impl Boxes {
    /// All of them.
    pub(crate) fn begin(needed: u8, shares: u8, seed: u64) -> Boxes {
        Boxes::only(needed, shares, &(1..=shares).collect::<Vec<_>>(), seed)
    }

    /// Some of them.
    pub(crate) fn only(needed: u8, shares: u8, numbers: &[u8], seed: u64) -> Boxes {
        let mut rng = rng(seed);
        let numbers = numbers.iter();
        let begin = |number: &u8| Ceremony::begin(participant(needed, shares, *number), &mut rng);
        Boxes { boxes: numbers.map(begin).collect(), wire: Vec::new(), rng }
    }

    /// One box runs.
    pub(crate) fn run(&mut self, at: usize) -> Result<Progress, Fault> {
        let Outcome { send: sent, progress } = self.boxes[at].advance(&self.wire, &mut self.rng)?;
        send(&mut self.wire, sent);
        Ok(progress)
    }

    /// Every box runs once, with what there was before.
    pub(crate) fn round(&mut self) -> Vec<Result<Progress, Fault>> {
        let (before, mut ends) = (self.wire.clone(), Vec::new());
        for one in &mut self.boxes {
            let outcome = one.advance(&before, &mut self.rng);
            ends.push(outcome.map(|outcome| {
                send(&mut self.wire, outcome.send);
                outcome.progress
            }));
        }
        ends
    }

    /// Until nothing changes.
    pub(crate) fn finish(&mut self) -> Vec<Result<Progress, Fault>> {
        for _ in 0..3 {
            self.round();
        }
        self.round()
    }

    pub(crate) fn complete(mut self) -> Vec<Completed> {
        completed(self.finish())
    }
}

pub(crate) fn completed(ends: Vec<Result<Progress, Fault>>) -> Vec<Completed> {
    ends.into_iter().map(|end| done(end.unwrap())).collect()
}

pub(crate) fn done(progress: Progress) -> Completed {
    match progress {
        Progress::Done(completed) => *completed,
        Progress::Waiting(missing) => panic!("{missing:?}"),
    }
}

/// Which boxes of which round are missing.
pub(crate) fn missing(progress: Progress) -> (Round, Vec<Sender>) {
    match progress {
        Progress::Done(completed) => panic!("{completed:?}"),
        Progress::Waiting(missing) => (missing.round, missing.senders),
    }
}

/// New boxes of a resharing that do what they should.
pub(crate) struct New {
    pub(crate) boxes: Vec<Resharing>,
    pub(crate) wire: Wire,
}

impl New {
    pub(crate) fn begin(needed: u8, shares: u8, seed: u64) -> New {
        let mut rng = rng(seed);
        let begin = |number| Resharing::begin(participant(needed, shares, number), &mut rng);
        New { boxes: (1..=shares).map(begin).collect(), wire: Vec::new() }
    }

    pub(crate) fn round(&mut self) -> Vec<Result<Progress, Fault>> {
        let (before, mut ends) = (self.wire.clone(), Vec::new());
        for one in &self.boxes {
            ends.push(one.advance(&before).map(|outcome| {
                send(&mut self.wire, outcome.send);
                outcome.progress
            }));
        }
        ends
    }

    /// These shares deal.
    pub(crate) fn deal(&mut self, shares: &[&Share]) {
        let dealers: Vec<ShareIndex> = shares.iter().map(|share| share.index()).collect();
        let new = NewBoxes::gather(&self.wire).unwrap();
        for share in shares {
            let seed = u64::from(share.index().number());
            let dealt = new.deal(share, &dealers, new.fingerprint(), &mut rng(seed)).unwrap();
            send(&mut self.wire, vec![dealt]);
        }
    }

    pub(crate) fn complete(mut self, dealers: &[&Share]) -> Vec<Completed> {
        self.round();
        self.deal(dealers);
        self.round();
        completed(self.round())
    }
}

pub(crate) fn shares(completed: &[Completed]) -> Vec<Share> {
    completed.iter().map(|completed| completed.share.clone()).collect()
}

/// The key that these shares are of, as no box ever has it.
pub(crate) fn key_of(shares: &[Share]) -> SecretKey {
    let needed = usize::from(shares[0].group().threshold().needed());
    whole_of(&shares.iter().take(needed).collect::<Vec<_>>())
}

pub(crate) const VOTE: &[u8] = b"\x13 a vote at level 100";

pub(crate) fn vote_of(key: &SecretKey) -> Signature {
    key.sign(VOTE, BlsScheme::default()).unwrap()
}

/// Every choice of shares that suffices makes this signature, and all boxes know the same of the key.
pub(crate) fn all_sign_as(shares: &[Share], key: &SecretKey) {
    let group = shares[0].group();
    assert_eq!(group.public_key(), key.public_key());
    assert!(shares.iter().all(|share| share.group() == group));
    for choice in choices(shares, usize::from(group.threshold().needed())) {
        let made = group.combine(&sign(&choice, message(VOTE)), message(VOTE)).unwrap();
        assert_eq!(made.signature, vote_of(key));
    }
}
