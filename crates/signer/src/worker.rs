//! The owner of a device: a thread, or, for a key in memory, the task of the request.

use std::fmt;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tezos::Signature;
use tokio::sync::oneshot;
use watermark::{Decision, Store};

use crate::device::{Device, NoSignature};
use crate::error::{Failed, Refused, SignError};
use crate::key::Key;
use crate::metrics::Metrics;
use crate::queue::{Job, Made, Next, Outcome, Queue};
use crate::verifier::{self, Verifier};

/// A device and its keys.
pub(crate) struct Worker {
    pub(crate) keys: Vec<Arc<Key>>,
    pub(crate) device: Box<dyn Device>,
    pub(crate) store: Arc<Store>,
    pub(crate) metrics: Arc<Metrics>,
    /// Verifies its signatures after they were given out; none if they are verified before.
    pub(crate) verifier: Option<Verifier>,
}

/// A worker that runs in its thread.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) thread: JoinHandle<()>,
    /// Resolves when the thread ends, however it does.
    pub(crate) ended: oneshot::Receiver<()>,
}

/// A vote is of use for about 3.5 s: what waited longer is not signed.
pub(crate) const LATE_AFTER: Duration = Duration::from_millis(3500);
/// Waiting, and the slowest device: after this there is an answer in any case.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(12);

impl Worker {
    /// Starts a thread that serves this queue.
    pub(crate) fn start(mut self, queue: Arc<Queue>, name: &str) -> std::io::Result<Running> {
        let (running, ended) = oneshot::channel();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let _ends_with_the_thread = running;
            let queue = Abandon(queue);
            self.work(&queue.0);
        })?;
        Ok(Running { thread, ended })
    }

    fn work(&mut self, queue: &Queue) {
        let mut maintain_at = self.maintain();
        loop {
            if !self.device.is_connected() && maintain_at <= Instant::now() {
                maintain_at = self.maintain();
            }
            match queue.next(maintain_at) {
                Next::Job(job) => {
                    let was_connected = self.device.is_connected();
                    queue.finish(&self.work_on(&job));
                    if was_connected && !self.device.is_connected() {
                        maintain_at = Instant::now();
                    }
                }
                Next::Idle => maintain_at = self.maintain(),
                Next::Closed => return,
            }
        }
    }

    /// Maintains the device; gives when to do it again.
    pub(crate) fn maintain(&mut self) -> Instant {
        let pause = self.device.maintain(&self.keys);
        Instant::now() + pause
    }

    /// See [`Device::prove_possession`].
    pub(crate) fn prove_possession(&self) -> Option<Signature> {
        self.device.prove_possession()
    }

    /// Serves a request, counts it and writes it into the log.
    pub(crate) fn work_on(&mut self, job: &Job) -> Outcome {
        let started = Instant::now();
        let Some(key) = self.keys.get(job.key).map(Arc::clone) else {
            // Cannot be: the API and the worker were built from the same list.
            return Err(Failed::Stopping.into());
        };
        let outcome = self.serve(&key, job);
        let took = started.elapsed();
        self.metrics.note(&key.name, &job.payload, &outcome, took);
        log(&key, job, &outcome, took);
        outcome
    }

    /// The one way to a signature. The order of the steps is the promise of this program.
    fn serve(&mut self, key: &Arc<Key>, job: &Job) -> Outcome {
        let waited = job.asked.elapsed();
        if waited > LATE_AFTER {
            return Err(Failed::Late(waited).into());
        }
        let hash = key.hash().ok_or_else(|| not_ready(key))?;
        if let Some(made) = self.store.look(&hash, &job.payload).map_err(Refused::Watermark)? {
            return again(key, job, made);
        }
        key.readiness().map_err(Failed::NotReady)?;
        self.device.takes(&job.payload, job.scheme)?;
        self.device.prepare(job.key, key).map_err(Failed::NotReady)?;
        let deadline = job.asked + LATE_AFTER;
        let permit = match self.store.advance(&hash, &job.payload, deadline)? {
            Decision::Again(made) => return again(key, job, made),
            Decision::Sign(permit) => permit,
        };
        let made = match self.device.sign(job.key, key, permit, job.scheme) {
            Ok(made) => made,
            Err(NoSignature::Declined(error)) => {
                self.store.was_declined(&hash, &job.payload);
                return Err(error);
            }
            Err(NoSignature::Unknown(error)) => return Err(error),
        };
        if self.verifier.is_none() {
            check(key, job, &made)?;
        }
        self.store.keep(&hash, &job.payload, &made);
        if let Some(verifier) = &self.verifier {
            let (key, payload, signature) = (Arc::clone(key), job.payload.clone(), made.clone());
            verifier.verify_later(verifier::Made { key, payload, scheme: job.scheme, signature });
        }
        Ok(Made::Now(made))
    }
}

