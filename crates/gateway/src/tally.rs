//! The answers of those that have a share of a key, until they make a signature, or cannot any more. Pure.
//!
//! ```text
//!  Part ────▶ t of them? combined, verified ──▶ the signature
//!              │ not good: each is verified, the bad ones count as refusals
//!  Refused ──▶ more than n - t? ──▶ refused, with each reason
//!  Failed ───▶ all have answered, or failed? ──▶ failed: ask again
//! ```

use shares::{CombineError, Combined, Combiner, PartialSignature, ShareIndex};
use tezos::Signature;
use thiserror::Error;

/// What came of asking for a share's part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ShareAnswer {
    /// A part, not verified.
    Part(PartialSignature),
    /// Asking again does not help.
    Refused(String),
    /// It is no part, nor why there is none: asking again does not help.
    Unfit(String),
    /// Asking again may help.
    Failed(String),
}

impl ShareAnswer {
    /// The part, or how it is counted and why there is none.
    pub(crate) fn into_part(self) -> Result<PartialSignature, (ShareResult, String)> {
        match self {
            ShareAnswer::Part(part) => Ok(part),
            ShareAnswer::Refused(why) => Err((ShareResult::Refused, why)),
            ShareAnswer::Unfit(why) => Err((ShareResult::Unfit, why)),
            ShareAnswer::Failed(why) => Err((ShareResult::Failed, why)),
        }
    }
}

/// What was counted of a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShareResult {
    /// Its part is good, or was not needed.
    Part,
    /// It refused.
    Refused,
    /// It gave neither a part nor a reason, or that of another share.
    Unfit,
    /// It was not reached, or failed.
    Failed,
    /// What it gave is no part of the signature.
    Lied,
}

/// Why there is no signature. Each text has the reasons of each share.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Unsigned {
    /// Too many refuse.
    #[error("{0}")]
    Refused(String),
    /// Too few were reached: ask again.
    #[error("{0}")]
    Failed(String),
}

/// Counts the answers of one request.
#[derive(Debug)]
pub(crate) struct Tally<'a> {
    combiner: Combiner<'a>,
    parts: Vec<PartialSignature>,
    /// Those that give no part.
    others: Vec<(ShareIndex, ShareResult, String)>,
}

const LIE: &str =
    "what it answered is no part of this signature: it lies, or has a share of something else";

