//! The last answers to signing requests, for the status page.

use std::collections::VecDeque;
use std::time::Duration;

use daemon::health::seconds_since_1970;
use daemon::misses::{LATELY, SEVERAL};
use parking_lot::Mutex;

use crate::report::{ANSWERS, AnswerReport, AnswerResult};

/// The last answers of a signer, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Answers(Mutex<VecDeque<AnswerReport>>);

impl Answers {
    /// Notes what a baker got just now, `took` after it asked. `what`: the kind and level, if it was a block or vote.
    pub(crate) fn note(
        &self,
        result: AnswerResult,
        took: Duration,
        what: Option<(&'static str, u32)>,
    ) {
        let (kind, level) = what.unwrap_or_default();
        let (at, seconds) = (seconds_since_1970(), took.as_secs_f64());
        let mut answers = self.0.lock();
        if answers.len() >= ANSWERS {
            answers.pop_front();
        }
        answers.push_back(AnswerReport { at, seconds, result, kind: kind.to_owned(), level });
    }

    /// How many of the last answers in a row were no signatures, if they are several, and none is old.
    pub(crate) fn unsigned_lately(&self) -> Option<usize> {
        let (answers, now) = (self.0.lock(), seconds_since_1970());
        let is_unsigned = |answer: &&AnswerReport| {
            answer.result != AnswerResult::Signed && now - answer.at < LATELY
        };
        let count = answers.iter().rev().take_while(is_unsigned).count();
        (count >= SEVERAL).then_some(count)
    }

    pub(crate) fn all(&self) -> Vec<AnswerReport> {
        self.0.lock().iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_answers_in_a_row_without_a_signature_are_told() {
        let answers = Answers::default();
        let note = |result| answers.note(result, Duration::from_millis(1), None);
        for _ in 0..SEVERAL - 1 {
            note(AnswerResult::Declined);
        }
        assert_eq!(answers.unsigned_lately(), None);
        note(AnswerResult::Unanswered);
        assert_eq!(answers.unsigned_lately(), Some(SEVERAL));
        note(AnswerResult::Signed);
        assert_eq!(answers.unsigned_lately(), None);
    }

    #[test]
    fn the_last_hundred_are_kept() {
        let answers = Answers::default();
        for level in 0..150 {
            answers.note(AnswerResult::Signed, Duration::from_millis(1), Some(("block", level)));
        }
        let levels: Vec<u32> = answers.all().iter().map(|answer| answer.level).collect();
        assert_eq!(levels, (50..150).collect::<Vec<u32>>());
    }
}
