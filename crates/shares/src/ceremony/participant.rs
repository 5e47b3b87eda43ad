//! Which box takes part, and in what.

use std::fmt;
use std::str::FromStr;

use crate::{ShareError, ShareIndex, Threshold};

/// A box that gets a share: which one, of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Participant {
    threshold: Threshold,
    index: ShareIndex,
}

/// A box that sent a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sender {
    /// The box that gets this share.
    Share(ShareIndex),
    /// The box that has this share of the old set, in a resharing.
    OldShare(ShareIndex),
}

/// What the boxes do together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Procedure {
    /// They make a new key.
    Ceremony,
    /// They get new shares of a key that is there.
    Resharing,
}

impl Participant {
    /// The box that gets share `index`.
    ///
    /// # Errors
    /// When there is no such share.
    pub fn new(threshold: Threshold, index: ShareIndex) -> Result<Participant, ShareError> {
        let of = threshold.shares();
        if index.number() > of {
            return Err(ShareError::NoIndex { index, of });
        }
        Ok(Participant { threshold, index })
    }

    /// t of n.
    #[must_use]
    pub fn threshold(self) -> Threshold {
        self.threshold
    }

    /// Which share it gets.
    #[must_use]
    pub fn index(self) -> ShareIndex {
        self.index
    }

    /// Itself, as a sender.
    pub(super) fn sender(self) -> Sender {
        Sender::Share(self.index)
    }
}

impl Sender {
    /// The number of its share.
    #[must_use]
    pub fn index(self) -> ShareIndex {
        match self {
            Sender::Share(index) | Sender::OldShare(index) => index,
        }
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sender::Share(index) => write!(f, "share {index}"),
            Sender::OldShare(index) => write!(f, "old share {index}"),
        }
    }
}

impl Procedure {
    const ALL: [Procedure; 2] = [Procedure::Ceremony, Procedure::Resharing];

    /// Its name in a message.
    pub(super) fn name(self) -> &'static str {
        match self {
            Procedure::Ceremony => "ceremony",
            Procedure::Resharing => "resharing",
        }
    }
}

impl FromStr for Procedure {
    type Err = ();

    fn from_str(name: &str) -> Result<Procedure, ()> {
        Procedure::ALL.into_iter().find(|procedure| procedure.name() == name).ok_or(())
    }
}

impl fmt::Display for Procedure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
