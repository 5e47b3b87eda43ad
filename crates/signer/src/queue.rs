//! The requests that wait for a device: few, ordered, and each only once.
//!
//! Ordered by level, round and kind, for a Ledger has one mark for all kinds: a late attestation for
//! level L is signed before a block for L + 1. A baker asks for both votes of a round at once, and
//! either may come first: a device that signs no preattestation after the attestation has the
//! attestation held back for a moment, until the preattestation has come or is not to be expected.
//! A repeat of the same bytes joins the request that
//! waits or runs, and all of them get its answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use tezos::{BlsScheme, ChainId, Digest, Kind, Mark, Payload, PublicKeyHash, Signature};
use tokio::sync::oneshot;

use crate::error::{Failed, SignError};
use crate::key::Key;

/// The queue in front of one worker.
#[derive(Debug)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    changed: Condvar,
    /// How long an attestation waits for its preattestation.
    hold: Duration,
}

#[derive(Debug)]
struct Inner {
    waiting: BTreeMap<Order, Waiting>,
    /// The mark of the last preattestation that went to the device, by key and chain.
    preattested: BTreeMap<(PublicKeyHash, ChainId), Mark>,
    running: Option<(Identity, Vec<Reply>)>,
    closed: bool,
    sequence: u64,
    beat: Instant,
}

#[derive(Debug)]
struct Waiting {
    job: Job,
    replies: Vec<Reply>,
    since: Instant,
}

/// Which comes first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Order(Mark, Kind, u64);

/// What makes two requests the same.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Identity(PublicKeyHash, Digest, BlsScheme);

type Reply = oneshot::Sender<Result<Signature, SignError>>;

/// Resolves when the request was served; dropped by the queue when the worker has ended.
pub(crate) type Response = oneshot::Receiver<Result<Signature, SignError>>;

/// One thing to sign.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) key: Arc<Key>,
    /// Of `key`: which one the permit will be for.
    pub(crate) hash: PublicKeyHash,
    pub(crate) payload: Payload,
    pub(crate) scheme: BlsScheme,
    /// When the last request for it came.
    pub(crate) asked: Instant,
    /// The key signs preattestations too: before an attestation, one is to be expected.
    pub(crate) votes_twice: bool,
    /// How long its level's reservation was waited for, before it came to the worker.
    pub(crate) reserved_in: Duration,
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
/// For no longer does anything stand behind attestations that wait for theirs, one after the other.
const BEHIND_HELD: Duration = Duration::from_secs(1);
/// More than the two requests are apart, also when the packet of one was lost: TCP sends it again after 200 ms. And little
/// beside the time in which a vote is of use.
const HOLD: Duration = Duration::from_millis(250);

impl Queue {
    /// For a device that signs the kinds of one mark only in their order, or in any.
    pub(crate) fn new(kinds_in_order: bool) -> Queue {
        let hold = if kinds_in_order { HOLD } else { Duration::ZERO };
        Queue { inner: Mutex::new(Inner::new()), changed: Condvar::new(), hold }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }

    /// Adds a request, or joins the same one that waits or runs.
    pub(crate) fn submit(&self, job: Job) -> Result<Response, Failed> {
        let (reply, answer) = oneshot::channel();
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
        let waiting = Waiting { since: job.asked, job, replies: vec![reply] };
        inner.waiting.insert(order, waiting);
        self.changed.notify_all();
        Ok(answer)
    }

    /// The first in order; waits for one until `until`.
    pub(crate) fn next(&self, until: Instant) -> Next {
        let mut inner = self.lock();
        inner.beat = Instant::now();
        loop {
            let due = inner.first_is_due(self.hold);
            let now = Instant::now();
            if due.is_some_and(|due| due <= now || inner.closed)
                && let Some(job) = inner.start_first()
            {
                return Next::Job(Box::new(job));
            }
            if inner.closed {
                return Next::Closed;
            }
            if until <= now {
                return Next::Idle;
            }
            let left = due.unwrap_or(until).min(until).saturating_duration_since(now);
            self.changed.wait_for(&mut inner, left);
        }
    }

