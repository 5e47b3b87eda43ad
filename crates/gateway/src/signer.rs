//! A signer as the gateway sees it: its paths, its shells, and its keys.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use daemon::Fact;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use parking_lot::{Mutex, MutexGuard};
use signer_api::Marks;
use tezos::PublicKeyHash;
use tokio::sync::{Semaphore, watch};
use tunnel::endpoint::{Session, SignerId};

use crate::advertised::{Advertised, Keys, MAX_KEYS};
use crate::config::SignerConfig;
use crate::path::Path;
use crate::router::Claim;

/// A signer as the gateway sees it.
#[derive(Debug)]
pub(crate) struct Signer {
    pub(crate) id: SignerId,
    pub(crate) name: String,
    /// For requests at once: one signer that hangs does not take all slots of the port of all.
    pub(crate) slots: Semaphore,
    paths: Connected<Arc<Path>>,
    shells: Connected<Session>,
    claim: Mutex<Arc<Claim>>,
    /// What it advertised last, and over which session.
    advertised: Mutex<Option<(u64, Arc<Advertised>)>>,
    /// Why its last connection was refused, if it was.
    refused: Mutex<Option<String>>,
    /// Notified when it has advertised something.
    updates: watch::Sender<()>,
}

/// The paths, or the shells, of a signer, and a notice of each that is added.
#[derive(Debug)]
struct Connected<T> {
    all: Mutex<Vec<T>>,
    added: watch::Sender<()>,
}

/// One of them is connected until this is dropped.
pub(crate) struct Membership<'a, T, F: Fn(&T) -> bool> {
    connected: &'a Connected<T>,
    is_it: F,
}

/// For a signer without a path to reconnect.
pub(crate) const RECONNECT_WAIT: Duration = Duration::from_secs(1);
/// More than bakers send to one signer at once.
const MAX_REQUESTS: usize = 64;

impl Signer {
    pub(crate) fn new(config: &SignerConfig) -> Signer {
        let claim = config.keys.as_ref().map_or_else(
            || Claim::Some(BTreeSet::new()),
            |keys| Claim::Configured(keys.iter().copied().collect()),
        );
        Signer {
            id: config.id,
            name: config.name.clone(),
            slots: Semaphore::new(MAX_REQUESTS),
            paths: Connected::default(),
            shells: Connected::default(),
            claim: Mutex::new(Arc::new(claim)),
            advertised: Mutex::default(),
            refused: Mutex::default(),
            updates: watch::Sender::new(()),
        }
    }

