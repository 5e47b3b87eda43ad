//! The clients that are authorised, and their connections: what all connections share.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::endpoint::log_limit::{ClientLogLimit, LogLimit};
use crate::endpoint::{AuthorizedClient, Config, Limits, Refusal, Refusals};
use crate::wire::Liveness;
use crate::{PublicKey, Service};

/// The clients that are authorised, and their connections.
#[derive(Debug)]
pub(super) struct Registry {
    clients: RwLock<Vec<Arc<Client>>>,
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
    /// Cancelled when it is not authorised any more.
    revoked: CancellationToken,
    log_limit: ClientLogLimit,
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
            clients: RwLock::new(config.clients.into_iter().map(Client::shared).collect()),
            taken: config.taken,
            limits: config.limits,
            refusals: Refusals::default(),
            log_limit: LogLimit::default(),
            ids: AtomicU64::default(),
        }
    }

    pub(super) fn find(&self, key: &PublicKey) -> Option<Arc<Client>> {
        let clients = self.clients.read();
        clients.iter().find(|client| client.authorized.key == *key).map(Arc::clone)
    }

    /// A client that is the same as before stays as it is; every other one of before is revoked.
    pub(super) fn replace(&self, clients: Vec<AuthorizedClient>) {
        let mut own = self.clients.write();
        let mut before = std::mem::take(&mut *own);
        own.extend(clients.into_iter().map(|new| {
            match before.iter().position(|client| client.authorized == new) {
                Some(at) => before.swap_remove(at),
                None => Client::shared(new),
            }
        }));
        drop(own);
        for client in before {
            client.revoked.cancel();
        }
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
            None if self.clients.read().iter().any(|other| service_at(other).is_some()) => {
                PortUse::Taken
            }
            None => PortUse::Free,
        }
    }
}

impl Client {
    fn shared(authorized: AuthorizedClient) -> Arc<Client> {
        let monitors = Arc::new(Semaphore::new(MONITORS_PER_KEY));
        let (connections, revoked) = (Mutex::default(), CancellationToken::new());
        let log_limit = ClientLogLimit::default();
        Arc::new(Client { authorized, monitors, connections, revoked, log_limit })
    }

    /// If a line about what it was granted is to be logged now: how many such lines were suppressed before.
    pub(super) fn admit_line(&self) -> Option<Suppressed> {
        self.log_limit.admit(Instant::now()).map(Suppressed)
    }

    /// Returns when it is not authorised any more.
    pub(super) async fn revoked(&self) {
        self.revoked.cancelled().await;
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

    fn nth(registry: &Registry, at: usize) -> Arc<Client> {
        Arc::clone(&registry.clients.read()[at])
    }

    #[test]
    fn a_key_has_its_two_ports_and_no_other() {
        let registry = registry();
        let home = nth(&registry, 0);
        assert_eq!(registry.port_use(&home, 8443), PortUse::Own(Service::Signing));
        assert_eq!(registry.port_use(&home, 9443), PortUse::Own(Service::Shell));
        for port in [8444, 9444, 6732, 65_536 + 8443] {
            assert_eq!(registry.port_use(&home, port), PortUse::Taken, "{port}");
        }
        assert_eq!(registry.port_use(&home, 20_000), PortUse::Free);
    }

    #[test]
    fn a_key_is_known_by_itself_alone() {
        let registry = registry();
        let other = nth(&registry, 1);
        let key = other.authorized.key.clone();
        assert!(registry.find(&key).is_some_and(|found| Arc::ptr_eq(&found, &other)));
        assert!(registry.find(&Identity::generate("x").unwrap().public()).is_none());
    }

    #[test]
    fn a_client_that_stays_the_same_is_not_revoked_and_every_other_one_is() {
        let registry = registry();
        let (home, other) = (nth(&registry, 0), nth(&registry, 1));
        let moved =
            AuthorizedClient { port: SignerPort::new(8445).unwrap(), ..other.authorized.clone() };
        registry.replace(vec![moved.clone(), home.authorized.clone()]);
        assert!(!home.revoked.is_cancelled() && other.revoked.is_cancelled());
        assert!(Arc::ptr_eq(&registry.find(&home.authorized.key).unwrap(), &home));
        let found = registry.find(&moved.key).unwrap();
        assert_eq!(found.authorized, moved);
        assert_eq!(registry.port_use(&found, 8444), PortUse::Free);
        registry.replace(vec![home.authorized.clone()]);
        assert!(registry.find(&moved.key).is_none() && found.revoked.is_cancelled());
    }
}
