//! Which share of a key.

use std::fmt;
use std::num::NonZeroU8;
use std::str::FromStr;

use thiserror::Error;

/// The number of a share, from 1. Zero would be the secret itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShareIndex(NonZeroU8);

/// A number that no share has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("no index of a share: use 1 to {}", crate::Threshold::MOST)]
pub struct ShareIndexError;

impl ShareIndex {
    /// The share of this number.
    ///
    /// # Errors
    /// When no share can have it.
    pub fn new(number: u8) -> Result<ShareIndex, ShareIndexError> {
        let number = NonZeroU8::new(number).filter(|number| number.get() <= crate::Threshold::MOST);
        number.map(ShareIndex).ok_or(ShareIndexError)
    }

    /// Its number, from 1.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0.get()
    }

    /// Its place among all shares, from 0.
    pub(crate) fn place(self) -> usize {
        usize::from(self.0.get()) - 1
    }
}

impl FromStr for ShareIndex {
    type Err = ShareIndexError;

    fn from_str(text: &str) -> Result<ShareIndex, ShareIndexError> {
        text.parse().map_err(|_| ShareIndexError).and_then(ShareIndex::new)
    }
}

impl fmt::Display for ShareIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