fn not_ready(key: &Key) -> SignError {
    match key.readiness() {
        Ok(()) => Failed::Stopping.into(),
        Err(state) => Failed::NotReady(state).into(),
    }
}

/// A tz4 key can have signed the same bytes in another form.
fn again(key: &Key, job: &Job, made: Signature) -> Outcome {
    match check(key, job, &made) {
        Ok(()) => Ok(Made::Before(made)),
        Err(_) => Err(Refused::OtherVersion.into()),
    }
}

fn check(key: &Key, job: &Job, made: &Signature) -> Result<(), Failed> {
    let public_key = key.public_key().ok_or(Failed::WrongSignature)?;
    if public_key.verifies(job.payload.bytes(), made, job.scheme) {
        Ok(())
    } else {
        Err(Failed::WrongSignature)
    }
}

fn log(key: &Key, job: &Job, outcome: &Outcome, took: Duration) {
    let mark = job.payload.mark();
    let (level, round) = (u32::from(mark.level), u32::from(mark.round));
    let (kind, ms) = (job.payload.kind().name(), took.as_millis());
    let (key, waited_ms) =
        (key.name.as_str(), job.asked.elapsed().saturating_sub(took).as_millis());
    match outcome {
        Ok(Made::Now(_)) => tracing::info!(key, kind, level, round, ms, waited_ms, "signed"),
        Ok(Made::Before(_)) => tracing::debug!(key, kind, level, round, "the same again"),
        Err(error) => {
            let (result, reason) = error.labels();
            tracing::warn!(key, kind, level, round, reason, "{result}: {error}");
        }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("keys", &self.keys).finish_non_exhaustive()
    }
}