    /// Answers all requests for the job that was running.
    pub(crate) fn finish(&self, result: &Result<Signature, SignError>) {
        let running = self.lock().running.take();
        for reply in running.into_iter().flat_map(|(_, replies)| replies) {
            // A request that is not waited for any more has been dropped.
            let _ = reply.send(result.clone());
        }
    }

    /// Takes no new requests; those that wait are still served.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// The worker has ended: all requests that wait fail.
    pub(crate) fn abandon(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        inner.waiting.clear();
        drop(inner);
        // What was with the device may have been signed: not to be asked again.
        self.finish(&Err(Failed::NoAnswer.into()));
    }

    /// When the worker last came for work; before it ever did, when the queue was made.
    pub(crate) fn last_beat(&self) -> Instant {
        self.lock().beat
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
    fn new() -> Inner {
        Inner {
            waiting: BTreeMap::new(),
            preattested: BTreeMap::new(),
            running: None,
            closed: false,
            sequence: 0,
            beat: Instant::now(),
        }
    }

    fn join(&mut self, job: &Job, reply: Reply) -> Joined {
        let identity = job.identity();
        if let Some((running, replies)) = &mut self.running
            && *running == identity
        {
            replies.push(reply);
            return Joined::Yes;
        }
        match self.waiting.values_mut().find(|waiting| waiting.job.identity() == identity) {
            Some(waiting) => {
                waiting.job.asked = job.asked;
                waiting.replies.push(reply);
                Joined::Yes
            }
            None => Joined::No(reply),
        }
    }

    /// When the first in order may go to the device; none when nothing waits.
    fn first_is_due(&self, hold: Duration) -> Option<Instant> {
        let first = self.waiting.first_key_value().map(|(_, first)| first)?;
        let (kind, mark) = (first.job.payload.kind(), first.job.payload.mark());
        let of = (first.job.hash, first.job.payload.chain());
        let preattested = self.preattested.get(&of) >= Some(&mark);
        let held = kind == Kind::Attestation && first.job.votes_twice && !preattested;
        let oldest = self.waiting.values().map(|waiting| waiting.since).min()?;
        Some(if held { (first.since + hold).min(oldest + BEHIND_HELD) } else { first.since })
    }

    fn start_first(&mut self) -> Option<Job> {
        let (Order(mark, kind, _), Waiting { job, replies, .. }) = self.waiting.pop_first()?;
        if kind == Kind::Preattestation {
            let last = self.preattested.entry((job.hash, job.payload.chain())).or_insert(mark);
            *last = mark.max(*last);
        }
        self.running = Some((job.identity(), replies));
        Some(job)
    }
}

impl Job {
    fn identity(&self) -> Identity {
        Identity(self.hash, *self.payload.digest(), self.scheme)
    }
}

#[cfg(test)]
mod tests {

    use tezos::{KeyForm, sample_payload};

    use super::*;
    use crate::policy::Policy;

    fn vote(kind: Kind, level: u32, variant: u8) -> Payload {
        Payload::parse(&sample_payload(kind, level, 0, variant), KeyForm::Slot).unwrap()
    }

    fn preattestation(level: u32) -> Payload {
        vote(Kind::Preattestation, level, 0)
    }

    fn attestation(level: u32) -> Payload {
        vote(Kind::Attestation, level, 0)
    }

    fn ask(queue: &Queue, payload: Payload) -> Result<Response, Failed> {
        let scheme = BlsScheme::default();
        let hash = "tz1KqTpEZ7Yob7QbPE4Hy4Wo8fHG8LhKxZSx".parse().unwrap();
        let policy = Policy::default();
        let key = Arc::new(Key::new("baker".to_owned(), Some(hash), policy));
        let asked = Instant::now();
        let reserved_in = Duration::ZERO;
        queue.submit(Job { key, hash, payload, scheme, asked, votes_twice: true, reserved_in })
    }

    fn next(queue: &Queue) -> Option<(Kind, u32)> {
        match queue.next(Instant::now()) {
            Next::Job(job) => Some((job.payload.kind(), job.payload.mark().level.into())),
            Next::Idle | Next::Closed => None,
        }
    }

