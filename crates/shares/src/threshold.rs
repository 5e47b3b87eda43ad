//! How many shares of how many.

use std::fmt;

use thiserror::Error;

use crate::ShareIndex;

/// t of n: so many shares make a signature, of so many that there are. 2t > n.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threshold {
    needed: u8,
    shares: u8,
}

/// What is no threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ThresholdError {
    /// One share would be the key.
    #[error(
        "threshold {0}: at least 2 shares have to be needed; one that is enough alone is the key itself"
    )]
    One(u8),
    /// More are needed than there are.
    #[error("threshold {needed} of {shares} shares: no more can be needed than there are")]
    More {
        /// Needed.
        needed: u8,
        /// There are.
        shares: u8,
    },
    /// Two groups without a box in common could sign two payloads at one mark.
    #[error(
        "threshold {needed} of {shares} shares: more than half have to be needed, else two halves sign two different \
         votes at one mark; use {} of {shares}", shares / 2 + 1
    )]
    NoMajority {
        /// Needed.
        needed: u8,
        /// There are.
        shares: u8,
    },
    /// More shares than there are boxes.
    #[error("{0} shares: use {most} at most", most = Threshold::MOST)]
    Many(u8),
}

impl Threshold {
    /// Shares that a key can have.
    pub const MOST: u8 = 16;

    /// `needed` of `shares`.
    ///
    /// # Errors
    /// When fewer than two are needed, more than there are, or not more than half.
    pub fn new(needed: u8, shares: u8) -> Result<Threshold, ThresholdError> {
        if shares > Threshold::MOST {
            return Err(ThresholdError::Many(shares));
        }
        if needed < 2 {
            return Err(ThresholdError::One(needed));
        }
        if needed > shares {
            return Err(ThresholdError::More { needed, shares });
        }
        if 2 * needed <= shares {
            return Err(ThresholdError::NoMajority { needed, shares });
        }
        Ok(Threshold { needed, shares })
    }

    /// t: so many make a signature.
    #[must_use]
    pub fn needed(self) -> u8 {
        self.needed
    }

    /// n: so many there are.
    #[must_use]
    pub fn shares(self) -> u8 {
        self.shares
    }

    /// The shares that there are.
    pub fn indices(self) -> impl Iterator<Item = ShareIndex> {
        (1..=self.shares).filter_map(|number| ShareIndex::new(number).ok())
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.needed, self.shares)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_a_majority_of_at_least_two() {
        for (needed, shares) in [(2, 2), (2, 3), (3, 4), (3, 5), (4, 5), (9, 16), (16, 16)] {
            assert_eq!(
                Threshold::new(needed, shares).unwrap().to_string(),
                format!("{needed} of {shares}")
            );
        }
        assert_eq!(Threshold::new(1, 1), Err(ThresholdError::One(1)));
        assert_eq!(Threshold::new(0, 0), Err(ThresholdError::One(0)));
        assert_eq!(Threshold::new(4, 3), Err(ThresholdError::More { needed: 4, shares: 3 }));
        assert_eq!(Threshold::new(9, 17), Err(ThresholdError::Many(17)));
        for (needed, shares, cure) in [(2, 4, "3 of 4"), (2, 5, "3 of 5"), (8, 16, "9 of 16")] {
            let error = Threshold::new(needed, shares).unwrap_err();
            assert_eq!(error, ThresholdError::NoMajority { needed, shares });
            assert!(error.to_string().ends_with(cure), "{error}");
        }
    }

    #[test]
    fn indices_are_from_one() {
        let indices = Threshold::new(2, 3).unwrap().indices();
        assert_eq!(indices.map(ShareIndex::number).collect::<Vec<_>>(), [1, 2, 3]);
        for wrong in ["0", "17", "-1", "one", "", "256"] {
            assert!(wrong.parse::<ShareIndex>().is_err(), "{wrong}");
        }
    }
}
