//! The answers of those that have a share of a key, until they make a signature, or cannot any more. Pure.
//!
//! ```text
//!  Part ────▶ t of them? combined, verified ──▶ the signature
//!              │ not good: each is verified, the bad ones count as refusals
//!  Refused ──▶ more than n - t? ──▶ refused, with each reason
//!  Failed ───▶ all have answered, or failed? ──▶ failed: ask again
//! ```

use shares::{CombineError, Combined, Group, PartialSignature, ShareIndex};
use tezos::{Signature, Statement};

/// What came of asking for a share's part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ShareAnswer {
    /// A part, not verified.
    Part(PartialSignature),
    /// Asking again does not help.
    Refused(String),
    /// Asking again may help.
    Failed(String),
}

/// What was counted of a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShareResult {
    /// Its part is good, or was not needed.
    Part,
    /// It refused.
    Refused,
    /// It was not reached, or failed.
    Failed,
    /// What it gave is no part of the signature.
    Lied,
}

/// Why there is no signature. Each text has the reasons of each share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unsigned {
    /// Too many refuse.
    Refused(String),
    /// Too few were reached: ask again.
    Failed(String),
}

/// Counts the answers of one request.
#[derive(Debug)]
pub(crate) struct Tally<'a> {
    group: &'a Group,
    parts: Vec<PartialSignature>,
    /// Those that give no part.
    others: Vec<(ShareIndex, ShareResult, String)>,
}

const LIE: &str =
    "what it answered is no part of this signature: it lies, or has a share of something else";

impl<'a> Tally<'a> {
    pub(crate) fn new(group: &'a Group) -> Tally<'a> {
        Tally { group, parts: Vec::new(), others: Vec::new() }
    }

    /// Takes an answer of the share of this index; gives how it ended, if it is the end.
    pub(crate) fn add(
        &mut self,
        index: ShareIndex,
        answer: ShareAnswer,
        statement: Statement<'_>,
    ) -> Option<Result<Signature, Unsigned>> {
        match answer {
            ShareAnswer::Part(part) => self.parts.push(part),
            ShareAnswer::Refused(why) => self.others.push((index, ShareResult::Refused, why)),
            ShareAnswer::Failed(why) => self.others.push((index, ShareResult::Failed, why)),
        }
        if let Some(signature) = self.combine(statement) {
            return Some(Ok(signature));
        }
        self.unsigned().map(Err)
    }

    /// What each share that was heard did.
    pub(crate) fn results(&self) -> impl Iterator<Item = (ShareIndex, ShareResult)> {
        let parts = self.parts.iter().map(|part| (part.index(), ShareResult::Part));
        parts.chain(self.others.iter().map(|(index, result, _)| (*index, *result)))
    }

    fn combine(&mut self, statement: Statement<'_>) -> Option<Signature> {
        if self.parts.len() < self.needed() {
            return None;
        }
        match self.group.combine(&self.parts, statement) {
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
        let all = usize::from(self.group.threshold().shares());
        let refusals = self.others.iter().filter(|(_, result, _)| *result != ShareResult::Failed);
        if all.saturating_sub(refusals.count()) < self.needed() {
            return Some(Unsigned::Refused(self.reasons()));
        }
        let are_all_heard = self.parts.len() + self.others.len() >= all;
        are_all_heard.then(|| Unsigned::Failed(self.reasons()))
    }

    /// "of the 3 shares 2 are needed; share 1: …; share 3: …".
    fn reasons(&self) -> String {
        let threshold = self.group.threshold();
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
        usize::from(self.group.threshold().needed())
    }
}
