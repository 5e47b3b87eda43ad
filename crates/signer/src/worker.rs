//! The thread that owns a device.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tezos::Signature;
use tokio::sync::oneshot;
use watermark::{Leave, Store};

use crate::device::Device;
use crate::error::{Failed, Refused, SignError};
use crate::keyring::Key;
use crate::metrics::Metrics;
use crate::queue::{Job, Made, Next, Outcome, Queue};

/// A device, its keys, and what waits for it.
pub(crate) struct Worker {
    pub(crate) queue: Arc<Queue>,
    pub(crate) keys: Vec<Arc<Key>>,
    pub(crate) device: Box<dyn Device>,
    pub(crate) store: Arc<Store>,
    pub(crate) metrics: Arc<Metrics>,
}

/// A worker that runs in its thread.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) thread: JoinHandle<()>,
    /// Resolves when the thread ends, however it does.
    pub(crate) ended: oneshot::Receiver<()>,
}

/// A vote is of use for about 3.5 s: what waited longer is not signed.
const LATE_AFTER: Duration = Duration::from_millis(3500);
/// Waiting, and the slowest device: after this there is an answer in any case.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(12);

impl Worker {
    /// Starts the thread.
    pub(crate) fn start(mut self, name: &str) -> std::io::Result<Running> {
        let (running, ended) = oneshot::channel();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let _ends_with_the_thread = running;
            let queue = Abandon(Arc::clone(&self.queue));
            self.work();
            drop(queue);
        })?;
        Ok(Running { thread, ended })
    }

    fn work(&mut self) {
        let mut tend_at = self.tend();
        loop {
            if !self.device.is_connected() && tend_at <= Instant::now() {
                tend_at = self.tend();
            }
            match self.queue.next(tend_at) {
                Next::Job(job) => {
                    self.work_on(&job);
                    if !self.device.is_connected() {
                        tend_at = Instant::now();
                    }
                }
                Next::Idle => tend_at = self.tend(),
                Next::Closed => return,
            }
        }
    }

    fn tend(&mut self) -> Instant {
        let pause = self.device.tend(&self.keys);
        Instant::now() + pause
    }

    fn work_on(&mut self, job: &Job) {
        let started = Instant::now();
        let Some(key) = self.keys.get(job.key).map(Arc::clone) else {
            // Cannot be: the API and the worker were built from the same list.
            return self.queue.finish(&Err(Failed::Stopping.into()));
        };
        let outcome = self.serve(&key, job);
        let took = started.elapsed();
        self.queue.finish(&outcome);
        self.metrics.note(&key.name, &job.payload, &outcome, took);
        log(&key, job, &outcome, took);
    }

    /// The one way to a signature. The order of the steps is the promise of this program.
    fn serve(&mut self, key: &Key, job: &Job) -> Outcome {
        let waited = job.asked.elapsed();
        if waited > LATE_AFTER {
            return Err(Failed::Late(waited).into());
        }
        let hash = key.hash().ok_or_else(|| not_ready(key))?;
        if let Some(made) = self.store.look(&hash, &job.payload).map_err(Refused::Watermark)? {
            return again(key, job, made);
        }
        key.readiness().map_err(Failed::NotReady)?;
        let deadline = job.asked + LATE_AFTER;
        let permit = match self.store.advance(&hash, &job.payload, deadline)? {
            Leave::Again(made) => return again(key, job, made),
            Leave::Sign(permit) => permit,
        };
        let made = self.device.sign(job.key, key, permit, job.scheme)?;
        check(key, job, &made)?;
        self.store.keep(&hash, &job.payload, &made);
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
        Ok(Made::Before(_)) => tracing::info!(key, kind, level, round, "the same again"),
        Err(error) => {
            let (result, reason) = error.labels();
            tracing::warn!(key, kind, level, round, reason, "{result}: {error}");
        }
    }
}

/// Tells whoever waits that the worker is gone, also when it panicked.
struct Abandon(Arc<Queue>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.abandon();
    }
}
