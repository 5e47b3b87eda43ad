//! How often clients are written about. They cause refusals without a key, and with theirs sessions without an end, and
//! must not fill the disk with either.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::endpoint::Refusal;

/// When each refusal was logged last, and how many were suppressed since.
#[derive(Debug, Default)]
pub(super) struct LogLimit(Mutex<Windows>);

#[derive(Debug, Default)]
struct Windows {
    kinds: HashMap<Refusal, Window>,
    keys: HashMap<(Refusal, String), Window>,
}

/// Limits the lines about what one client was granted.
#[derive(Debug, Default)]
pub(super) struct ClientLogLimit(Mutex<Window>);

/// So many lines in so much time.
#[derive(Debug, Clone, Copy)]
struct Rate {
    lines: u32,
    per: Duration,
}

/// Lines that are counted together, and how many were suppressed since the last one.
#[derive(Debug, Default)]
struct Window {
    began_at: Option<Instant>,
    /// Logged since then.
    lines: u32,
    suppressed: u64,
}

/// Of lines about the same refusal.
const PER_KIND: Rate = Rate { lines: 1, per: Duration::from_secs(1) };
/// Of lines about the same refusal of the same key: a signer that is not configured dials twice a second, and
/// one line a minute says it as well.
const PER_KEY: Rate = Rate { lines: 1, per: Duration::from_secs(60) };
/// Of lines about what a client was granted: some uplinks that come and go, for both services.
const PER_CLIENT: Rate = Rate { lines: 60, per: Duration::from_secs(60) };
/// Keys that are remembered. Beyond it only the limit for each kind of refusal holds.
const MAX_KEYS: usize = 256;

impl LogLimit {
    /// Whether a refusal is to be logged now; if so, how many were suppressed since the last line.
    pub(super) fn admit(&self, refusal: Refusal, key: Option<&str>, now: Instant) -> Option<u64> {
        let mut windows = self.0.lock();
        let Windows { kinds, keys } = &mut *windows;
        let of_key = key.and_then(|key| remember(keys, refusal, key, now));
        let of_kind = kinds.entry(refusal).or_default();
        let is_due = of_key.as_ref().is_none_or(|window| window.is_due(PER_KEY, now))
            && of_kind.is_due(PER_KIND, now);
        let Some(of_key) = of_key else { return of_kind.count(is_due, PER_KIND, now) };
        if is_due {
            of_kind.note(PER_KIND, now);
        }
        of_key.count(is_due, PER_KEY, now)
    }
}

impl ClientLogLimit {
    /// Whether a line is to be logged now; if so, how many were suppressed since the last one.
    pub(super) fn admit(&self, now: Instant) -> Option<u64> {
        let mut window = self.0.lock();
        let is_due = window.is_due(PER_CLIENT, now);
        window.count(is_due, PER_CLIENT, now)
    }
}

/// The window of a key; none when too many are remembered already.
fn remember<'a>(
    keys: &'a mut HashMap<(Refusal, String), Window>,
    refusal: Refusal,
    key: &str,
    now: Instant,
) -> Option<&'a mut Window> {
    let entry = (refusal, key.to_owned());
    if keys.len() >= MAX_KEYS && !keys.contains_key(&entry) {
        keys.retain(|_, window| !window.is_due(PER_KEY, now));
        if keys.len() >= MAX_KEYS {
            return None;
        }
    }
    Some(keys.entry(entry).or_default())
}

impl Window {
    fn is_due(&self, rate: Rate, now: Instant) -> bool {
        self.lines < rate.lines || self.is_over(rate, now)
    }

    fn is_over(&self, rate: Rate, now: Instant) -> bool {
        self.began_at.is_none_or(|at| now.duration_since(at) >= rate.per)
    }

    /// Counts a line, and gives, if it is logged, how many were suppressed.
    fn count(&mut self, is_logged: bool, rate: Rate, now: Instant) -> Option<u64> {
        if !is_logged {
            self.suppressed += 1;
            return None;
        }
        self.note(rate, now);
        Some(std::mem::take(&mut self.suppressed))
    }

    /// A line is logged.
    fn note(&mut self, rate: Rate, now: Instant) {
        if self.is_over(rate, now) {
            (self.began_at, self.lines) = (Some(now), 0);
        }
        self.lines += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of `count` refusals are logged that come evenly over `time`.
    fn logged(count: u32, time: Duration, key: impl Fn(u32) -> Option<String>) -> u64 {
        let (limit, start) = (LogLimit::default(), Instant::now());
        let authenticated = (0..count).filter_map(|at| {
            let now = start + time * at / count;
            limit.admit(Refusal::UnknownKey, key(at).as_deref(), now)
        });
        authenticated.fold(0, |lines, _| lines + 1)
    }

    #[test]
    fn a_flood_is_a_line_a_second() {
        assert_eq!(logged(10_000, Duration::from_secs(10), |_| None), 10);
    }

    #[test]
    fn one_key_is_a_line_a_minute() {
        let key = |_| Some("SHA256:x".to_owned());
        assert_eq!(logged(1_200, Duration::from_secs(600), key), 10);
    }

    #[test]
    fn a_flood_of_new_keys_is_a_line_a_second_and_no_memory() {
        let key = |at: u32| Some(format!("SHA256:{at}"));
        assert_eq!(logged(10_000, Duration::from_secs(10), key), 10);
    }

    #[test]
    fn what_was_suppressed_is_told_with_the_next_line() {
        let (limit, start) = (LogLimit::default(), Instant::now());
        let admit = |now| limit.admit(Refusal::Protocol, None, now);
        assert_eq!(admit(start), Some(0));
        assert_eq!(admit(start), None);
        assert_eq!(admit(start + PER_KIND.per / 2), None);
        assert_eq!(admit(start + PER_KIND.per), Some(2));
        assert_eq!(
            limit.admit(Refusal::Login, None, start + PER_KIND.per),
            Some(0),
            "another kind"
        );
    }

    #[test]
    fn a_client_has_some_lines_a_minute_and_then_a_count() {
        let (limit, start) = (ClientLogLimit::default(), Instant::now());
        let minutes = (0..3).map(|minute| {
            let now = start + PER_CLIENT.per * minute;
            (0..1_000).filter_map(|_| limit.admit(now)).collect::<Vec<_>>()
        });
        let lines = usize::try_from(PER_CLIENT.lines).unwrap();
        for (minute, admitted) in minutes.enumerate() {
            let suppressed = if minute == 0 { 0 } else { 1_000 - u64::from(PER_CLIENT.lines) };
            assert_eq!(admitted.len(), lines);
            assert_eq!(admitted.first(), Some(&suppressed));
            assert!(admitted.iter().skip(1).all(|count| *count == 0));
        }
    }
}
