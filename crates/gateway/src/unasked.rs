//! Requests to sign that were asked of no signer: every signer is well then, and the baker gets nothing.

use std::sync::Arc;

use daemon::misses::Misses;
use daemon::{Fact, Verdict};
use parking_lot::Mutex;

/// The last ones. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unasked(Arc<Mutex<Misses>>);

/// Those that are a mistake of a configuration. A web page, or what is no request, is none.
const REASONS: [&str; 5] = ["no_signer", "standby", "unknown", "in_shares", "authentication"];

impl Unasked {
    /// Notes one, for one of [`NOT_ASKED`](crate::metrics::NOT_ASKED).
    pub(crate) fn note(&self, reason: &str, why: &str) {
        if REASONS.contains(&reason) {
            self.0.lock().note(why);
        }
    }

    /// Whether there were several of late.
    pub(crate) fn fact(&self) -> Fact {
        let misses = self.0.lock();
        let Some((_, why)) = misses.of_late() else {
            return Fact::new("requests", "ok", Verdict::Good, "ok".to_owned());
        };
        let line = format!("several requests to sign were asked of no signer: {why}");
        Fact::new("requests", "not_asked", Verdict::Degraded, line)
    }
}
