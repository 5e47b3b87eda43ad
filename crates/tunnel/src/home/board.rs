//! The links as they are now, for whoever watches them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::Door;

/// The links, for whoever watches them. Clones share them.
#[derive(Debug, Clone)]
pub struct Board(Arc<Vec<Mutex<LinkReport>>>);

/// A link as it is now.
#[derive(Debug, Clone)]
pub struct LinkReport {
    /// Which gateway, counted from 0 as in [`Config::gateways`](super::Config::gateways).
    pub gateway: usize,
    /// The interface; none for the system's route.
    pub uplink: Option<String>,
    /// Whether the line is metered.
    pub metered: bool,
    /// Which port it serves.
    pub door: Door,
    /// Where it is in its life.
    pub state: LinkState,
    /// Since when.
    pub since: Instant,
    /// Why it is not up; none while it is.
    pub trouble: Option<Trouble>,
    /// How often it was up.
    pub ups: u64,
}

/// Where a link is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// It dials, or waits for the next time.
    Down,
    /// Connected; another connection has the port, and it asks again.
    Standby,
    /// Requests can come.
    Up,
}

/// Why a link is not up. Each has a bounded word for a metric, and a line for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// One of `no_name`, `unreachable`, `no_ssh`, `wrong_host_key`, `key_refused`, `port_refused`,
    /// `silent`, `closed`.
    pub word: &'static str,
    /// What happened, and what to do.
    pub line: String,
}

/// A link's own line on the board.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    board: Board,
    at: usize,
}

impl Board {
    pub(super) fn new(links: Vec<LinkReport>) -> Board {
        Board(Arc::new(links.into_iter().map(Mutex::new).collect()))
    }

    /// All links as they are now.
    #[must_use]
    pub fn links(&self) -> Vec<LinkReport> {
        self.0.iter().map(|link| lock(link).clone()).collect()
    }

    pub(super) fn entry(&self, at: usize) -> Entry {
        Entry { board: self.clone(), at }
    }
}

impl Entry {
    /// Changes the report, and gives it as it was and as it is; none when there is no such link.
    pub(super) fn change(&self, change: impl FnOnce(&mut LinkReport)) -> Option<[LinkReport; 2]> {
        let mut link = lock(self.board.0.get(self.at)?);
        let before = link.clone();
        change(&mut link);
        Some([before, link.clone()])
    }
}

fn lock(link: &Mutex<LinkReport>) -> MutexGuard<'_, LinkReport> {
    link.lock().unwrap_or_else(PoisonError::into_inner)
}
