//! What all visits share: who may come in, and who is in.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::endpoint::{Config, Guest, Limits, Refusals};
use crate::wire::Watch;
use crate::{Door, PublicKey};

/// What all visits share.
#[derive(Debug)]
pub(super) struct House {
    pub(super) guests: Vec<Guest>,
    taken: Vec<u16>,
    pub(super) limits: Limits,
    pub(super) refusals: Refusals,
    ids: AtomicU64,
    /// The connections of each guest, oldest first.
    present: Mutex<HashMap<usize, Vec<Watch>>>,
}

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
        House {
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

    pub(super) fn name(&self, guest: usize) -> &str {
        self.guests.get(guest).map_or("?", |guest| &guest.name)
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
