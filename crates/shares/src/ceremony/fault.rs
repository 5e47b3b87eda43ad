//! What ends a ceremony, each with the box that it comes from.

use thiserror::Error;

use super::participant::{Procedure, Sender};
use super::round::Round;
use crate::Threshold;

/// A message that is wrong. The box that it names lied, made a mistake, or was given another file: without a good message
/// of it no box makes a share. *Refused*.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    /// A message of a ceremony among those of a resharing, or the other way round.
    #[error(
        "the message of round {round} from {by} belongs to a {theirs}, and this is a {ours}; take it away"
    )]
    Procedure {
        /// Its sender.
        by: Sender,
        /// Its round.
        round: Round,
        /// What it belongs to.
        theirs: Procedure,
        /// What this is.
        ours: Procedure,
    },
    /// The boxes were begun with different numbers.
    #[error(
        "{by} takes part for {theirs} shares, and this box for {ours}; begin anew with the same numbers at every box"
    )]
    Threshold {
        /// The sender.
        by: Sender,
        /// What it says.
        theirs: Threshold,
        /// What was said here.
        ours: Threshold,
    },
    /// Two messages of one round that differ.
    #[error(
        "there are two different messages of round {round} from {by}; keep the one of this ceremony, or, if two boxes began as \
         {by}, begin anew"
    )]
    Twice {
        /// Their sender.
        by: Sender,
        /// Their round.
        round: Round,
    },
    /// It was made for messages of which this box has none.
    #[error(
        "the message of round {round} from {by} belongs to another ceremony; have the one of this ceremony sent"
    )]
    Foreign {
        /// Its sender.
        by: Sender,
        /// Its round.
        round: Round,
    },
    /// Two boxes have different messages of a third.
    #[error(
        "{by} has another message of round {of_round} from {of} than this box (its own message of round {round} says so): {of} \
         sent two that differ, one was exchanged on its way, or {by} lies; begin anew"
    )]
    Disagreement {
        /// Which box has another one.
        by: Sender,
        /// The round of the message that says so.
        round: Round,
        /// Whose message it is that differs.
        of: Sender,
        /// Of which round.
        of_round: Round,
    },
    /// Nothing can be encrypted to it.
    #[error("the encryption key of {0} is none: it lies; begin anew without it")]
    Key(Sender),
    /// It chose its part after it had seen those of others.
    #[error(
        "{0} does not send in round 2 what it promised in round 1: it lies; begin anew without it"
    )]
    Promise(Sender),
    /// It does not know the secret of its part: with it, it could choose the key.
    #[error(
        "{0} does not prove that it knows the secret of its part: it lies; begin anew without it"
    )]
    Proof(Sender),
    /// The part for this box.
    #[error(
        "what {0} sends to this box alone does not open: it lies, or its message is of another ceremony; begin anew"
    )]
    Sealed(Sender),
    /// The part for this box is another one than that which it published.
    #[error(
        "what {0} sends to this box alone is not the part that it published: it lies; begin anew without it"
    )]
    Part(Sender),
    /// What it deals is no part of the key.
    #[error("{0} deals another secret than its share of the key: it lies; begin anew without it")]
    Constant(Sender),
    /// Dealers that do not say the same of the old set.
    #[error(
        "{by} and {other} do not say the same of the old key and of which old shares deal; give the same --dealers at all of \
         them, and see which key each has"
    )]
    OldKey {
        /// One of them.
        by: Sender,
        /// Another one.
        other: Sender,
    },
    /// It has seen the same, and got another key.
    #[error(
        "{0} has seen the same messages, and confirms another key: it lies, or runs another version; begin anew"
    )]
    OtherKey(Sender),
    /// Parts that are each as they should be make no key. By chance that is so once in 2^255; in a resharing, a dealer that
    /// knows what all others deal, and a new box, can make it so.
    #[error("the parts make no key; begin anew")]
    NoKey,
    /// A library did not do what it always does.
    #[error("the arithmetic failed; begin anew, and report it if that happens twice")]
    Library,
}
