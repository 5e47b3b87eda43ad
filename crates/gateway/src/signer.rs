//! A signer as the gateway sees it: its lines, its shells, and which keys it has.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tezos::PublicKeyHash;
use tokio::sync::{Semaphore, watch};
use tunnel::endpoint::Session;

use crate::config::SignerConfig;
use crate::knowledge::{Keys, Knowledge};
use crate::line::Line;
use crate::router::Claim;
use crate::talk::Relayed;

/// A signer as the gateway sees it.
#[derive(Debug)]
pub(crate) struct Signer {
    pub(crate) name: String,
    /// For requests at once: one signer that hangs does not take all places of the common port.
    pub(crate) places: Semaphore,
    lines: Present<Arc<Line>>,
    shells: Present<Session>,
    claim: Mutex<Arc<Claim>>,
    /// Its last answer to `GET /authorized_keys`.
    authorized: Mutex<Option<Relayed>>,
    /// News of what it said.
    said: watch::Sender<()>,
}

/// A signer that has just come was not asked yet what it wants.
#[derive(Debug)]
pub(crate) struct NotAskedYet;

/// What is there now, and news of what comes.
#[derive(Debug)]
struct Present<T> {
    all: Mutex<Vec<T>>,
    arrivals: watch::Sender<()>,
}

/// Somebody's presence. It ends when this is dropped.
pub(crate) struct Presence<'a, T, F: Fn(&T) -> bool> {
    present: &'a Present<T>,
    is_it: F,
}

/// More than bakers ask of one signer at once.
const PLACES: usize = 64;
/// More keys than a signer has.
pub(crate) const MOST_KEYS: usize = 256;

impl Signer {
    pub(crate) fn new(config: &SignerConfig) -> Signer {
        let claim = config.keys.as_ref().map_or_else(
            || Claim::Some(BTreeSet::new()),
            |keys| Claim::Configured(keys.iter().copied().collect()),
        );
        Signer {
            name: config.name.clone(),
            places: Semaphore::new(PLACES),
            lines: Present::default(),
            shells: Present::default(),
            claim: Mutex::new(Arc::new(claim)),
            authorized: Mutex::default(),
            said: watch::Sender::new(()),
        }
    }

    pub(crate) fn add_line(&self, line: &Arc<Line>) -> impl Drop + use<'_> {
        let own = Arc::clone(line);
        self.lines.add(Arc::clone(line), move |other| Arc::ptr_eq(other, &own))
    }

    pub(crate) fn add_shell(&self, shell: &Session) -> impl Drop + use<'_> {
        let id = shell.id();
        self.shells.add(shell.clone(), move |other| other.id() == id)
    }

    /// Its lines, the best one first: one that is heard, that costs nothing, that is new.
    pub(crate) fn lines(&self) -> Vec<Arc<Line>> {
        let mut lines = self.lines.all().clone();
        lines.sort_by_key(|line| {
            let session = line.session();
            (line.is_silent(), session.is_metered(), Reverse(session.id()))
        });
        lines
    }

    /// Its shells, the best one first.
    pub(crate) fn shells(&self) -> Vec<Session> {
        let mut shells = self.shells.all().clone();
        shells.sort_by_key(|shell| (shell.is_metered(), Reverse(shell.id())));
        shells
    }

    /// Tells when a line comes.
    pub(crate) fn arrivals(&self) -> watch::Receiver<()> {
        self.lines.arrivals.subscribe()
    }

    pub(crate) fn claim(&self) -> Arc<Claim> {
        Arc::clone(&lock(&self.claim))
    }

    /// What it said, as long as that is to be believed. Only the newest line counts: an older one may be
    /// of before a restart, and not known to be dead yet.
    pub(crate) fn knowledge(&self) -> Option<Arc<Knowledge>> {
        self.newest()?.knowledge()
    }

    /// Its answer to `GET /authorized_keys`, the last one if it is away; none if it was never heard.
    ///
    /// # Errors
    /// When it is here, and was not asked yet.
    pub(crate) fn authorized(&self) -> Result<Option<Relayed>, NotAskedYet> {
        match self.newest() {
            Some(line) => {
                line.knowledge().map(|own| Some(own.authorized.clone())).ok_or(NotAskedYet)
            }
            None => Ok(lock(&self.authorized).clone()),
        }
    }

    fn newest(&self) -> Option<Arc<Line>> {
        self.lines.all().iter().max_by_key(|line| line.session().id()).cloned()
    }

    /// It said this over that line. A signer that does not know its keys yet is believed to have those
    /// that it had before.
    pub(crate) fn said(&self, line: &Arc<Line>, knowledge: &Knowledge) {
        if !self.newest().is_some_and(|newest| Arc::ptr_eq(&newest, line)) {
            return;
        }
        *lock(&self.authorized) = Some(knowledge.authorized.clone());
        let mut claim = lock(&self.claim);
        match (claim.as_ref(), &knowledge.keys) {
            (Claim::Configured(_), _) | (_, Keys::NotYet) | (Claim::Some(_), Keys::Unsaid) => {}
            (_, Keys::All(keys)) => *claim = Arc::new(Claim::All(keys.clone())),
            (Claim::All(keys), Keys::Unsaid) => *claim = Arc::new(Claim::Some(keys.clone())),
        }
        drop(claim);
        self.said.send_replace(());
    }

    /// Tells when it has said something.
    pub(crate) fn news(&self) -> watch::Receiver<()> {
        self.said.subscribe()
    }

    /// It answered for a key, so it has it, and maybe others.
    pub(crate) fn has(&self, key: PublicKeyHash) {
        let mut claim = lock(&self.claim);
        let Claim::Some(keys) = claim.as_ref() else { return };
        if !keys.contains(&key) && keys.len() < MOST_KEYS {
            let seen = keys.iter().copied().chain([key]).collect();
            *claim = Arc::new(Claim::Some(seen));
        }
    }
}

impl<T> Present<T> {
    fn add<F: Fn(&T) -> bool>(&self, one: T, is_it: F) -> Presence<'_, T, F> {
        self.all().push(one);
        self.arrivals.send_replace(());
        Presence { present: self, is_it }
    }

    fn all(&self) -> MutexGuard<'_, Vec<T>> {
        lock(&self.all)
    }
}

impl<T> Default for Present<T> {
    fn default() -> Present<T> {
        Present { all: Mutex::default(), arrivals: watch::Sender::new(()) }
    }
}

impl<T, F: Fn(&T) -> bool> Drop for Presence<'_, T, F> {
    fn drop(&mut self) {
        self.present.all().retain(|other| !(self.is_it)(other));
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
