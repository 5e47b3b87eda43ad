//! The owner of a device: a thread, or, for a key in memory, the task of the request.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tezos::{BlsScheme, Curve, Nonce, OperationGroup, Signature};
use watermark::{Decision, Refusal, Store};

use crate::device::{Device, NoSignature};
use crate::error::{Failed, Refused, SignError};
use crate::key::Key;
use crate::made::Made;
use crate::metrics::{Metrics, Stages};
use crate::queue::{Job, Next, Queue};
use crate::signature_log::SignatureLog;
use crate::verifier::{Unverified, Verifier};
use crate::worker_thread::WorkerThread;

/// A device, and what serving its requests needs.
pub(crate) struct Worker {
    pub(crate) device: Box<dyn Device>,
    pub(crate) store: Arc<Store>,
    pub(crate) metrics: Arc<Metrics>,
    /// Verifies its signatures after they were given out; none if they are verified before.
    pub(crate) verifier: Option<Verifier>,
    pub(crate) signature_log: SignatureLog,
}

/// A vote is of use for about 3.5 s: what waited longer is not signed.
pub(crate) const LATE_AFTER: Duration = Duration::from_millis(3500);
/// Waiting, and the slowest device: after this there is an answer in any case.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(12);

impl Worker {
    /// Starts a thread that serves this queue.
    pub(crate) fn start(mut self, queue: Arc<Queue>, name: &str) -> io::Result<WorkerThread> {
        WorkerThread::spawn(name, move || {
            let queue = Abandon(queue);
            self.work(&queue.0);
        })
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
        let pause = self.device.maintain();
        // From the end of the look: one that takes longer than the pause would be due again before any request.
        Instant::now() + pause
    }

    /// See [`Device::prove_possession`].
    pub(crate) fn prove_possession(&self) -> Option<Signature> {
        self.device.prove_possession()
    }

    /// See [`Device::deterministic_nonce`].
    pub(crate) fn deterministic_nonce(&self, data: &[u8]) -> Option<Nonce> {
        self.device.deterministic_nonce(data)
    }

    /// Serves a request, counts it and writes it into the log.
    pub(crate) fn work_on(&mut self, job: &Job) -> Result<Signature, SignError> {
        let started = Instant::now();
        // What the reservation was waited for is the store's.
        let queue = job.asked.elapsed().saturating_sub(job.reserved_in);
        let mut stages = Stages { queue, store: job.reserved_in, ..Stages::default() };
        let outcome = self.serve(job, &mut stages);
        let took = started.elapsed();
        stages.whole = job.asked.elapsed();
        self.metrics.note(&job.key.name, &job.payload, &outcome, &stages);
        self.log(job, &outcome, took, stages.whole);
        match &outcome {
            Ok(Made::Now(_)) => {
                job.key.note_signature(&job.payload, stages.whole);
                job.key.note_form(&job.payload, "signed");
            }
            Err(SignError::Refused(Refused::Watermark(Refusal::UnknownForm { .. }))) => {
                job.key.note_form(&job.payload, "refused");
            }
            Ok(Made::Before(_)) | Err(_) => {}
        }
        outcome.map(Made::signature)
    }

    /// Signs operations of the key's account, counts them and writes them into the log. They have no mark.
    pub(crate) fn sign_operations(
        &self,
        key: &Arc<Key>,
        group: &OperationGroup,
        scheme: BlsScheme,
    ) -> Result<Signature, SignError> {
        let made = key.readiness().map_err(Failed::NotReady).and_then(|()| {
            let refused = || Failed::Device("the key cannot sign operations".to_owned());
            let made = self.device.sign_operations(group, scheme).ok_or_else(refused)?;
            let public_key = key.public_key().ok_or(Failed::WrongSignature)?;
            // Verifying takes longer than a vote may wait; the chain does it, and nothing else depends on it.
            let is_slow = public_key.curve() == Curve::Bls;
            let is_good = is_slow || public_key.verifies(group.bytes(), &made, scheme);
            is_good.then_some(made).ok_or(Failed::WrongSignature)
        });
        let outcome = made.map_err(SignError::from);
        self.metrics.note_operations(&key.name, &outcome);
        let kinds: Vec<&str> = group.contents().iter().map(|content| content.kind.name()).collect();
        let (key, count) = (key.name.as_str(), kinds.len());
        match &outcome {
            Ok(_) => tracing::info!(key, count, first = kinds.first(), "signed operations"),
            Err(error) => tracing::warn!(key, count, "operations failed: {error}"),
        }
        outcome
    }

