//! How far above the last mark a request may be.
//!
//! A request for a level that the chain reaches in a hundred years would close its key for ever, and every client
//! that reaches the signer can send one. The chain makes a block every few seconds: since the mark was last raised it
//! cannot have made more than time allows, and a margin. The margin is one for all requests: who has used it up waits until
//! time gives it back, at the chain's own pace. So a false level costs minutes, and not the key; and a chain whose blocks
//! come twice as fast as is known here is followed for ever.
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

    /// The highest level that may be asked for when `last` is the last one, raised at this pace.
    pub(crate) fn highest(&self, last: Level, pace: &Pace, now: Now) -> Level {
        let elapsed = now.since(pace.raised);
        let used = pace.ahead.saturating_sub(elapsed);
        let time = self.time_of(self.margin).saturating_sub(used).saturating_add(elapsed);
        let blocks = i64::try_from(time.as_millis() / self.block().as_millis()).unwrap_or(i64::MAX);
        Level::try_from(i64::from(last).saturating_add(blocks)).unwrap_or(Level::MAX)
    }

    /// The pace after the level was raised by so many blocks.
    pub(crate) fn raise(&self, pace: &Pace, blocks: u32, now: Now) -> Pace {
        let elapsed = now.since(pace.raised);
        let used = pace.ahead.saturating_sub(elapsed);
        let ahead = used.saturating_add(self.time_of(blocks)).saturating_sub(elapsed);
        Pace { raised: now, ahead }
    }

    fn time_of(&self, blocks: u32) -> Duration {
        self.block().saturating_mul(blocks)
    }

    fn block(&self) -> Duration {
        self.block_time.max(Duration::from_millis(1))
    }
}

/// How fast a level was raised.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// When it last rose.
    raised: Now,
    /// How much of the margin was used up then: the level was so much ahead of what time allows.
    ahead: Duration,
}

impl Pace {
    /// Of a level that rose then, and no faster than time allows.
    pub(crate) fn since(raised: Now) -> Pace {
        Pace { raised, ahead: Duration::ZERO }
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

    const BOUND: LevelBound = LevelBound::MAINNET;

    fn later(then: Now, elapsed: Duration) -> Now {
        let running = then.running.checked_add(elapsed).unwrap_or(then.running);
        Now { wall: then.wall.saturating_add(elapsed.as_secs()), running }
    }

    fn highest(last: i64, elapsed: Duration) -> u32 {
        let raised = Now::read();
        let last = Level::try_from(last).unwrap();
        BOUND.highest(last, &Pace::since(raised), later(raised, elapsed)).into()
    }

    /// The last of these levels, each of which is raised as far as the bound lets it after so much time.
    fn raised_by(steps: u32, pause: Duration) -> u32 {
        let mut now = Now::read();
        let (mut last, mut pace) = (Level::try_from(1_000_i64).unwrap(), Pace::since(now));
        for _ in 0..steps {
            let next = BOUND.highest(last, &pace, now);
            pace = BOUND.raise(&pace, u32::from(next) - u32::from(last), now);
            last = next;
            now = later(now, pause);
        }
        u32::from(last) - 1_000
    }

    #[test]
    fn a_level_may_be_as_far_ahead_as_time_allows_and_an_hour_more() {
        assert_eq!(highest(1_000, Duration::ZERO), 1_600);
        assert_eq!(highest(1_000, Duration::from_secs(86_400)), 1_000 + 14_400 + 600);
        assert_eq!(highest(i64::from(i32::MAX), Duration::MAX), i32::MAX.unsigned_abs());
    }

    #[test]
    fn the_margin_is_one_for_all_requests_and_comes_back_with_time() {
        assert_eq!(raised_by(100_000, Duration::ZERO), 600);
        // Ten steps a block, for an hour: what time allows, as much again, and the margin.
        assert_eq!(raised_by(6_001, Duration::from_millis(600)), 600 + 2 * 600);
        // As far as it can go after a week, and then at once again.
        let (week, raised) = (Duration::from_secs(7 * 86_400), Now::read());
        let now = later(raised, week);
        let pace = BOUND.raise(&Pace::since(raised), 7 * 14_400 + 600, now);
        let last = Level::try_from(1_000_000_i64).unwrap();
        assert_eq!(BOUND.highest(last, &pace, now), last);
    }

    /// Blocks that come now early and now late, as they do, and blocks of three seconds after an upgrade that the
    /// signer's configuration does not know.
    #[test]
    fn the_pace_of_a_chain_uses_no_margin_up() {
        let follow = |pauses: [u64; 2]| {
            let mut now = Now::read();
            let mut pace = Pace::since(now);
            for pause in pauses.into_iter().cycle().take(100_000) {
                now = later(now, Duration::from_millis(pause));
                pace = BOUND.raise(&pace, 1, now);
            }
            pace.ahead
        };
        assert_eq!(follow([4_000, 8_000]), Duration::ZERO);
        assert!(follow([3_000, 3_000]) < Duration::from_secs(6));
    }

    #[test]
    fn without_a_bound_every_level_may_be_asked_for_at_once() {
        let now = Now::read();
        let pace = LevelBound::NONE.raise(&Pace::since(now), i32::MAX.unsigned_abs() - 1, now);
        let last = Level::try_from(i64::from(i32::MAX) - 1).unwrap();
        assert_eq!(LevelBound::NONE.highest(last, &pace, now), Level::MAX);
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
