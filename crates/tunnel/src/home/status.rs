//! The links as they are now.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::Service;
use crate::home::error::LinkError;
use crate::traffic::Traffic;

/// The links as they are now. Clones share them.
#[derive(Debug, Clone)]
pub struct LinkStatus {
    links: Arc<Vec<Entry>>,
    changed: watch::Sender<()>,
}

#[derive(Debug)]
struct Entry {
    report: Mutex<LinkReport>,
    /// Read when the report is asked for.
    traffic: Traffic,
}

/// A link as it is now.
#[derive(Debug, Clone)]
pub struct LinkReport {
    /// Which gateway, counted from 0 as in [`Config::gateways`](super::Config::gateways).
    pub gateway: usize,
    /// Its name ([`Gateway::name`](super::Gateway::name)).
    pub gateway_name: String,
    /// The interface; none for the system's route.
    pub uplink: Option<String>,
    /// Whether the uplink is metered.
    pub metered: bool,
    /// Which port it serves.
    pub service: Service,
    /// Where it is in its life.
    pub state: LinkState,
    /// Since when.
    pub since: Instant,
    /// Why it is not up; none while it is.
    pub error: Option<LinkError>,
    /// How often it was up.
    pub ups: u64,
    /// How long the gateway's ssh took to answer the last keepalive; none when no keepalive was answered since the
    /// connection was made. No keepalive is sent while anything else is heard.
    pub round_trip: Option<Duration>,
    /// Bytes that its connections sent since the start, with those of ssh, without those of TCP and IP.
    pub sent: u64,
    /// Bytes that its connections received since the start, counted in the same way.
    pub received: u64,
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

/// Updates the report of one link.
#[derive(Debug, Clone)]
pub(super) struct StatusUpdater {
    status: LinkStatus,
    at: usize,
}

impl LinkStatus {
    pub(super) fn new(links: Vec<LinkReport>) -> LinkStatus {
        let entry = |report| Entry { report: Mutex::new(report), traffic: Traffic::default() };
        let links = links.into_iter().map(entry).collect();
        LinkStatus { links: Arc::new(links), changed: watch::Sender::new(()) }
    }

    /// All links as they are now.
    #[must_use]
    pub fn links(&self) -> Vec<LinkReport> {
        self.links.iter().map(Entry::report).collect()
    }

    /// Where the bytes of a link are counted.
    pub(super) fn traffic(&self, at: usize) -> Traffic {
        self.links.get(at).map(|link| link.traffic.clone()).unwrap_or_default()
    }

    pub(super) fn updater(&self, at: usize) -> StatusUpdater {
        StatusUpdater { status: self.clone(), at }
    }
}

impl Entry {
    fn report(&self) -> LinkReport {
        let (sent, received) = (self.traffic.sent(), self.traffic.received());
        LinkReport { sent, received, ..self.lock().clone() }
    }

    fn lock(&self) -> MutexGuard<'_, LinkReport> {
        self.report.lock()
    }
}

impl StatusUpdater {
    /// Changes the report, and gives it as it was and as it is; none when there is no such link.
    pub(super) fn change(&self, change: impl FnOnce(&mut LinkReport)) -> Option<[LinkReport; 2]> {
        let mut link = self.status.links.get(self.at)?.lock();
        let before = link.clone();
        change(&mut link);
        let change = [before, link.clone()];
        drop(link);
        if let [before, now] = &change
            && before.state != now.state
        {
            self.status.changed.send_replace(());
        }
        Some(change)
    }

    /// Notified when any link enters another state.
    pub(super) fn changed(&self) -> watch::Receiver<()> {
        self.status.changed.subscribe()
    }

    /// Whether requests have to come over this link although its uplink is metered: there are links to its
    /// gateway over uplinks that are not, and none of them is up.
    pub(super) fn is_relied_on(&self) -> bool {
        let mut links = self.status.links();
        let Some(own) = links.get(self.at).filter(|own| own.metered).cloned() else { return false };
        links.retain(|link| {
            (link.gateway, link.service, link.metered) == (own.gateway, Service::Signing, false)
        });
        own.service == Service::Signing
            && !links.is_empty()
            && links.iter().all(|link| link.state != LinkState::Up)
    }
}

#[cfg(test)]
mod tests {
    use LinkState::{Down, Standby, Up};

    use super::*;

    /// Links of the signing service, if nothing else is said: gateway, whether it is metered, state.
    fn status(links: &[(usize, bool, LinkState)]) -> LinkStatus {
        let report = |&(gateway, metered, state)| LinkReport {
            gateway,
            gateway_name: String::new(),
            uplink: None,
            metered,
            service: Service::Signing,
            state,
            since: Instant::now(),
            error: None,
            ups: 0,
            round_trip: None,
            sent: 0,
            received: 0,
        };
        LinkStatus::new(links.iter().map(report).collect())
    }

    fn is_relied_on(links: &[(usize, bool, LinkState)]) -> bool {
        status(links).updater(0).is_relied_on()
    }

    #[test]
    fn a_metered_link_is_relied_on_when_no_other_is_up() {
        assert!(is_relied_on(&[(0, true, Up), (0, false, Down)]));
        assert!(is_relied_on(&[(0, true, Up), (0, false, Standby), (1, false, Up)]));
        assert!(!is_relied_on(&[(0, true, Up), (0, false, Down), (0, false, Up)]));
    }

    #[test]
    fn a_link_that_is_not_metered_or_is_the_only_one_keeps_its_limits() {
        assert!(!is_relied_on(&[(0, false, Up), (0, false, Down)]));
        assert!(!is_relied_on(&[(0, true, Up), (0, true, Down)]));
        let shell = status(&[(0, true, Up), (0, false, Down)]);
        shell.updater(0).change(|report| report.service = Service::Shell);
        assert!(!shell.updater(0).is_relied_on());
    }

    #[test]
    fn only_another_state_is_notified() {
        let status = status(&[(0, false, Down)]);
        let updater = status.updater(0);
        let changed = updater.changed();
        updater.change(|report| report.ups = 7);
        assert!(!changed.has_changed().unwrap());
        updater.change(|report| report.state = Up);
        assert!(changed.has_changed().unwrap());
    }
}