    /// The one way to a signature of a block or vote. The order of the steps is the promise of this program.
    fn serve(&mut self, job: &Job, stages: &mut Stages) -> Result<Made, SignError> {
        let Job { key, hash, payload, scheme, .. } = job;
        in_time(job)?;
        if let Some(made) = self.store.look(hash, payload).map_err(Refused::Watermark)? {
            return again(job, made);
        }
        key.readiness().map_err(Failed::NotReady)?;
        self.device.takes(payload, *scheme)?;
        self.device.prepare(hash).map_err(Failed::NotReady)?;
        in_time(job)?;
        let deadline = job.asked + LATE_AFTER;
        let marking = Instant::now();
        let permit = match self.store.advance(hash, payload, deadline)? {
            Decision::Again(made) => return again(job, made),
            Decision::Sign(permit) => permit,
        };
        let signing = Instant::now();
        stages.store += signing - marking;
        let made = match self.device.sign(permit, *scheme) {
            Ok(made) => made,
            Err(NoSignature::Declined(error)) => {
                self.store.was_declined(hash, payload);
                return Err(error);
            }
            Err(NoSignature::Unknown(error)) => return Err(error),
        };
        stages.device = signing.elapsed();
        if self.verifier.is_none() {
            check(job, &made)?;
        }
        self.store.keep(hash, payload, &made);
        if let Some(verifier) = &self.verifier {
            let (key, payload, signature) = (Arc::clone(key), payload.clone(), made.clone());
            verifier.verify_later(Unverified { key, payload, scheme: *scheme, signature });
        }
        Ok(Made::Now(made))
    }

    fn log(
        &mut self,
        job: &Job,
        outcome: &Result<Made, SignError>,
        took: Duration,
        whole: Duration,
    ) {
        let mark = job.payload.mark();
        let (level, round) = (u32::from(mark.level), u32::from(mark.round));
        let (kind, ms) = (job.payload.kind(), took.as_millis());
        let (key, waited_ms) = (job.key.name.as_str(), whole.saturating_sub(took).as_millis());
        let name = kind.name();
        match outcome {
            Ok(Made::Now(_)) if self.signature_log.takes(job.hash, kind, whole) => {
                tracing::info!(key, kind = name, level, round, ms, waited_ms, "signed");
            }
            Ok(Made::Now(_)) => {
                tracing::debug!(key, kind = name, level, round, ms, waited_ms, "signed");
            }
            Ok(Made::Before(_)) => {
                tracing::debug!(key, kind = name, level, round, "the same again");
            }
            Err(error) => {
                let (result, reason) = error.labels();
                tracing::warn!(key, kind = name, level, round, reason, "{result}: {error}");
            }
        }
    }
}

/// Nothing is asked of the device for a vote that is of no use any more.
fn in_time(job: &Job) -> Result<(), Failed> {
    let waited = job.asked.elapsed();
    if waited > LATE_AFTER { Err(Failed::Late(waited)) } else { Ok(()) }
}

/// A tz4 key can have signed the same bytes in another form.
fn again(job: &Job, made: Signature) -> Result<Made, SignError> {
    match check(job, &made) {
        Ok(()) => Ok(Made::Before(made)),
        Err(_) => Err(Refused::OtherVersion.into()),
    }
}

