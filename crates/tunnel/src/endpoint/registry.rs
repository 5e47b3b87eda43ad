//! The clients that are authorised, and their connections: what all connections share.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::endpoint::log_limit::LogLimit;
use crate::endpoint::{AuthorizedClient, Config, Limits, Refusal, Refusals};
use crate::wire::Liveness;
use crate::{PublicKey, Service};

/// The clients that are authorised, and their connections.
#[derive(Debug)]
pub(super) struct Registry {
    pub(super) clients: Vec<AuthorizedClient>,
    taken: Vec<u16>,
    pub(super) limits: Limits,
    pub(super) refusals: Refusals,
    log_limit: LogLimit,
    /// For each client: slots for connections to its monitor forwards.
    monitors: Vec<Arc<Semaphore>>,
    ids: AtomicU64,
    /// The connections of each client, oldest first.
    connections: Mutex<HashMap<usize, Vec<Liveness>>>,
}

/// autossh's monitor makes one connection at a time, and an older session may still have one.
const MONITORS_PER_KEY: usize = 2;

/// What a port is to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PortUse {
    /// Its own.
    Own(Service),
    /// Another client's, or the gateway's.
    Taken,
    /// No port of the configuration.
    Free,
}

impl Registry {
    pub(super) fn new(config: Config) -> Registry {
        let monitors = || Arc::new(Semaphore::new(MONITORS_PER_KEY));
        Registry {
            monitors: config.clients.iter().map(|_| monitors()).collect(),
            log_limit: LogLimit::default(),
            clients: config.clients,
            taken: config.taken,
            limits: config.limits,
            refusals: Refusals::default(),
            ids: AtomicU64::default(),
            connections: Mutex::default(),
        }
    }

    pub(super) fn client_with(&self, key: &PublicKey) -> Option<usize> {
        self.clients.iter().position(|client| client.key == *key)
    }

    pub(super) fn port(&self, client: usize) -> u16 {
        self.clients.get(client).map_or(0, |client| client.port)
    }

    pub(super) fn name(&self, client: usize) -> &str {
        self.clients.get(client).map_or("?", |client| &client.name)
    }

    /// Counts a refusal. If it is to be logged now: how many such lines were suppressed before.
    pub(super) fn refuse(&self, refusal: Refusal, key: Option<&str>) -> Option<Suppressed> {
        self.refusals.note(refusal);
        self.log_limit.admit(refusal, key, Instant::now()).map(Suppressed)
    }

    /// A slot for one more connection to a monitor forward of this client; none while all are taken.
    pub(super) fn monitor(&self, client: usize) -> Option<OwnedSemaphorePermit> {
        Arc::clone(self.monitors.get(client)?).try_acquire_owned().ok()
    }

    pub(super) fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn port_use(&self, client: usize, port: u32) -> PortUse {
        let Ok(port) = u16::try_from(port) else { return PortUse::Taken };
        let own = self.clients.get(client).map(|client| client.port);
        let service = Service::BOTH
            .into_iter()
            .find(|service| own.and_then(|own| service.port(own)) == Some(port));
        if let Some(service) = service {
            return PortUse::Own(service);
        }
        let all = self
            .clients
            .iter()
            .flat_map(|client| Service::BOTH.map(|service| service.port(client.port)));
        let taken = self.taken.contains(&port) || all.into_iter().any(|other| other == Some(port));
        if taken { PortUse::Taken } else { PortUse::Free }
    }

    /// Adds a connection of a client. Returns true if the least recently active one was closed to make room.
    pub(super) fn add_connection(&self, client: usize, liveness: &Liveness) -> bool {
        let mut all = self.connections();
        let connections = all.entry(client).or_default();
        connections.retain(|other| !other.is_gone());
        connections.push(liveness.clone());
        let is_crowded = connections.len() > self.limits.connections.max(1);
        if is_crowded && let Some(idle) = connections.iter().min_by_key(|other| other.heard_at()) {
            idle.cut();
        }
        is_crowded
    }

    fn connections(&self) -> MutexGuard<'_, HashMap<usize, Vec<Liveness>>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many lines of the log were suppressed before this one; displayed at the end of it.
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

/// Whether a bind address means the gateway itself. The gateway decides on which address it really listens.
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

    fn registry() -> Registry {
        let identity = || Identity::generate("test").unwrap();
        let client = |name: &str, port| AuthorizedClient {
            name: name.to_owned(),
            key: identity().public(),
            port,
        };
        Registry::new(Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            host_key: identity(),
            clients: vec![client("home", 8443), client("other", 8444)],
            taken: vec![6732],
            limits: Limits::default(),
        })
    }

    #[test]
    fn a_key_has_its_two_ports_and_no_other() {
        let registry = registry();
        assert_eq!(registry.port_use(0, 8443), PortUse::Own(Service::Signing));
        assert_eq!(registry.port_use(0, 9443), PortUse::Own(Service::Shell));
        for port in [8444, 9444, 6732, 65_536 + 8443] {
            assert_eq!(registry.port_use(0, port), PortUse::Taken, "{port}");
        }
        assert_eq!(registry.port_use(0, 20_000), PortUse::Free);
    }

    #[test]
    fn a_key_is_known_by_itself_alone() {
        let registry = registry();
        assert_eq!(registry.client_with(&registry.clients[1].key), Some(1));
        assert_eq!(registry.client_with(&Identity::generate("x").unwrap().public()), None);
    }
}
