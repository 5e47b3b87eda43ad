//! What all visits share: who may come in, and who is in.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::endpoint::log_limit::LogLimit;
use crate::endpoint::{Config, Guest, Limits, Refusal, Refusals};
use crate::wire::Watch;
use crate::{Door, PublicKey};

/// What all visits share.
#[derive(Debug)]
pub(super) struct House {
    pub(super) guests: Vec<Guest>,
    taken: Vec<u16>,
    pub(super) limits: Limits,
    pub(super) refusals: Refusals,
    log_limit: LogLimit,
    /// For each guest: how many of its monitor connections may be joined at once.
    monitors: Vec<Arc<Semaphore>>,
    ids: AtomicU64,
    /// The connections of each guest, oldest first.
    present: Mutex<HashMap<usize, Vec<Watch>>>,
}

/// autossh's monitor has one connection at a time, and an older session may still have one.
const MONITORS_PER_KEY: usize = 2;

/// What a port means to a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Its own.
    Own(Door),
    /// Somebody else's, or the gateway's.
    Taken,
    /// Nothing.
    Free,
}

impl House {
    pub(super) fn new(config: Config) -> House {
        let monitors = || Arc::new(Semaphore::new(MONITORS_PER_KEY));
        House {
            monitors: config.guests.iter().map(|_| monitors()).collect(),
            log_limit: LogLimit::default(),
            guests: config.guests,
            taken: config.taken,
            limits: config.limits,
            refusals: Refusals::default(),
            ids: AtomicU64::default(),
            present: Mutex::default(),
        }
    }

    pub(super) fn guest_with(&self, key: &PublicKey) -> Option<usize> {
        self.guests.iter().position(|guest| guest.key == *key)
    }

    pub(super) fn port(&self, guest: usize) -> u16 {
        self.guests.get(guest).map_or(0, |guest| guest.port)
    }

    pub(super) fn name(&self, guest: usize) -> &str {
        self.guests.get(guest).map_or("?", |guest| &guest.name)
    }

    /// Counts a refusal. If it is to be logged now: how many such lines were suppressed before.
    pub(super) fn refuse(&self, refusal: Refusal, key: Option<&str>) -> Option<Suppressed> {
        self.refusals.note(refusal);
        self.log_limit.admit(refusal, key, Instant::now()).map(Suppressed)
    }

    /// The right to join one more monitor connection of a guest; none while it has enough.
    pub(super) fn monitor(&self, guest: usize) -> Option<OwnedSemaphorePermit> {
        Arc::clone(self.monitors.get(guest)?).try_acquire_owned().ok()
    }

    pub(super) fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn meaning(&self, guest: usize, port: u32) -> Meaning {
        let Ok(port) = u16::try_from(port) else { return Meaning::Taken };
        let own = self.guests.get(guest).map(|guest| guest.port);
        let door =
            Door::BOTH.into_iter().find(|door| own.and_then(|own| door.port(own)) == Some(port));
        if let Some(door) = door {
            return Meaning::Own(door);
        }
        let all = self.guests.iter().flat_map(|guest| Door::BOTH.map(|door| door.port(guest.port)));
        let taken = self.taken.contains(&port) || all.into_iter().any(|other| other == Some(port));
        if taken { Meaning::Taken } else { Meaning::Free }
    }

    /// Notes a connection of a guest; whether one had to go for it: the one that was not
    /// heard for longest.
    pub(super) fn come_in(&self, guest: usize, watch: &Watch) -> bool {
        let mut present = self.present();
        let connections = present.entry(guest).or_default();
        connections.retain(|other| !other.is_gone());
        connections.push(watch.clone());
        let is_crowded = connections.len() > self.limits.connections.max(1);
        if is_crowded && let Some(dead) = connections.iter().min_by_key(|other| other.heard_at()) {
            dead.cut();
        }
        is_crowded
    }

    fn present(&self) -> MutexGuard<'_, HashMap<usize, Vec<Watch>>> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many lines of the log were left out before this one, as its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Suppressed(u64);

impl fmt::Display for Suppressed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            count => write!(f, " (and {count} more like this since the last such line)"),
        }
    }
}

/// Whether a bind address means the gateway itself. What is really bound is the gateway's to say.
pub(super) fn is_own_address(address: &str) -> bool {
    matches!(address, "" | "*" | "localhost" | "127.0.0.1" | "::1" | "0.0.0.0" | "::")
}

/// Whether a connection's target is the gateway's loopback.
pub(super) fn is_loopback(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "::1")
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::Identity;

    fn house() -> House {
        let identity = || Identity::generate("test").unwrap();
        let guest =
            |name: &str, port| Guest { name: name.to_owned(), key: identity().public(), port };
        House::new(Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            host_key: identity(),
            guests: vec![guest("home", 8443), guest("other", 8444)],
            taken: vec![6732],
            limits: Limits::default(),
        })
    }

    #[test]
    fn a_key_has_its_two_ports_and_no_other() {
        let house = house();
        assert_eq!(house.meaning(0, 8443), Meaning::Own(Door::Signing));
        assert_eq!(house.meaning(0, 9443), Meaning::Own(Door::Shell));
        for port in [8444, 9444, 6732, 65_536 + 8443] {
            assert_eq!(house.meaning(0, port), Meaning::Taken, "{port}");
        }
        assert_eq!(house.meaning(0, 20_000), Meaning::Free);
    }

    #[test]
    fn a_key_is_known_by_itself_alone() {
        let house = house();
        assert_eq!(house.guest_with(&house.guests[1].key), Some(1));
        assert_eq!(house.guest_with(&Identity::generate("x").unwrap().public()), None);
    }
}
