//! The three rounds.

use std::fmt;
use std::str::FromStr;

/// A round of messages: every box needs all of one before it sends its own of the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Round {
    /// Keys, and in a ceremony promises.
    First,
    /// What the dealers deal.
    Second,
    /// What each box has seen.
    Third,
}

impl Round {
    const ALL: [Round; 3] = [Round::First, Round::Second, Round::Third];
}

impl FromStr for Round {
    type Err = ();

    fn from_str(text: &str) -> Result<Round, ()> {
        Round::ALL.into_iter().find(|round| round.to_string() == text).ok_or(())
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Round::First => "1",
            Round::Second => "2",
            Round::Third => "3",
        })
    }
}
