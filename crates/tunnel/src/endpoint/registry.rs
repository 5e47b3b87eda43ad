//! The clients that are authorised, and their connections: what all connections share.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::endpoint::log_limit::LogLimit;
use crate::endpoint::{AuthorizedClient, Config, Limits, Refusal, Refusals};
use crate::wire::Liveness;
use crate::{PublicKey, Service};

/// The clients that are authorised, and their connections.
#[derive(Debug)]
pub(super) struct Registry {
    clients: Vec<Arc<Client>>,
    taken: Vec<u16>,
    pub(super) limits: Limits,
    pub(super) refusals: Refusals,
    log_limit: LogLimit,
    ids: AtomicU64,
}

/// An authorised client, and what it has open.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) authorized: AuthorizedClient,
    /// Slots for connections to its monitor forwards.
    monitors: Arc<Semaphore>,
    /// Oldest first.
    connections: Mutex<Vec<Liveness>>,
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
        Registry {
            clients: config.clients.into_iter().map(Client::new).map(Arc::new).collect(),
            taken: config.taken,
            limits: config.limits,
            refusals: Refusals::default(),
            log_limit: LogLimit::default(),
            ids: AtomicU64::default(),
        }
    }

    pub(super) fn find(&self, key: &PublicKey) -> Option<Arc<Client>> {
        self.clients.iter().find(|client| client.authorized.key == *key).map(Arc::clone)
    }

    /// Counts a refusal. If it is to be logged now: how many such lines were suppressed before.
    pub(super) fn refuse(&self, refusal: Refusal, key: Option<&str>) -> Option<Suppressed> {
        self.refusals.note(refusal);
        self.log_limit.admit(refusal, key, Instant::now()).map(Suppressed)
    }

    pub(super) fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn port_use(&self, client: &Client, port: u32) -> PortUse {
        let Ok(port) = u16::try_from(port) else { return PortUse::Taken };
        let service_at = |client: &Client| {
            let is_at = |service: &Service| client.authorized.port.of(*service) == port;
            Service::BOTH.into_iter().find(is_at)
        };
        match service_at(client) {
            Some(service) => PortUse::Own(service),
            None if self.taken.contains(&port) => PortUse::Taken,
            None if self.clients.iter().any(|other| service_at(other).is_some()) => PortUse::Taken,
            None => PortUse::Free,
        }
    }
}

impl Client {
    fn new(authorized: AuthorizedClient) -> Client {
        let monitors = Arc::new(Semaphore::new(MONITORS_PER_KEY));
        Client { authorized, monitors, connections: Mutex::default() }
    }

    /// A slot for one more connection to a monitor forward; none while all are taken.
    pub(super) fn monitor(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.monitors).try_acquire_owned().ok()
    }

    /// Adds a connection. Returns true if the least recently active one was closed to make room.
    pub(super) fn add_connection(&self, liveness: &Liveness, limits: Limits) -> bool {
        let mut connections = self.connections.lock();
        connections.retain(|other| !other.is_gone());
        connections.push(liveness.clone());
        let is_crowded = connections.len() > limits.connections.max(1);
        if is_crowded && let Some(idle) = connections.iter().min_by_key(|other| other.heard_at()) {
            idle.cut();
        }
        is_crowded
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
    use crate::endpoint::SignerId;
    use crate::{Identity, SignerPort};

    fn registry() -> Registry {
        let identity = || Identity::generate("test").unwrap();
        let client = |name: &str, port: u16| AuthorizedClient {
            id: SignerId::new(usize::from(port)),
            name: name.to_owned(),
            key: identity().public(),
            port: SignerPort::new(port).unwrap(),
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
        assert_eq!(registry.port_use(&registry.clients[0], 8443), PortUse::Own(Service::Signing));
        assert_eq!(registry.port_use(&registry.clients[0], 9443), PortUse::Own(Service::Shell));
        for port in [8444, 9444, 6732, 65_536 + 8443] {
            assert_eq!(registry.port_use(&registry.clients[0], port), PortUse::Taken, "{port}");
        }
        assert_eq!(registry.port_use(&registry.clients[0], 20_000), PortUse::Free);
    }

    #[test]
    fn a_key_is_known_by_itself_alone() {
        let registry = registry();
        let key = registry.clients[1].authorized.key.clone();
        assert!(registry.find(&key).is_some_and(|found| Arc::ptr_eq(&found, &registry.clients[1])));
        assert!(registry.find(&Identity::generate("x").unwrap().public()).is_none());
    }
}