/// Fails the requests that wait when the worker ends, also when it panics.
struct Abandon(Arc<Queue>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Mutex;

    use prometheus_client::registry::Registry;
    use tezos::{BlsScheme, ChainId, KeyForm, Kind, Level, Payload, SecretKey, sample_payload};
    use watermark::{Entry, LevelBound, Permit, Records};

    use super::*;
    use crate::policy::Policy;

    const SECRET: &str = "edsk3gUfUPyBSfrS9CCgmCiQsTCHGkviBDusMxDJstFtojtc1zcpsh";

    /// A key in memory that notes what the store said at the moment it was asked.
    struct Spy {
        secret: SecretKey,
        store: Arc<Store>,
        seen: Arc<Mutex<Vec<Entry>>>,
    }

    impl Device for Spy {
        fn takes(&self, _: &Payload, _: BlsScheme) -> Result<(), Refused> {
            Ok(())
        }

        fn sign(
            &mut self,
            _: usize,
            _: &Key,
            permit: Permit<'_>,
            scheme: BlsScheme,
        ) -> Result<Signature, NoSignature> {
            self.seen.lock().unwrap().extend(self.store.entries());
            Ok(self.secret.sign(permit.payload().bytes(), scheme).unwrap())
        }

        fn maintain(&mut self, _: &[Arc<Key>]) -> Duration {
            Duration::from_secs(3600)
        }

        fn kinds_in_order(&self) -> bool {
            false
        }

        fn is_connected(&self) -> bool {
            true
        }
    }

    struct Fixture {
        folder: tempfile::TempDir,
        worker: Worker,
        key: Arc<Key>,
        seen: Arc<Mutex<Vec<Entry>>>,
    }

    impl Fixture {
        /// A store that is closed up to level 99, and a spy in the place of the device.
        fn new() -> Fixture {
            let folder = tempfile::tempdir().unwrap();
            let secret = SecretKey::from_base58(SECRET).unwrap();
            let path = folder.path().join("watermark.db");
            let floor = Level::try_from(99_i64).ok();
            let mut records = Records::open_or_create(&path).unwrap();
            records.add(secret.hash(), ChainId::MAINNET, floor).unwrap();
            drop(records);
            let store = Arc::new(Store::open(&path, LevelBound::MAINNET).unwrap());
            let policy = Policy { chains: BTreeSet::new(), kinds: BTreeSet::new() };
            let key = Arc::new(Key::new("baker".to_owned(), None, policy));
            key.identify(secret.public_key().clone()).unwrap();
            key.note(Ok(()));
            let seen = Arc::default();
            let spy = Spy { secret, store: Arc::clone(&store), seen: Arc::clone(&seen) };
            let worker = Worker {
                keys: vec![Arc::clone(&key)],
                device: Box::new(spy),
                store,
                metrics: Arc::new(Metrics::register(&mut Registry::default())),
                verifier: None,
            };
            Fixture { folder, worker, key, seen }
        }

        fn serve(&mut self, payload: Payload, asked: Instant) -> Outcome {
            let scheme = BlsScheme::default();
            let job = Job { key: 0, payload, scheme, asked, votes_twice: true };
            let key = Arc::clone(&self.key);
            self.worker.serve(&key, &job)
        }

        fn times_asked(&self) -> usize {
            self.seen.lock().unwrap().len()
        }
    }

    fn attestation(level: u32) -> Payload {
        let bytes = sample_payload(Kind::Attestation, level, 0, 1);
        Payload::parse(&bytes, KeyForm::Slot).unwrap()
    }

    #[test]
    fn a_late_request_moves_no_mark() {
        let mut fixture = Fixture::new();
        let long_ago = Instant::now() - LATE_AFTER - Duration::from_millis(1);
        let late = fixture.serve(attestation(100), long_ago);
        assert!(matches!(late, Err(SignError::Failed(Failed::Late(_)))), "{late:?}");
        assert_eq!(fixture.times_asked(), 0);
        assert!(fixture.worker.store.entries()[0].last(Kind::Attestation).is_none());
        assert!(matches!(fixture.serve(attestation(100), Instant::now()), Ok(Made::Now(_))));
    }

    #[test]
    fn the_device_is_asked_after_the_mark_is_raised_and_durable() {
        let mut fixture = Fixture::new();
        fixture.serve(attestation(100), Instant::now()).unwrap();
        let seen = fixture.seen.lock().unwrap()[0].clone();
        assert_eq!(seen.last(Kind::Attestation).map(|last| u32::from(last.mark.level)), Some(100));
        // What another process would find if the power failed now; the log is written back soon.
        let (path, copy) =
            (fixture.folder.path().join("watermark.db"), fixture.folder.path().join("copy.db"));
        let floor = || {
            std::fs::copy(&path, &copy).unwrap();
            Records::open(&copy).ok().and_then(|records| records.entries()[0].floor)
        };
        let end = Instant::now() + Duration::from_secs(10);
        while floor() < Level::try_from(100_i64).ok() {
            assert!(Instant::now() < end, "it is not durable");
        }
    }

    #[test]
    fn a_repeat_does_not_come_to_the_device() {
        let mut fixture = Fixture::new();
        let first = fixture.serve(attestation(100), Instant::now()).unwrap().signature();
        let second = fixture.serve(attestation(100), Instant::now());
        assert_eq!(second, Ok(Made::Before(first)));
        assert_eq!(fixture.times_asked(), 1);
    }

    #[test]
    fn a_device_that_is_not_ready_moves_no_mark() {
        let mut fixture = Fixture::new();
        fixture.key.note(Err(crate::NotReady::Locked));
        fixture.serve(attestation(100), Instant::now()).unwrap_err();
        assert!(fixture.worker.store.entries()[0].last(Kind::Attestation).is_none());
    }
}
