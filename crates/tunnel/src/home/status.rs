//! The links as they are now.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard, RwLock};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::Service;
use crate::home::error::LinkError;
use crate::home::{Gateway, Uplink};
use crate::traffic::Traffic;

/// The links as they are now. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct LinkStatus {
    links: Arc<RwLock<Vec<Arc<Entry>>>>,
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
    /// The name of its gateway ([`Gateway::name`](super::Gateway::name)).
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
    /// When its task last came round: at the latest when the silence that ends a connection has passed twice.
    pub turned: Instant,
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
    link: Arc<Entry>,
}

impl LinkReport {
    /// Of one that was not dialled yet.
    pub(super) fn new(gateway: &Gateway, uplink: Option<&Uplink>, service: Service) -> LinkReport {
        LinkReport {
            gateway_name: gateway.name.clone(),
            uplink: uplink.map(|uplink| uplink.interface.clone()),
            metered: uplink.and_then(|uplink| uplink.metered) == Some(true),
            service,
            state: LinkState::Down,
            since: Instant::now(),
            turned: Instant::now(),
            error: None,
            ups: 0,
            round_trip: None,
            sent: 0,
            received: 0,
        }
    }
}

impl LinkStatus {
    /// All links as they are now.
    #[must_use]
    pub fn links(&self) -> Vec<LinkReport> {
        self.links.read().iter().map(|link| link.report()).collect()
    }

    /// Another link.
    pub(super) fn add(&self, report: LinkReport) -> StatusUpdater {
        let (report, traffic) = (Mutex::new(report), Traffic::default());
        let link = Arc::new(Entry { report, traffic });
        self.links.write().push(Arc::clone(&link));
        StatusUpdater { status: self.clone(), link }
    }

    /// The links to a gateway are no more.
    pub(super) fn remove(&self, gateway_name: &str) {
        self.links.write().retain(|link| link.lock().gateway_name != gateway_name);
        self.changed.send_replace(());
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
    /// Changes the report, and gives it as it was and as it is.
    pub(super) fn change(&self, change: impl FnOnce(&mut LinkReport)) -> [LinkReport; 2] {
        let mut link = self.link.lock();
        let before = link.clone();
        change(&mut link);
        let now = link.clone();
        drop(link);
        if before.state != now.state {
            self.status.changed.send_replace(());
        }
        [before, now]
    }

    /// The link's task has come round.
    pub(super) fn turn(&self) {
        self.link.lock().turned = Instant::now();
    }

    /// Where the bytes of the link are counted.
    pub(super) fn traffic(&self) -> Traffic {
        self.link.traffic.clone()
    }

    /// Notified when any link enters another state.
    pub(super) fn changed(&self) -> watch::Receiver<()> {
        self.status.changed.subscribe()
    }

    /// Whether requests have to come over this link although its uplink is metered: there are links to its
    /// gateway over uplinks that are not, and none of them is up.
    pub(super) fn is_relied_on(&self) -> bool {
        let own = self.link.report();
        if !own.metered || own.service != Service::Signing {
            return false;
        }
        let mut links = self.status.links();
        links.retain(|link| {
            !link.metered
                && link.service == Service::Signing
                && link.gateway_name == own.gateway_name
        });
        !links.is_empty() && links.iter().all(|link| link.state != LinkState::Up)
    }
}

#[cfg(test)]
mod tests {
    use LinkState::{Down, Standby, Up};

    use super::*;
    use crate::Identity;

    /// Links of the signing service, if nothing else is said: gateway, whether it is metered, state.
    fn links(links: &[(usize, bool, LinkState)]) -> Vec<StatusUpdater> {
        let status = LinkStatus::default();
        let host_key = Identity::generate("").unwrap().public();
        let gateway = |name: usize| Gateway {
            name: name.to_string(),
            address: String::new(),
            user: String::new(),
            host_key: host_key.clone(),
        };
        let report = |&(name, metered, state): &(usize, bool, LinkState)| LinkReport {
            metered,
            state,
            ..LinkReport::new(&gateway(name), None, Service::Signing)
        };
        links.iter().map(|link| status.add(report(link))).collect()
    }

    fn is_relied_on(all: &[(usize, bool, LinkState)]) -> bool {
        links(all)[0].is_relied_on()
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
        let shell = links(&[(0, true, Up), (0, false, Down)]);
        shell[0].change(|report| report.service = Service::Shell);
        assert!(!shell[0].is_relied_on());
    }

    #[test]
    fn only_another_state_is_notified() {
        let links = links(&[(0, false, Down)]);
        let updater = &links[0];
        let changed = updater.changed();
        updater.change(|report| report.ups = 7);
        assert!(!changed.has_changed().unwrap());
        updater.change(|report| report.state = Up);
        assert!(changed.has_changed().unwrap());
    }
}
