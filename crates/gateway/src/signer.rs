//! A signer as the gateway sees it: its lines, its shells, and which keys it has.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use daemon::Fact;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use signer_api::Marks;
use tezos::PublicKeyHash;
use tokio::sync::{Semaphore, watch};
use tunnel::endpoint::Session;

use crate::config::SignerConfig;
use crate::knowledge::{Keys, Knowledge};
use crate::line::Line;
use crate::router::Claim;

/// A signer as the gateway sees it.
#[derive(Debug)]
pub(crate) struct Signer {
    pub(crate) name: String,
    /// For requests at once: one signer that hangs does not take all places of the common port.
    pub(crate) places: Semaphore,
    lines: Present<Arc<Line>>,
    shells: Present<Session>,
    claim: Mutex<Arc<Claim>>,
    /// What it said last about itself, and over which session.
    knowledge: Mutex<Option<(u64, Arc<Knowledge>)>>,
    /// Why its last connection was refused, if it was.
    refused: Mutex<Option<String>>,
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
            knowledge: Mutex::default(),
            refused: Mutex::default(),
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

    /// What it said last about itself, while it is here.
    pub(crate) fn knowledge(&self) -> Option<Arc<Knowledge>> {
        let is_here = !self.lines.all().is_empty();
        self.last_knowledge().filter(|_| is_here)
    }

    /// What it said last about itself.
    pub(crate) fn last_knowledge(&self) -> Option<Arc<Knowledge>> {
        lock(&self.knowledge).as_ref().map(|(_, knowledge)| Arc::clone(knowledge))
    }

    /// It said this over that line. What comes over an older one than the last that spoke, and is still here, may be
    /// of before a restart. A signer that does not know its keys yet is believed to have those that it had
    /// before.
    pub(crate) fn said(&self, line: &Line, knowledge: Arc<Knowledge>) {
        let (id, keys) = (line.session().id(), knowledge.keys.clone());
        let is_here = |id: u64| self.lines.all().iter().any(|line| line.session().id() == id);
        let mut last = lock(&self.knowledge);
        if last.as_ref().is_some_and(|(newer, _)| *newer > id && is_here(*newer)) {
            return;
        }
        *last = Some((id, knowledge));
        drop(last);
        let mut claim = lock(&self.claim);
        match (claim.as_ref(), keys) {
            (Claim::Configured(_), _) | (_, Keys::NotYet) | (Claim::Some(_), Keys::Unsaid) => {}
            (_, Keys::All(keys)) => *claim = Arc::new(Claim::All(keys)),
            (Claim::All(keys), Keys::Unsaid) => *claim = Arc::new(Claim::Some(keys.clone())),
        }
        drop(claim);
        self.said.send_replace(());
    }

    /// Whether a process may come in: of two with one identity the first one stays while it answers.
    pub(crate) async fn is_free_for(&self, marks: &Marks) -> bool {
        let others = self
            .lines
            .all()
            .clone()
            .into_iter()
            .filter(|line| line.marks().is_some_and(|other| other.process != marks.process));
        let alive: FuturesUnordered<_> =
            others.map(|line| async move { line.is_alive().await }).collect();
        !alive.any(|is_alive| async move { is_alive }).await
    }

    /// Remembers why a connection was refused, or that one was let in.
    pub(crate) fn note_refusal(&self, why: Option<String>) {
        *lock(&self.refused) = why;
    }

    /// Why it is not asked, if its last connection was refused.
    pub(crate) fn refusal(&self) -> Option<String> {
        lock(&self.refused).clone()
    }

    /// Whether it is here.
    pub(crate) fn fact(&self) -> Fact {
        let state = match (self.lines.all().is_empty(), self.refusal()) {
            (false, _) => Ok(()),
            (true, Some(why)) => Err(format!("refused: {why}")),
            (true, None) => {
                Err("not connected; its own log says why: look at home, by another way".to_owned())
            }
        };
        Fact::partial(format!("signer_{}", self.name), state)
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
