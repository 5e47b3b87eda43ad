//! What a share did of late, when it was asked for its part.
//!
//! One answer that is no part says little: a request may have been late, or foreign. So a share counts as one that gives
//! nothing when others signed the same, or after several in a row; and only for a while, and only of the connections that
//! its signer has now.

use std::time::Duration;

use tokio::time::Instant;

use crate::tally::ShareResult;

/// What a share did, as of its last answer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Participation(Option<Last>);

#[derive(Debug, Clone, Copy)]
struct Last {
    /// Of the request.
    sequence: u64,
    at: Instant,
    /// How many connections its signer had had.
    connection: u64,
    result: ShareResult,
    /// Answers in a row that were no part.
    misses: u32,
}

/// So many misses in a row count.
const SEVERAL: u32 = 3;
/// Ten blocks.
const LATELY: Duration = Duration::from_secs(60);

impl Participation {
    /// Notes an answer. `is_telling`: it alone shows that the share gives nothing. Returns whether that is news.
    pub(crate) fn note(
        &mut self,
        (sequence, connection): (u64, u64),
        result: ShareResult,
        is_telling: bool,
    ) -> bool {
        let before = self.misses(connection);
        if self.0.is_some_and(|last| last.sequence > sequence) {
            // It was asked before, and comes later.
            return false;
        }
        let weight = if is_telling { SEVERAL } else { 1 };
        let misses = match result {
            ShareResult::Part => 0,
            ShareResult::Refused | ShareResult::Failed | ShareResult::Unfit | ShareResult::Lied => {
                before.map_or(0, |(_, misses)| misses).saturating_add(weight)
            }
        };
        self.0 = Some(Last { sequence, at: Instant::now(), connection, result, misses });
        before.map(|(result, _)| result) != Some(result)
    }

    /// Why the share gives nothing, if it is so.
    pub(crate) fn gives_nothing(&self, connection: u64) -> Option<ShareResult> {
        let (result, misses) = self.misses(connection)?;
        (misses >= SEVERAL).then_some(result)
    }

    fn misses(&self, connection: u64) -> Option<(ShareResult, u32)> {
        let last = self.0?;
        let counts = last.connection == connection && last.at.elapsed() < LATELY;
        counts.then_some((last.result, last.misses))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(all: &[(u64, ShareResult, bool)]) -> Participation {
        let mut participation = Participation::default();
        for (sequence, result, is_telling) in all {
            participation.note((*sequence, 1), *result, *is_telling);
        }
        participation
    }

    #[tokio::test(start_paused = true)]
    async fn several_misses_in_a_row_count_or_one_that_tells() {
        use ShareResult::{Failed, Part, Refused};
        for (all, nothing) in [
            (vec![], None),
            (vec![(1, Refused, false), (2, Refused, false)], None),
            (vec![(1, Refused, false), (2, Failed, false), (3, Refused, false)], Some(Refused)),
            (vec![(1, Refused, false), (2, Part, false), (3, Refused, false)], None),
            (vec![(1, Failed, true)], Some(Failed)),
            (vec![(1, Failed, true), (2, Part, false)], None),
        ] {
            assert_eq!(noted(&all).gives_nothing(1), nothing, "{all:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_old_or_of_another_connection_or_an_older_request_does_not() {
        let lied = noted(&[(5, ShareResult::Lied, true), (4, ShareResult::Part, false)]);
        assert_eq!(lied.gives_nothing(1), Some(ShareResult::Lied), "4 was asked before 5");
        assert_eq!(lied.gives_nothing(2), None, "it has connected anew");
        tokio::time::advance(LATELY).await;
        assert_eq!(lied.gives_nothing(1), None, "it is long ago");
        let well = noted(&[(5, ShareResult::Part, false), (4, ShareResult::Refused, true)]);
        assert_eq!(well.gives_nothing(1), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_again_is_no_news() {
        let mut participation = Participation::default();
        assert!(participation.note((1, 1), ShareResult::Lied, true));
        assert!(!participation.note((2, 1), ShareResult::Lied, true));
        assert!(participation.note((3, 1), ShareResult::Part, false));
    }
}
