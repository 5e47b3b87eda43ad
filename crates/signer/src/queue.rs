//! What waits for a device: few, ordered, and each only once.
//!
//! Ordered by level, round and kind, for a Ledger has one mark for all kinds: a late attestation for
//! level L is signed before a block for L + 1. A repeat of the same bytes joins the request that
//! waits or runs, and all of them get its answer.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tezos::{BlsScheme, Digest, Kind, Mark, Payload, Signature};
use tokio::sync::oneshot;

use crate::error::{Failed, SignError};

/// What becomes of a request.
pub(crate) type Outcome = Result<Signature, SignError>;

/// The queue in front of one worker.
#[derive(Debug)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: BTreeMap<Order, (Job, Vec<Reply>)>,
    running: Option<(Identity, Vec<Reply>)>,
    closed: bool,
    sequence: u64,
    beat: Option<Instant>,
}

/// Which comes first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Order(Mark, Kind, u64);

/// What makes two requests the same.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Identity(usize, Digest, BlsScheme);

type Reply = oneshot::Sender<Outcome>;

/// One thing to sign.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    /// The key's place among those of the worker.
    pub(crate) key: usize,
    pub(crate) payload: Payload,
    pub(crate) scheme: BlsScheme,
    /// When the last of those who ask for it came.
    pub(crate) asked: Instant,
}

/// What the worker does next.
#[derive(Debug)]
pub(crate) enum Next {
    /// Sign this, then say [`Queue::finish`].
    Job(Box<Job>),
    /// Nothing came until the time that was named.
    Idle,
    /// The queue is closed and empty.
    Closed,
}

/// Far more than one baker asks for at once.
const CAPACITY: usize = 64;

impl Queue {
    pub(crate) fn new() -> Queue {
        Queue { inner: Mutex::default(), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a request, or joins the same one that waits or runs.
    pub(crate) fn submit(
        &self,
        key: usize,
        payload: Payload,
        scheme: BlsScheme,
    ) -> Result<oneshot::Receiver<Outcome>, Failed> {
        let (reply, answer) = oneshot::channel();
        let job = Job { key, payload, scheme, asked: Instant::now() };
        let mut inner = self.lock();
        let reply = match inner.join(&job, reply) {
            Joined::Yes => return Ok(answer),
            Joined::No(reply) => reply,
        };
        if inner.closed {
            return Err(Failed::Stopping);
        }
        if inner.waiting.len() >= CAPACITY {
            return Err(Failed::Busy);
        }
        inner.sequence += 1;
        let order = Order(job.payload.mark(), job.payload.kind(), inner.sequence);
        inner.waiting.insert(order, (job, vec![reply]));
        self.changed.notify_all();
        Ok(answer)
    }

    /// The first in order; waits for one until `until`.
    pub(crate) fn next(&self, until: Instant) -> Next {
        let mut inner = self.lock();
        inner.beat = Some(Instant::now());
        loop {
            if let Some((_, (job, replies))) = inner.waiting.pop_first() {
                inner.running = Some((job.identity(), replies));
                return Next::Job(Box::new(job));
            }
            if inner.closed {
                return Next::Closed;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Next::Idle;
            }
            let waited = self.changed.wait_timeout(inner, left);
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Answers everybody who asked for what was running.
    pub(crate) fn finish(&self, outcome: &Outcome) {
        let running = self.lock().running.take();
        for reply in running.into_iter().flat_map(|(_, replies)| replies) {
            // Whoever does not wait any more has hung up.
            let _ = reply.send(outcome.clone());
        }
    }

    /// Takes no new requests; those that wait are still served.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// The worker is gone: whoever waits is told so.
    pub(crate) fn abandon(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        inner.waiting.clear();
        inner.running = None;
    }

    /// When the worker last came for work; the present, before it ever did.
    pub(crate) fn last_beat(&self) -> Instant {
        self.lock().beat.unwrap_or_else(Instant::now)
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().waiting.len()
    }
}

enum Joined {
    Yes,
    No(Reply),
}

impl Inner {
    fn join(&mut self, job: &Job, reply: Reply) -> Joined {
        let identity = job.identity();
        if let Some((running, replies)) = &mut self.running
            && *running == identity
        {
            replies.push(reply);
            return Joined::Yes;
        }
        let same = |(waiting, _): &&mut (Job, Vec<Reply>)| waiting.identity() == identity;
        match self.waiting.values_mut().find(same) {
            Some((waiting, replies)) => {
                waiting.asked = job.asked;
                replies.push(reply);
                Joined::Yes
            }
            None => Joined::No(reply),
        }
    }
}

impl Job {
    fn identity(&self) -> Identity {
        Identity(self.key, *self.payload.digest(), self.scheme)
    }
}
