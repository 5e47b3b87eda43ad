//! A signer as the gateway sees it: its paths, its shells, and its keys.

use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use daemon::exposition::Families;
use daemon::health::seconds_since_1970;
use daemon::report::Report;
use daemon::{Fact, Verdict};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use parking_lot::{Mutex, MutexGuard};
use signer_api::Marks;
use tezos::PublicKeyHash;
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::Instant;
use tunnel::endpoint::{Session, SignerId};
use tunnel::{PublicKey, Service, SignerPort};

use crate::advertised::{Advertised, Keys, MAX_KEYS};
use crate::answers::Answers;
use crate::config::SignerConfig;
use crate::http_client::SignerRequest;
use crate::path::Path;
use crate::router::Claim;

/// A report that is older says nothing of now.
const STALE_AFTER: Duration = Duration::from_secs(10);
const METERED_STALE_AFTER: Duration = Duration::from_secs(70);

/// What a signer answered last to a scrape.
#[derive(Debug, Default)]
pub(crate) struct LastScrape(pub(crate) tokio::sync::Mutex<Option<(Instant, Option<Families>)>>);

/// A signer as the gateway sees it.
#[derive(Debug)]
pub(crate) struct Signer {
    pub(crate) id: SignerId,
    pub(crate) name: String,
    pub(crate) port: SignerPort,
    pub(crate) ssh_key: PublicKey,
    /// What bakers got lately.
    pub(crate) answers: Answers,
    pub(crate) last_scrape: LastScrape,
    /// For requests to sign at once: one signer that hangs does not take all slots of the port of all.
    signing_slots: Semaphore,
    /// The same for all others, which need no authentication: however many come, they take no vote's slot.
    other_slots: Semaphore,
    paths: Connected<Arc<Path>>,
    shells: Connected<Session>,
    claim: Mutex<Arc<Claim>>,
    /// What it advertised last, and over which session.
    advertised: Mutex<Option<(u64, Arc<Advertised>)>>,
    /// Why its last connection was refused, if it was.
    refused: Mutex<Option<String>>,
    /// What it last said of itself, and when.
    report: Mutex<Option<LastReport>>,
    /// Notified when it has advertised something.
    updates: watch::Sender<()>,
}

/// What a signer said of itself.
#[derive(Debug)]
struct LastReport {
    at: Instant,
    /// Seconds by which its clock is ahead of this one.
    offset: f64,
    report: Arc<Report>,
}

/// The paths, or the shells, of a signer, and a notice of each that is added.
#[derive(Debug)]
struct Connected<T> {
    all: Mutex<Vec<T>>,
    /// How many there were since the start.
    count: AtomicU64,
    added: watch::Sender<()>,
}

/// One of them is connected until this is dropped.
pub(crate) struct Membership<'a, T, F: Fn(&T) -> bool> {
    connected: &'a Connected<T>,
    is_it: F,
}

/// For a signer without a path to reconnect.
pub(crate) const RECONNECT_WAIT: Duration = Duration::from_secs(1);
/// The group of facts about keys.
const KEY: &str = "key";
const NOT_CONNECTED: &str = "not connected; its own log says why: look at home, by another way";
/// More than bakers send to one signer at once.
const MAX_SIGNING: usize = 64;
/// Probes, and bakers that start.
const MAX_OTHERS: usize = 8;

impl Signer {
    pub(crate) fn new(config: &SignerConfig) -> Signer {
        let claim = config.keys.as_deref().map_or_else(Claim::unknown, Claim::configured);
        Signer {
            id: config.id,
            name: config.name.clone(),
            port: config.port,
            ssh_key: config.ssh_key.clone(),
            answers: Answers::default(),
            last_scrape: LastScrape::default(),
            signing_slots: Semaphore::new(MAX_SIGNING),
            other_slots: Semaphore::new(MAX_OTHERS),
            paths: Connected::default(),
            shells: Connected::default(),
            claim: Mutex::new(Arc::new(claim)),
            advertised: Mutex::default(),
            refused: Mutex::default(),
            report: Mutex::default(),
            updates: watch::Sender::new(()),
        }
    }