impl<'a> Tally<'a> {
    pub(crate) fn new(combiner: Combiner<'a>) -> Tally<'a> {
        Tally { combiner, parts: Vec::new(), others: Vec::new() }
    }

    /// Takes an answer of the share of this index; gives how it ended, if it is the end.
    pub(crate) fn add(
        &mut self,
        index: ShareIndex,
        answer: ShareAnswer,
    ) -> Option<Result<Signature, Unsigned>> {
        match answer.into_part() {
            Ok(part) => self.parts.push(part),
            Err((result, why)) => self.others.push((index, result, why)),
        }
        if let Some(signature) = self.combine() {
            return Some(Ok(signature));
        }
        self.unsigned().map(Err)
    }

    /// What each share that was heard did.
    pub(crate) fn results(&self) -> impl Iterator<Item = (ShareIndex, ShareResult)> {
        let parts = self.parts.iter().map(|part| (part.index(), ShareResult::Part));
        parts.chain(self.others.iter().map(|(index, result, _)| (*index, *result)))
    }

    fn combine(&mut self) -> Option<Signature> {
        if self.parts.len() < self.needed() {
            return None;
        }
        match self.combiner.combine(&self.parts) {
            Ok(Combined { signature, liars }) => {
                self.note_liars(&liars);
                Some(signature)
            }
            Err(CombineError::Few { liars, .. }) => {
                self.note_liars(&liars);
                None
            }
            Err(CombineError::Twice(index)) => {
                self.note_liars(&[index]);
                None
            }
        }
    }

    fn note_liars(&mut self, liars: &[ShareIndex]) {
        self.parts.retain(|part| !liars.contains(&part.index()));
        self.others.extend(liars.iter().map(|index| (*index, ShareResult::Lied, LIE.to_owned())));
    }

    fn unsigned(&self) -> Option<Unsigned> {
        let all = usize::from(self.combiner.group().threshold().shares());
        let refusals = self.others.iter().filter(|(_, result, _)| *result != ShareResult::Failed);
        if all.saturating_sub(refusals.count()) < self.needed() {
            return Some(Unsigned::Refused(self.reasons()));
        }
        let are_all_heard = self.parts.len() + self.others.len() >= all;
        are_all_heard.then(|| Unsigned::Failed(self.reasons()))
    }

    /// "of the 3 shares 2 are needed; share 1: …; share 3: …".
    fn reasons(&self) -> String {
        let threshold = self.combiner.group().threshold();
        let mut text =
            format!("of {} shares {} are needed", threshold.shares(), threshold.needed());
        let mut others: Vec<&(ShareIndex, ShareResult, String)> = self.others.iter().collect();
        others.sort_by_key(|(index, ..)| *index);
        for (index, _, why) in others {
            text += &format!("; share {index}: {why}");
        }
        text
    }

    fn needed(&self) -> usize {
        usize::from(self.combiner.group().threshold().needed())
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use shares::{Group, Share, Threshold, split};
    use tezos::{BlsScheme, Curve, SecretKey, Statement};

    use super::*;

    const VOTE: Statement<'static> =
        Statement::Message { bytes: b"a vote", scheme: BlsScheme::ProofOfPossession };
    const OTHER: Statement<'static> =
        Statement::Message { bytes: b"another vote", scheme: BlsScheme::ProofOfPossession };

    /// What comes of asking for the share with this number.
    #[derive(Clone, Copy)]
    enum Says {
        Part(usize),
        Lie(usize),
        No(usize),
        Nothing(usize),
    }
    use Says::{Lie, No, Nothing, Part};

    fn shares(needed: u8, count: u8) -> Vec<Share> {
        let secret = SecretKey::generate(Curve::Bls, &[1; 32]).unwrap();
        let threshold = Threshold::new(needed, count).unwrap();
        split(&secret, threshold, StdRng::seed_from_u64(1)).unwrap()
    }

    fn combiner(group: &Group) -> Combiner<'_> {
        Combiner::new(group, VOTE, group.public_key().prepare(VOTE))
    }

    /// How it ends, after how many answers, and what each did.
    fn ends(needed: u8, count: u8, said: &[Says]) -> Option<(String, usize)> {
        let shares = shares(needed, count);
        let mut tally = Tally::new(combiner(shares[0].group()));
        for (at, says) in said.iter().enumerate() {
            let (number, answer) = match *says {
                Part(number) => (number, ShareAnswer::Part(shares[number - 1].sign(VOTE).unwrap())),
                Lie(number) => (number, ShareAnswer::Part(shares[number - 1].sign(OTHER).unwrap())),
                No(number) => (number, ShareAnswer::Refused("no".to_owned())),
                Nothing(number) => (number, ShareAnswer::Failed("silent".to_owned())),
            };
            let index = shares[number - 1].index();
            if let Some(end) = tally.add(index, answer) {
                let lied = tally.results().filter(|(_, result)| *result == ShareResult::Lied);
                let lied: Vec<String> = lied.map(|(index, _)| index.to_string()).collect();
                let word = match end {
                    Ok(_) => "signed",
                    Err(Unsigned::Refused(_)) => "refused",
                    Err(Unsigned::Failed(_)) => "failed",
                };
                return Some((format!("{word} {}", lied.join(" ")).trim().to_owned(), at + 1));
            }
        }
        None
    }

    fn end(word: &str, answers: usize) -> Option<(String, usize)> {
        Some((word.to_owned(), answers))
    }

    #[test]
    fn the_first_that_suffice_are_enough() {
        assert_eq!(ends(2, 3, &[Part(3), Part(1), Part(2)]), end("signed", 2));
        assert_eq!(ends(2, 3, &[No(1), Part(3), Part(2)]), end("signed", 3));
        assert_eq!(ends(3, 5, &[Nothing(1), No(2), Part(3), Part(4), Part(5)]), end("signed", 5));
        assert_eq!(ends(2, 2, &[Part(1), Part(2)]), end("signed", 2));
    }

    #[test]
    fn a_refusal_is_one_as_soon_as_too_many_refuse() {
        assert_eq!(ends(2, 3, &[No(1), No(2)]), end("refused", 2));
        assert_eq!(ends(2, 3, &[Nothing(1), No(2), No(3)]), end("refused", 3));
        assert_eq!(ends(2, 3, &[Part(1), No(2), No(3)]), end("refused", 3));
        assert_eq!(ends(2, 2, &[No(1)]), end("refused", 1));
    }

    #[test]
    fn what_may_be_mended_is_asked_again() {
        assert_eq!(ends(2, 3, &[Part(1), Nothing(2), Nothing(3)]), end("failed", 3));
        assert_eq!(ends(2, 3, &[Part(1), No(2), Nothing(3)]), end("failed", 3));
        assert_eq!(ends(2, 3, &[Nothing(1), Nothing(2)]), None, "one is not heard yet");
    }

    #[test]
    fn a_liar_is_a_refusal_of_its_own() {
        assert_eq!(ends(2, 3, &[Lie(1), Part(2), Part(3)]), end("signed 1", 3));
        assert_eq!(ends(2, 3, &[Part(1), Lie(2), Nothing(3)]), end("failed 2", 3));
        // A lie is found out when there are enough parts.
        assert_eq!(ends(2, 3, &[Lie(1), No(2), Part(3)]), end("refused 1", 3));
        assert_eq!(ends(3, 4, &[Lie(1), Part(2), Lie(3), Part(4)]), end("refused 1 3", 3));
        assert_eq!(ends(3, 5, &[Lie(1), Lie(2), Part(3), Part(4), Part(5)]), end("signed 1 2", 5));
    }

    #[test]
    fn each_reason_is_told_in_the_order_of_the_shares() {
        let shares = shares(2, 3);
        let mut tally = Tally::new(combiner(shares[0].group()));
        let no = |why: &str| ShareAnswer::Refused(why.to_owned());
        assert_eq!(tally.add(shares[2].index(), no("that")), None);
        let Some(Err(unsigned)) = tally.add(shares[0].index(), no("this")) else {
            panic!("two of three refuse")
        };
        assert_eq!(unsigned.to_string(), "of 3 shares 2 are needed; share 1: this; share 3: that");
    }
}
