//! How often refusals are logged. Clients cause them without a key, and must not fill the disk with them.

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

/// The last line of its kind, and how many were suppressed since.
#[derive(Debug, Default)]
struct Window {
    logged_at: Option<Instant>,
    suppressed: u64,
}

/// Between two lines about the same refusal.
const PER_KIND: Duration = Duration::from_secs(1);
/// Between two lines about the same refusal of the same key: a signer that is not configured dials twice a
/// second, and one line a minute says it as well.
const PER_KEY: Duration = Duration::from_secs(60);
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
        let counted = of_key.unwrap_or(of_kind);
        if !is_due {
            counted.suppressed += 1;
            return None;
        }
        let suppressed = counted.log(now);
        kinds.entry(refusal).or_default().logged_at = Some(now);
        Some(suppressed)
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
    fn is_due(&self, pause: Duration, now: Instant) -> bool {
        self.logged_at.is_none_or(|at| now.duration_since(at) >= pause)
    }

    /// How many were suppressed.
    fn log(&mut self, now: Instant) -> u64 {
        self.logged_at = Some(now);
        std::mem::take(&mut self.suppressed)
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
        assert_eq!(admit(start + PER_KIND / 2), None);
        assert_eq!(admit(start + PER_KIND), Some(2));
        assert_eq!(limit.admit(Refusal::Login, None, start + PER_KIND), Some(0), "another kind");
    }
}