    /// A slot for a request; none while all of its kind are taken.
    pub(crate) fn slot(&self, request: &SignerRequest) -> Option<SemaphorePermit<'_>> {
        let slots = if request.is_to_sign() { &self.signing_slots } else { &self.other_slots };
        slots.try_acquire().ok()
    }

    /// The configuration now says that it has these keys; none: what it advertises counts.
    pub(crate) fn configure_keys(&self, keys: Option<&[PublicKeyHash]>) {
        let advertised = self.last_advertised();
        let mut claim = lock(&self.claim);
        *claim = Arc::new(match (keys, claim.as_ref(), advertised) {
            (Some(keys), ..) => Claim::configured(keys),
            (None, Claim::Configured(_), Some(advertised)) => match &advertised.keys {
                Keys::All(keys) => Claim::All(keys.clone()),
                Keys::Unknown | Keys::Pending => Claim::unknown(),
            },
            (None, Claim::Configured(_), None) => Claim::unknown(),
            (None, Claim::All(_) | Claim::Some(_), _) => return,
        });
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

    /// All of its sessions, those of the signing service first, and the best one of each first.
    pub(crate) fn sessions(&self) -> Vec<Session> {
        let paths = self.paths();
        let signing = paths.iter().map(|path| path.session().clone());
        signing.chain(self.shells()).collect()
    }

    /// Whether it is connected, over metered uplinks alone.
    pub(crate) fn is_metered_only(&self) -> bool {
        let paths = self.paths();
        !paths.is_empty() && paths.iter().all(|path| path.session().is_metered())
    }

    /// By how many seconds its clock is ahead of this one, as of a report that is not old.
    pub(crate) fn clock_offset(&self) -> Option<f64> {
        let last = lock(&self.report);
        let fresh = last.as_ref().filter(|last| last.at.elapsed() < METERED_STALE_AFTER);
        fresh.map(|last| last.offset).filter(|offset| offset.is_finite())
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
        let mut asked: Vec<Arc<Path>> = Vec::new();
        loop {
            let is_new = |path: &Arc<Path>| !asked.iter().any(|before| Arc::ptr_eq(before, path));
            let others: Vec<_> = self.paths_of_others(marks).into_iter().filter(is_new).collect();
            // None has come while those before were asked.
            if others.is_empty() {
                return true;
            }
            let alive: FuturesUnordered<_> = others.iter().map(|path| path.is_alive()).collect();
            if alive.any(|is_alive| async move { is_alive }).await {
                return false;
            }
            asked.extend(others);
        }
    }

    fn paths_of_others(&self, marks: &Marks) -> Vec<Arc<Path>> {
        let is_other =
            |path: &Arc<Path>| path.marks().is_some_and(|other| other.process != marks.process);
        self.paths.all().iter().filter(|path| is_other(path)).cloned().collect()
    }

    /// Notes why a connection was refused, or that one was admitted.
    pub(crate) fn note_refusal(&self, why: Option<String>) {
        *lock(&self.refused) = why;
    }

    /// Why its last connection was refused, if it was.
    pub(crate) fn refusal(&self) -> Option<String> {
        lock(&self.refused).clone()
    }

    /// How many sessions of a service there were since the start.
    pub(crate) fn opened(&self, service: Service) -> u64 {
        match service {
            Service::Signing => self.paths.count.load(Ordering::Relaxed),
            Service::Shell => self.shells.count.load(Ordering::Relaxed),
        }
    }

    /// Notes what it says of itself.
    pub(crate) fn note_report(&self, report: Report) {
        let (at, offset) = (Instant::now(), report.now - seconds_since_1970());
        *lock(&self.report) = Some(LastReport { at, offset, report: Arc::new(report) });
    }

    /// What it last said of itself, and how long ago.
    pub(crate) fn report(&self) -> Option<(Duration, Arc<Report>)> {
        let last = lock(&self.report);
        last.as_ref().map(|last| (last.at.elapsed(), Arc::clone(&last.report)))
    }

    /// Whether it can be asked, as far as is known here.
    pub(crate) fn fact(&self) -> Fact {
        let fact = |state, verdict, line: String| {
            Fact::new("signer", state, verdict, line).about(self.name.clone())
        };
        let paths = self.paths();
        let Some(best) = paths.first() else {
            return match self.refusal() {
                Some(why) => fact("refused", Verdict::Degraded, format!("refused: {why}")),
                None => fact("not_connected", Verdict::Degraded, NOT_CONNECTED.to_owned()),
            };
        };
        if best.is_silent() {
            let line =
                "connected, and nothing is heard over any of its lines: look at them at home"
                    .to_owned();
            return fact("silent", Verdict::Degraded, line);
        }
        // What a signer that says nothing of itself now is known by.
        let connected = |verdict, line: &str| match self.answers.unsigned_lately() {
            Some(count) => fact("not_signing", Verdict::Degraded, not_signing(count)),
            None => fact("connected", verdict, line.to_owned()),
        };
        if !best.session().is_peel() {
            let line = "connected; it is not Peel, and says nothing of its device";
            return connected(Verdict::Good, line);
        }
        let is_metered = best.session().is_metered();
        let stale = if is_metered { METERED_STALE_AFTER } else { STALE_AFTER };
        match self.report() {
            // One that was not ready is not, until it says so.
            Some((age, report)) if age < stale || !report.ready => self.reported(&report, fact),
            Some(_) | None => {
                let line = "connected, and has not said for a while how it is; an older version of Peel does not";
                connected(Verdict::Unknown, line)
            }
        }
    }

    /// One for each of its sessions.
    pub(crate) fn session_facts(&self) -> Vec<Fact> {
        let facts = self.sessions().into_iter().map(|session| {
            let uplink = session.uplink().unwrap_or("any").to_owned();
            let subject = format!("{}_{}_{uplink}_{}", self.name, session.service(), session.id());
            let fact = Fact::new("session", "open", Verdict::Good, "open".to_owned());
            let metered = u8::from(session.is_metered());
            let fact = fact.about(subject).with("metered", metered.into()).logged_elsewhere();
            match session.round_trip() {
                Some(round_trip) => fact.with("round_trip", round_trip.as_secs_f64()),
                None => fact,
            }
        });
        facts.collect()
    }

    /// What it says of itself, and what bakers got of it lately.
    fn reported(
        &self,
        report: &Report,
        fact: impl Fn(&'static str, Verdict, String) -> Fact,
    ) -> Fact {
        let failed = |own: &&Fact| own.verdict == Verdict::Failed;
        let Some(own) = report.facts.iter().find(failed) else {
            return match self.answers.unsigned_lately() {
                None => fact("ready", Verdict::Good, "ok".to_owned()),
                Some(count) => fact("not_signing", Verdict::Degraded, not_signing(count)),
            };
        };
        let line = format!("{}: {}", own.name(), own.line);
        // A key that cannot sign takes no other key's votes away.
        let has_ready_key = report.of_group(KEY).any(Fact::is_good);
        let only_keys = report.facts.iter().filter(failed).all(|own| own.group == KEY);
        let state = if has_ready_key && only_keys { "partly_ready" } else { "not_ready" };
        fact(state, Verdict::Degraded, line)
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
        self.count.fetch_add(1, Ordering::Relaxed);
        self.added.send_replace(());
        Membership { connected: self, is_it }
    }

    fn all(&self) -> MutexGuard<'_, Vec<T>> {
        lock(&self.all)
    }
}

impl<T> Default for Connected<T> {
    fn default() -> Connected<T> {
        let (all, count) = Default::default();
        Connected { all, count, added: watch::Sender::new(()) }
    }
}

impl<T, F: Fn(&T) -> bool> Drop for Membership<'_, T, F> {
    fn drop(&mut self) {
        self.connected.all().retain(|other| !(self.is_it)(other));
    }
}

fn not_signing(count: usize) -> String {
    format!("its last {count} answers were no signatures; its log says why")
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock()
}
