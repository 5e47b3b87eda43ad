//! A signer as the gateway sees it: its lines, its shells, and which keys it has.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tezos::PublicKeyHash;
use tokio::sync::watch;
use tunnel::endpoint::Session;

use crate::config::SignerConfig;
use crate::knowledge::Keys;
use crate::line::Line;
use crate::router::Claim;

/// A signer as the gateway sees it.
#[derive(Debug)]
pub(crate) struct Signer {
    pub(crate) name: String,
    lines: Present<Arc<Line>>,
    shells: Present<Session>,
    claim: Mutex<Arc<Claim>>,
    /// News of what it said.
    said: watch::Sender<()>,
}

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

/// More keys than a signer has.
pub(crate) const MOST_KEYS: usize = 256;

impl Signer {
    pub(crate) fn new(config: &SignerConfig) -> Signer {
        let claim = config
            .keys
            .as_ref()
            .map_or(Claim::NotYet, |keys| Claim::Configured(keys.iter().copied().collect()));
        Signer {
            name: config.name.clone(),
            lines: Present::default(),
            shells: Present::default(),
            claim: Mutex::new(Arc::new(claim)),
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

    /// It was heard, and said which keys it has, or did not say. One that does not know yet is believed
    /// to have what it had before.
    pub(crate) fn said(&self, keys: &Keys) {
        let mut claim = lock(&self.claim);
        match (claim.as_ref(), keys) {
            (Claim::Configured(_), _) | (_, Keys::NotYet) | (Claim::Said(_), Keys::Unsaid) => {}
            (_, Keys::All(keys)) => *claim = Arc::new(Claim::Said(keys.clone())),
            (Claim::NotYet, Keys::Unsaid) => *claim = Arc::new(Claim::Said(BTreeSet::new())),
        }
        drop(claim);
        self.said.send_replace(());
    }

    /// Tells when it has said something.
    pub(crate) fn news(&self) -> watch::Receiver<()> {
        self.said.subscribe()
    }

    /// It answered for a key, so it has it.
    pub(crate) fn has(&self, key: PublicKeyHash) {
        let mut claim = lock(&self.claim);
        let mut keys = match claim.as_ref() {
            Claim::Configured(_) => return,
            Claim::Said(keys) if keys.contains(&key) || keys.len() >= MOST_KEYS => return,
            Claim::Said(keys) => keys.clone(),
            Claim::NotYet => BTreeSet::new(),
        };
        keys.insert(key);
        *claim = Arc::new(Claim::Said(keys));
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