    pub(crate) fn add_path(&self, path: &Arc<Path>) -> impl Drop + use<'_> {
        let own = Arc::clone(path);
        self.paths.add(Arc::clone(path), move |other| Arc::ptr_eq(other, &own))
    }

    pub(crate) fn add_shell(&self, shell: &Session) -> impl Drop + use<'_> {
        let id = shell.id();
        self.shells.add(shell.clone(), move |other| other.id() == id)
    }

    /// Its paths, the best one first: not silent, not metered, the newest.
    pub(crate) fn paths(&self) -> Vec<Arc<Path>> {
        let mut paths = self.paths.all().clone();
        paths.sort_by_key(|path| {
            let session = path.session();
            (path.is_silent(), session.is_metered(), Reverse(session.id()))
        });
        paths
    }

    /// Its shells, the best one first.
    pub(crate) fn shells(&self) -> Vec<Session> {
        let mut shells = self.shells.all().clone();
        shells.sort_by_key(|shell| (shell.is_metered(), Reverse(shell.id())));
        shells
    }

    /// Notified when a path is added.
    pub(crate) fn added(&self) -> watch::Receiver<()> {
        self.paths.added.subscribe()
    }

    pub(crate) fn claim(&self) -> Arc<Claim> {
        Arc::clone(&lock(&self.claim))
    }

    /// What it advertised last, while it is connected.
    pub(crate) fn advertised(&self) -> Option<Arc<Advertised>> {
        let is_connected = !self.paths.all().is_empty();
        self.last_advertised().filter(|_| is_connected)
    }

    /// What it advertised last.
    pub(crate) fn last_advertised(&self) -> Option<Arc<Advertised>> {
        lock(&self.advertised).as_ref().map(|(_, advertised)| Arc::clone(advertised))
    }

    /// It advertises this over that path. What comes over an older path than the last one, while that is connected,
    /// may be from before a restart, and is ignored. A signer that does not know its keys yet keeps those that it
    /// had before.
    pub(crate) fn update(&self, path: &Path, advertised: Arc<Advertised>) {
        let (id, keys) = (path.session().id(), advertised.keys.clone());
        let is_connected = |id: u64| self.paths.all().iter().any(|path| path.session().id() == id);
        let mut last = lock(&self.advertised);
        if last.as_ref().is_some_and(|(newer, _)| *newer > id && is_connected(*newer)) {
            return;
        }
        *last = Some((id, advertised));
        drop(last);
        let mut claim = lock(&self.claim);
        match (claim.as_ref(), keys) {
            (Claim::Configured(_), _) | (_, Keys::Pending) | (Claim::Some(_), Keys::Unknown) => {}
            (_, Keys::All(keys)) => *claim = Arc::new(Claim::All(keys)),
            (Claim::All(keys), Keys::Unknown) => *claim = Arc::new(Claim::Some(keys.clone())),
        }
        drop(claim);
        self.updates.send_replace(());
    }

    /// Whether a process may connect: of two with one identity, the first one stays while it answers.
    pub(crate) async fn is_free_for(&self, marks: &Marks) -> bool {
        let others = self
            .paths
            .all()
            .clone()
            .into_iter()
            .filter(|path| path.marks().is_some_and(|other| other.process != marks.process));
        let alive: FuturesUnordered<_> =
            others.map(|path| async move { path.is_alive().await }).collect();
        !alive.any(|is_alive| async move { is_alive }).await
    }

    /// Notes why a connection was refused, or that one was admitted.
    pub(crate) fn note_refusal(&self, why: Option<String>) {
        *lock(&self.refused) = why;
    }

    /// Why its last connection was refused, if it was.
    pub(crate) fn refusal(&self) -> Option<String> {
        lock(&self.refused).clone()
    }

    /// Whether it is connected.
    pub(crate) fn fact(&self) -> Fact {
        let state = match (self.paths.all().is_empty(), self.refusal()) {
            (false, _) => Ok(()),
            (true, Some(why)) => Err(format!("refused: {why}")),
            (true, None) => {
                Err("not connected; its own log says why: look at home, by another way".to_owned())
            }
        };
        Fact::partial(format!("signer_{}", self.name), state)
    }

    /// Notified when it has advertised something.
    pub(crate) fn updates(&self) -> watch::Receiver<()> {
        self.updates.subscribe()
    }

    /// It answered for this key, so it has it, and may have others.
    pub(crate) fn has(&self, key: PublicKeyHash) {
        let mut claim = lock(&self.claim);
        let Claim::Some(keys) = claim.as_ref() else { return };
        if !keys.contains(&key) && keys.len() < MAX_KEYS {
            let seen = keys.iter().copied().chain([key]).collect();
            *claim = Arc::new(Claim::Some(seen));
        }
    }
}

impl<T> Connected<T> {
    fn add<F: Fn(&T) -> bool>(&self, one: T, is_it: F) -> Membership<'_, T, F> {
        self.all().push(one);
        self.added.send_replace(());
        Membership { connected: self, is_it }
    }

    fn all(&self) -> MutexGuard<'_, Vec<T>> {
        lock(&self.all)
    }
}

impl<T> Default for Connected<T> {
    fn default() -> Connected<T> {
        Connected { all: Mutex::default(), added: watch::Sender::new(()) }
    }
}

impl<T, F: Fn(&T) -> bool> Drop for Membership<'_, T, F> {
    fn drop(&mut self) {
        self.connected.all().retain(|other| !(self.is_it)(other));
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock()
}
