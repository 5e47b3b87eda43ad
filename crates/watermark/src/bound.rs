//! How far above the last mark a request may be.
//!
//! A request for a level that the chain reaches in a hundred years would close its key for ever, and every client
//! that reaches the signer can send one. The chain makes a block every few seconds: since the mark was last raised it
//! cannot have made more than time allows. So a false level costs minutes, and not the key.
//!
//! The wall clock counts across restarts; a computer without a battery for it may start in the past, so time
//! that passed while this process ran counts by the clock that only goes forward.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tezos::Level;

/// How far above the last mark a request may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LevelBound {
    /// The chain's time between two blocks; more than zero.
    pub block_time: Duration,
    /// Levels that are allowed beyond what time allows.
    pub margin: u32,
}

impl LevelBound {
    /// For mainnet: an hour of blocks beyond what time allows.
    pub const MAINNET: LevelBound = LevelBound { block_time: Duration::from_secs(6), margin: 600 };

    /// No bound: for a chain whose blocks come as fast as they can.
    pub const NONE: LevelBound =
        LevelBound { block_time: Duration::from_secs(1), margin: u32::MAX };

    /// The same for a computer whose clock may be wrong: it may say that no time has passed. A day of blocks more.
    #[must_use]
    pub fn with_a_doubtful_clock(self) -> LevelBound {
        let day = DAY.as_millis() / self.block_time.as_millis().max(1);
        let day = u32::try_from(day).unwrap_or(u32::MAX);
        LevelBound { margin: self.margin.saturating_add(day), ..self }
    }

    /// The highest level that may be asked for so long after `last` was reached.
    pub(crate) fn highest(&self, last: Level, elapsed: Duration) -> Level {
        let block_time = self.block_time.as_millis().max(1);
        let blocks = i64::try_from(elapsed.as_millis() / block_time).unwrap_or(i64::MAX);
        let ahead = blocks.saturating_add(i64::from(self.margin));
        let level = i64::from(last).saturating_add(ahead);
        Level::try_from(level).unwrap_or(Level::MAX)
    }
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The present, by both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// Seconds since 1970. May be set back, or start in the past.
    pub(crate) wall: u64,
    /// Only goes forward; means nothing after this process.
    pub(crate) running: Instant,
}

impl Now {
    pub(crate) fn read() -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Now { wall, running: Instant::now() }
    }

    /// Time since then; as much as either clock says.
    pub(crate) fn since(&self, then: Now) -> Duration {
        let wall = Duration::from_secs(self.wall.saturating_sub(then.wall));
        wall.max(self.running.saturating_duration_since(then.running))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn highest(last: i64, elapsed: Duration) -> u32 {
        LevelBound::MAINNET.highest(Level::try_from(last).unwrap(), elapsed).into()
    }

    #[test]
    fn a_level_may_be_as_far_ahead_as_time_allows_and_an_hour_more() {
        assert_eq!(highest(1_000, Duration::ZERO), 1_600);
        assert_eq!(highest(1_000, Duration::from_secs(86_400)), 1_000 + 14_400 + 600);
        assert_eq!(highest(i64::from(i32::MAX), Duration::MAX), i32::MAX.unsigned_abs());
    }

    #[test]
    fn a_doubtful_clock_is_worth_a_day() {
        let bound = LevelBound::MAINNET.with_a_doubtful_clock();
        assert_eq!(bound.margin, 600 + 14_400);
        assert_eq!(LevelBound::NONE.with_a_doubtful_clock().margin, u32::MAX);
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_stop_time() {
        let then = Now::read();
        let later = Now { wall: 0, running: then.running + Duration::from_secs(60) };
        assert_eq!(later.since(then), Duration::from_secs(60));
        let after_a_restart = Now { wall: then.wall + 60, running: then.running };
        assert_eq!(after_a_restart.since(then), Duration::from_secs(60));
    }
}
