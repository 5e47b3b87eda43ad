//! How often one place in the code may warn. A client that is refused can ask again at once, without a key, and
//! must not fill the disk with what is said about it.

use std::collections::HashMap;

use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::callsite::Identifier;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Lets a burst of warnings of each place in the code pass, then one a second, and tells how many were left out.
/// What is signed is never left out.
#[derive(Debug, Default)]
pub(super) struct FloodLimit(Mutex<HashMap<Identifier, Window>>);

/// The warnings of one place in the code.
#[derive(Debug)]
struct Window {
    /// How many may come now.
    left: u32,
    refilled_at: Instant,
    /// Left out since the last one that passed.
    left_out: u64,
}

/// One for each key of a large baker that loses its device.
const BURST: u32 = 100;

impl FloodLimit {
    /// Whether a warning passes; if so, how many were left out before it.
    fn admit(&self, place: Identifier, now: Instant) -> Option<u64> {
        let mut windows = self.0.lock();
        windows.entry(place).or_insert_with(|| Window::new(now)).admit(now)
    }
}

impl Window {
    fn new(now: Instant) -> Window {
        Window { left: BURST, refilled_at: now, left_out: 0 }
    }

    fn admit(&mut self, now: Instant) -> Option<u64> {
        let seconds = now.duration_since(self.refilled_at).as_secs();
        if seconds > 0 {
            let more = u32::try_from(seconds).unwrap_or(BURST);
            self.left = self.left.saturating_add(more).min(BURST);
            self.refilled_at = now;
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Some(std::mem::take(&mut self.left_out))
            }
            None => {
                self.left_out += 1;
                None
            }
        }
    }
}

/// Whether a client could cause it as often as it likes, and whether it is limited here at all.
fn is_limited(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::WARN && metadata.target() != module_path!()
}

impl<S: Subscriber> Layer<S> for FloodLimit {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if !is_limited(metadata) {
            return true;
        }
        let admitted = self.admit(metadata.callsite(), Instant::now());
        if let Some(count @ 1..) = admitted {
            tracing::warn!("{count} lines like the next one were left out");
        }
        admitted.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::log::tests::{Reader, text};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_flood_is_a_burst_and_then_a_line_a_second() {
        let start = Instant::now();
        let mut window = Window::new(start);
        let flood = (0..10_000_u32).map(|at| start + Duration::from_millis(1) * at);
        let lines = flood.filter_map(|now| window.admit(now)).count();
        assert_eq!(lines, usize::try_from(BURST).unwrap() + 9);
    }

    #[test]
    fn what_was_left_out_is_told_with_the_next_line() {
        let start = Instant::now();
        let mut window = Window::new(start);
        let admitted = (0..BURST + 7).filter_map(|_| window.admit(start)).max();
        assert_eq!(admitted, Some(0));
        assert_eq!(window.admit(start + SECOND), Some(7));
        assert_eq!(window.admit(start + SECOND), None);
        assert_eq!(window.admit(start + SECOND * 1000), Some(1));
    }

    #[test]
    fn a_place_that_warns_too_often_silences_no_other_and_no_signature() {
        let (log, lines, seen) = Reader::open();
        let subscriber = tracing_subscriber::registry().with(FloodLimit::default()).with(
            tracing_subscriber::fmt::layer().with_writer(lines).without_time().with_target(false),
        );
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..BURST + 50 {
                tracing::warn!("refused");
                tracing::info!("signed");
            }
            tracing::warn!("another");
        });
        drop(log);
        let text = text(&seen);
        let count = |of: &str| text.lines().filter(|line| line.trim_end().ends_with(of)).count();
        assert_eq!(count("refused"), usize::try_from(BURST).unwrap());
        assert_eq!(count("signed"), usize::try_from(BURST).unwrap() + 50);
        assert_eq!(count("another"), 1);
    }
}