    #[test]
    fn what_is_first_on_the_chain_is_signed_first() {
        let queue = Queue::new(false);
        let asked = [attestation(11), preattestation(11), attestation(10)]
            .map(|payload| ask(&queue, payload));
        assert_eq!(next(&queue), Some((Kind::Attestation, 10)));
        assert_eq!(next(&queue), Some((Kind::Preattestation, 11)));
        assert_eq!(next(&queue), Some((Kind::Attestation, 11)));
        drop(asked);
    }

    #[test]
    fn an_attestation_waits_for_its_preattestation() {
        let queue = Queue { hold: Duration::from_secs(60), ..Queue::new(true) };
        let first = ask(&queue, attestation(10));
        assert_eq!(next(&queue), None, "it is held");
        let second = ask(&queue, preattestation(10));
        assert_eq!(next(&queue), Some((Kind::Preattestation, 10)));
        assert_eq!(next(&queue), Some((Kind::Attestation, 10)));
        drop((first, second));
    }

    #[test]
    fn an_attestation_alone_is_signed_all_the_same() {
        let queue = Queue::new(true);
        let asked = ask(&queue, attestation(10));
        let job = queue.next(Instant::now() + Duration::from_secs(20));
        assert!(matches!(job, Next::Job(_)), "{job:?}");
        drop(asked);
    }

    /// Each of them would be held for as long as nothing is known of its preattestation, and comes before all that wait.
    #[test]
    fn many_attestations_without_preattestations_do_not_hold_up_what_is_behind_them() {
        let queue = Queue { hold: Duration::from_secs(60), ..Queue::new(true) };
        let behind = ask(&queue, preattestation(100));
        let long_ago = Instant::now() - BEHIND_HELD;
        queue.lock().waiting.values_mut().for_each(|waiting| waiting.since = long_ago);
        let held: Vec<_> = (10..13).map(|level| ask(&queue, attestation(level))).collect();
        for level in 10..13 {
            assert_eq!(next(&queue), Some((Kind::Attestation, level)));
        }
        assert_eq!(next(&queue), Some((Kind::Preattestation, 100)));
        drop((behind, held));
    }

    #[test]
    fn a_full_queue_is_busy() {
        let queue = Queue::new(false);
        let asked: Vec<_> = (0..64).map(|level| ask(&queue, attestation(level))).collect();
        assert!(asked.iter().all(Result::is_ok));
        assert_eq!(ask(&queue, attestation(64)).err(), Some(Failed::Busy));
        assert!(ask(&queue, attestation(0)).is_ok(), "a repeat takes no slot");
    }

    #[test]
    fn equal_requests_get_the_same_answer() {
        let queue = Queue::new(false);
        let mut waiting = ask(&queue, attestation(1)).unwrap();
        let Next::Job(_) = queue.next(Instant::now()) else { unreachable!("it waits") };
        let mut joined = ask(&queue, attestation(1)).unwrap();
        let mut other = ask(&queue, vote(Kind::Attestation, 1, 9)).unwrap();
        queue.finish(&Err(Failed::WrongSignature.into()));
        let outcome = Ok(Err(Failed::WrongSignature.into()));
        assert_eq!(waiting.try_recv(), outcome);
        assert_eq!(joined.try_recv(), outcome);
        assert!(other.try_recv().is_err(), "other bytes are another request");
    }

    #[test]
    fn when_the_worker_dies_what_it_had_is_not_to_be_asked_again() {
        let queue = Queue::new(false);
        let mut running = ask(&queue, attestation(1)).unwrap();
        let mut waiting = ask(&queue, attestation(2)).unwrap();
        let Next::Job(_) = queue.next(Instant::now()) else { unreachable!("it waits") };
        queue.abandon();
        assert_eq!(running.try_recv(), Ok(Err(Failed::NoAnswer.into())));
        assert_eq!(waiting.try_recv(), Err(oneshot::error::TryRecvError::Closed), "stopping: 502");
    }

    #[test]
    fn a_closed_queue_serves_what_waits_and_takes_nothing_new() {
        let queue = Queue::new(true);
        let waits = ask(&queue, attestation(1));
        queue.close();
        assert_eq!(ask(&queue, attestation(2)).err(), Some(Failed::Stopping));
        assert_eq!(next(&queue), Some((Kind::Attestation, 1)));
        queue.finish(&Err(Failed::Stopping.into()));
        assert!(matches!(queue.next(Instant::now()), Next::Closed));
        drop(waits);
    }
}
