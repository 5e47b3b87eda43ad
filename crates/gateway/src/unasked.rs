//! Requests to sign that were asked of no signer: every signer is well then, and the baker gets nothing.

use std::collections::VecDeque;
use std::sync::Arc;

use daemon::health::seconds_since_1970;
use daemon::{Fact, Verdict};
use parking_lot::Mutex;

/// The last ones. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unasked(Arc<Mutex<Last>>);

#[derive(Debug, Default)]
struct Last {
    /// When they came, in seconds since 1970, oldest first; [`SEVERAL`] at most.
    at: VecDeque<f64>,
    /// Why the last one was not asked.
    why: String,
}

/// Those that are a mistake of a configuration. A web page, or what is no request, is none.
const REASONS: [&str; 5] = ["no_signer", "standby", "unknown", "in_shares", "authentication"];
/// One may be a client's mistake.
const SEVERAL: usize = 3;
/// Seconds; ten blocks.
const LATELY: f64 = 60.0;

impl Unasked {
    /// Notes one, for one of [`NOT_ASKED`](crate::metrics::NOT_ASKED).
    pub(crate) fn note(&self, reason: &str, why: &str) {
        if !REASONS.contains(&reason) {
            return;
        }
        let mut last = self.0.lock();
        if last.at.len() == SEVERAL {
            last.at.pop_front();
        }
        last.at.push_back(seconds_since_1970());
        why.clone_into(&mut last.why);
    }

    /// Whether there were several of late.
    pub(crate) fn fact(&self) -> Fact {
        let last = self.0.lock();
        let is_of_late = |at: &f64| seconds_since_1970() - at < LATELY;
        if last.at.iter().filter(|at| is_of_late(at)).count() < SEVERAL {
            return Fact::new("requests", "ok", Verdict::Good, "ok".to_owned());
        }
        let line = format!("several requests to sign were asked of no signer: {}", last.why);
        Fact::new("requests", "not_asked", Verdict::Degraded, line)
    }
}
