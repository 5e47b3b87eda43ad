//! How many bytes go over the connections of a link.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The bytes of TCP connections, both ways, without the system's headers and repeats. Clones share the counts, so
/// those of one connection after the other are added up.
#[derive(Debug, Clone, Default)]
pub(crate) struct Traffic(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    received: AtomicU64,
}

impl Traffic {
    /// Bytes that the system took to be sent.
    pub(crate) fn sent(&self) -> u64 {
        self.0.sent.load(Ordering::Relaxed)
    }

    /// Bytes that came from the peer.
    pub(crate) fn received(&self) -> u64 {
        self.0.received.load(Ordering::Relaxed)
    }

    pub(crate) fn note_sent(&self, bytes: usize) {
        add(&self.0.sent, bytes);
    }

    pub(crate) fn note_received(&self, bytes: usize) {
        add(&self.0.received, bytes);
    }
}

fn add(count: &AtomicU64, bytes: usize) {
    count.fetch_add(u64::try_from(bytes).unwrap_or_default(), Ordering::Relaxed);
}
