//! Answers that were not what was asked for: one is a client's mistake, several of late are something to tell.

use std::collections::VecDeque;

use crate::health::seconds_since_1970;

/// Fewer are a client's fault more often than this daemon's.
pub const SEVERAL: usize = 3;
/// Seconds; ten blocks.
pub const LATELY: f64 = 60.0;
/// That are counted, at most.
const MOST: usize = 100;

/// The last misses.
#[derive(Debug, Default)]
pub struct Misses {
    /// When they were, in seconds since 1970, oldest first.
    at: VecDeque<f64>,
    /// Of the last one.
    why: String,
}

impl Misses {
    /// Notes one, and why it was one.
    pub fn note(&mut self, why: &str) {
        if self.at.len() == MOST {
            self.at.pop_front();
        }
        self.at.push_back(seconds_since_1970());
        why.clone_into(&mut self.why);
    }

    /// Those before count no more.
    pub fn clear(&mut self) {
        self.at.clear();
    }

    /// How many there were within a minute, if there were several; and why the last one was one.
    #[must_use]
    pub fn of_late(&self) -> Option<(usize, &str)> {
        let now = seconds_since_1970();
        let count = self.at.iter().rev().take_while(|at| now - **at < LATELY).count();
        (count >= SEVERAL).then_some((count, self.why.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_of_late_are_told_with_the_reason_of_the_last_one() {
        let mut misses = Misses::default();
        for why in ["a", "b"] {
            misses.note(why);
            assert_eq!(misses.of_late(), None);
        }
        misses.note("c");
        assert_eq!(misses.of_late(), Some((SEVERAL, "c")));
        misses.at.iter_mut().for_each(|at| *at -= LATELY);
        assert_eq!(misses.of_late(), None, "they are old");
        misses.note("d");
        assert_eq!(misses.of_late(), None);
        misses.clear();
        assert!(misses.at.is_empty());
        (0..MOST * 2).for_each(|_| misses.note("e"));
        assert_eq!(misses.of_late(), Some((MOST, "e")));
    }
}