fn check(job: &Job, made: &Signature) -> Result<(), Failed> {
    let is_good = job.key.verifies(job.payload.bytes(), made, job.scheme);
    is_good.then_some(()).ok_or(Failed::WrongSignature)
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").finish_non_exhaustive()
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
    use std::sync::Mutex;

    use prometheus_client::registry::Registry;
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use tezos::{ChainId, KeyForm, Kind, Level, Payload, PublicKeyHash, SecretKey, sample_payload};
    use watermark::{Entry, LevelBound, Permit, Records};

    use super::*;
    use crate::device::{ShareKey, SoftwareKey};
    use crate::error::NotReady;
    use crate::policy::Policy;
    use crate::starting;

    const SECRET: &str = "edsk3gUfUPyBSfrS9CCgmCiQsTCHGkviBDusMxDJstFtojtc1zcpsh";

    /// A key in memory that notes what the store said at the moment it was asked.
    struct Spy {
        secret: SecretKey,
        store: Arc<Store>,
        seen: Arc<Mutex<Vec<Entry>>>,
        /// How long it takes to get ready, and to be looked at.
        slow: Duration,
    }

    impl Device for Spy {
        fn takes(&self, _: &Payload, _: BlsScheme) -> Result<(), Refused> {
            Ok(())
        }

        fn prepare(&mut self, _: &PublicKeyHash) -> Result<(), NotReady> {
            std::thread::sleep(self.slow);
            Ok(())
        }

        fn sign(
            &mut self,
            permit: Permit<'_>,
            scheme: BlsScheme,
        ) -> Result<Signature, NoSignature> {
            self.seen.lock().unwrap().extend(self.store.entries());
            Ok(self.secret.sign(permit.payload().bytes(), scheme).unwrap())
        }

        fn maintain(&mut self) -> Duration {
            std::thread::sleep(self.slow);
            self.slow / 2
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
        fn new() -> Fixture {
            Fixture::with(Duration::ZERO)
        }

        /// A store that is closed up to level 99, and a spy in the place of the device, as slow as that.
        fn with(slow: Duration) -> Fixture {
            let folder = tempfile::tempdir().unwrap();
            let secret = SecretKey::from_base58(SECRET).unwrap();
            let path = folder.path().join("watermark.db");
            let floor = Level::try_from(99_i64).ok();
            let _no_start = starting::none();
            let mut records = Records::open_or_create(&path).unwrap();
            records.add(secret.hash(), ChainId::MAINNET, floor).unwrap();
            drop(records);
            let store = Arc::new(Store::open(&path, LevelBound::MAINNET).unwrap());
            let policy = Policy::default();
            let key = Arc::new(Key::new("baker".to_owned(), None, policy));
            key.identify(secret.public_key().clone()).unwrap();
            key.note(Ok(()));
            let seen = Arc::default();
            let spy = Spy { secret, store: Arc::clone(&store), seen: Arc::clone(&seen), slow };
            let worker = Worker {
                device: Box::new(spy),
                store,
                metrics: Arc::new(Metrics::register(&mut Registry::default(), [])),
                verifier: None,
                signature_log: SignatureLog::default(),
            };
            Fixture { folder, worker, key, seen }
        }

        fn serve(&mut self, payload: Payload, asked: Instant) -> Result<Made, SignError> {
            let scheme = BlsScheme::default();
            let (key, hash) = (Arc::clone(&self.key), self.key.hash().unwrap());
            let reserved_in = Duration::ZERO;
            let job = Job { key, hash, payload, scheme, asked, votes_twice: true, reserved_in };
            self.worker.serve(&job, &mut Stages::default())
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
    fn a_request_that_gets_late_while_the_device_gets_ready_moves_no_mark() {
        let mut fixture = Fixture::with(Duration::from_millis(400));
        let late = fixture
            .serve(attestation(100), Instant::now() - LATE_AFTER + Duration::from_millis(300));
        assert!(matches!(late, Err(SignError::Failed(Failed::Late(_)))), "{late:?}");
        assert_eq!(fixture.times_asked(), 0);
        assert!(fixture.worker.store.entries()[0].last(Kind::Attestation).is_none());
    }

    #[test]
    fn a_look_that_takes_longer_than_its_pause_leaves_time_for_requests() {
        let mut fixture = Fixture::with(Duration::from_millis(100));
        let begun = Instant::now();
        assert!(fixture.worker.maintain() - begun >= Duration::from_millis(150));
    }

    #[test]
    fn the_device_is_asked_after_the_mark_is_raised_and_durable() {
        let mut fixture = Fixture::new();
        fixture.serve(attestation(100), Instant::now()).unwrap();
        let seen = fixture.seen.lock().unwrap()[0].clone();
        assert_eq!(seen.last(Kind::Attestation).map(|last| u32::from(last.mark.level)), Some(100));
        // What would be found if the power failed now.
        let reserved = fixture.folder.path().join("watermark.db-reserved");
        let reserved = String::from_utf8(std::fs::read(reserved).unwrap()).unwrap();
        assert!(reserved.contains("\"reserved\":101"), "{reserved}");
    }

    /// As if a request had got to the worker of another key.
    #[test]
    fn a_device_signs_with_the_key_of_the_permit_or_not_at_all() {
        let mut fixture = Fixture::new();
        let secret = SecretKey::generate(Curve::Ed25519, &[7; 32]).unwrap();
        let policy = Policy::default();
        let key = Arc::new(Key::new("other".to_owned(), None, policy));
        fixture.worker.device = Box::new(SoftwareKey { key, secret });
        let outcome = fixture.serve(attestation(100), Instant::now());
        assert!(matches!(outcome, Err(SignError::Failed(Failed::NotReady(_)))), "{outcome:?}");
        let secret = SecretKey::generate(Curve::Bls, &[7; 32]).unwrap();
        let threshold = shares::Threshold::new(2, 2).unwrap();
        let shares = shares::split(&secret, threshold, StdRng::seed_from_u64(1)).unwrap();
        let key = Arc::new(Key::new("shared".to_owned(), None, Policy::default()));
        let share = Box::new(shares[0].clone());
        fixture.worker.device = Box::new(ShareKey { key, share });
        let outcome = fixture.serve(attestation(101), Instant::now());
        assert!(matches!(outcome, Err(SignError::Failed(Failed::NotReady(_)))), "{outcome:?}");
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
        fixture.key.note(Err(NotReady::Locked));
        fixture.serve(attestation(100), Instant::now()).unwrap_err();
        assert!(fixture.worker.store.entries()[0].last(Kind::Attestation).is_none());
    }
}
