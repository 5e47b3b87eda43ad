//! The links as they are now, for whoever watches them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

use crate::Door;

/// The links, for whoever watches them. Clones share them.
#[derive(Debug, Clone)]
pub struct Board {
    links: Arc<Vec<Mutex<LinkReport>>>,
    news: watch::Sender<()>,
}

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
    /// One of `no_name`, `unreachable`, `no_ssh`, `wrong_host_key`, `key_refused`, `port_refused`, `refused`,
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
        let links = links.into_iter().map(Mutex::new).collect();
        Board { links: Arc::new(links), news: watch::Sender::new(()) }
    }

    /// All links as they are now.
    #[must_use]
    pub fn links(&self) -> Vec<LinkReport> {
        self.links.iter().map(|link| lock(link).clone()).collect()
    }

    pub(super) fn entry(&self, at: usize) -> Entry {
        Entry { board: self.clone(), at }
    }
}

impl Entry {
    /// Changes the report, and gives it as it was and as it is; none when there is no such link.
    pub(super) fn change(&self, change: impl FnOnce(&mut LinkReport)) -> Option<[LinkReport; 2]> {
        let mut link = lock(self.board.links.get(self.at)?);
        let before = link.clone();
        change(&mut link);
        let told = [before, link.clone()];
        drop(link);
        if let [before, now] = &told
            && before.state != now.state
        {
            self.board.news.send_replace(());
        }
        Some(told)
    }

    /// Tells when any link is in another state.
    pub(super) fn news(&self) -> watch::Receiver<()> {
        self.board.news.subscribe()
    }

    /// Whether requests have to come over this link although its line is metered: there are lines to
    /// its gateway that are not, and none of them is up.
    pub(super) fn is_relied_on(&self) -> bool {
        let mut links = self.board.links();
        let Some(own) = links.get(self.at).filter(|own| own.metered).cloned() else { return false };
        links.retain(|link| {
            (link.gateway, link.door, link.metered) == (own.gateway, Door::Signing, false)
        });
        own.door == Door::Signing
            && !links.is_empty()
            && links.iter().all(|link| link.state != LinkState::Up)
    }
}

fn lock(link: &Mutex<LinkReport>) -> MutexGuard<'_, LinkReport> {
    link.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use LinkState::{Down, Standby, Up};

    use super::*;

    /// Links of the signing door, if nothing else is said: gateway, whether it is metered, state.
    fn board(links: &[(usize, bool, LinkState)]) -> Board {
        let report = |&(gateway, metered, state)| LinkReport {
            gateway,
            uplink: None,
            metered,
            door: Door::Signing,
            state,
            since: Instant::now(),
            trouble: None,
            ups: 0,
        };
        Board::new(links.iter().map(report).collect())
    }

    fn is_relied_on(links: &[(usize, bool, LinkState)]) -> bool {
        board(links).entry(0).is_relied_on()
    }

    #[test]
    fn a_metered_line_is_relied_on_when_no_other_is_up() {
        assert!(is_relied_on(&[(0, true, Up), (0, false, Down)]));
        assert!(is_relied_on(&[(0, true, Up), (0, false, Standby), (1, false, Up)]));
        assert!(!is_relied_on(&[(0, true, Up), (0, false, Down), (0, false, Up)]));
    }

    #[test]
    fn a_line_that_is_not_metered_or_is_the_only_one_is_watched_as_it_is_configured() {
        assert!(!is_relied_on(&[(0, false, Up), (0, false, Down)]));
        assert!(!is_relied_on(&[(0, true, Up), (0, true, Down)]));
        let shell = board(&[(0, true, Up), (0, false, Down)]);
        shell.entry(0).change(|report| report.door = Door::Shell);
        assert!(!shell.entry(0).is_relied_on());
    }

    #[test]
    fn only_another_state_is_news() {
        let board = board(&[(0, false, Down)]);
        let entry = board.entry(0);
        let news = entry.news();
        entry.change(|report| report.ups = 7);
        assert!(!news.has_changed().unwrap());
        entry.change(|report| report.state = Up);
        assert!(news.has_changed().unwrap());
    }
}
