//! Dispatches the requests for a key: to the thread that owns its device, or, for a key in memory, to no thread at
//! all.
//!
//! A signature in memory takes less time than waking another thread, twice, on a machine that idles
//! between two levels. Only the disk can make it wait, and then it waits off the runtime's thread.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tezos::{BlsScheme, Nonce, OperationGroup, Signature};
use watermark::{Reservation, Store};

use crate::error::{Failed, Refused, SignError};
use crate::key::Key;
use crate::metrics::Metrics;
use crate::queue::{Job, Queue};
use crate::worker::{ANSWER_LIMIT, LATE_AFTER, Worker};

/// How the requests for a key are served.
#[derive(Debug, Clone)]
pub(crate) enum Dispatch {
    /// By the thread that owns the device.
    Thread(Arc<Queue>),
    /// In the task of the request.
    InPlace(Arc<InPlace>),
}

/// A worker without a thread.
#[derive(Debug)]
pub(crate) struct InPlace {
    worker: Mutex<Worker>,
    store: Arc<Store>,
}

const ONLY_IN_MEMORY: &str = "only keys in memory sign operations";

impl Dispatch {
    /// Signs a payload, or gives the reason why not, in bounded time.
    pub(crate) async fn sign(&self, job: Job, metrics: &Metrics) -> Result<Signature, SignError> {
        let (key, kind) = (Arc::clone(&job.key), job.payload.kind());
        let served = match self {
            Dispatch::InPlace(in_place) => in_place.sign(job).await,
            Dispatch::Thread(queue) => wait_for(queue, job).await,
        };
        served.unwrap_or_else(|failed| {
            let error = SignError::from(failed);
            metrics.note_unserved(&key.name, Some(kind), &error);
            Err(error)
        })
    }

    /// Signs operations, which no device but a key in memory does.
    pub(crate) fn sign_operations(
        &self,
        key: &Arc<Key>,
        group: &OperationGroup,
        scheme: BlsScheme,
    ) -> Result<Signature, SignError> {
        match self {
            Dispatch::Thread(_) => Err(Refused::ByDevice(ONLY_IN_MEMORY.to_owned()).into()),
            Dispatch::InPlace(in_place) => {
                in_place.worker.lock().sign_operations(key, group, scheme)
            }
        }
    }

    /// The proof of possession of a key in memory; none for any other.
    pub(crate) fn prove_possession(&self) -> Option<Signature> {
        match self {
            Dispatch::Thread(_) => None,
            Dispatch::InPlace(in_place) => in_place.worker.lock().prove_possession(),
        }
    }

    /// The nonce that a key in memory derives from data; none for any other.
    pub(crate) fn deterministic_nonce(&self, data: &[u8]) -> Option<Nonce> {
        match self {
            Dispatch::Thread(_) => None,
            Dispatch::InPlace(in_place) => in_place.worker.lock().deterministic_nonce(data),
        }
    }

    /// How many requests wait.
    pub(crate) fn waiting(&self) -> usize {
        match self {
            Dispatch::Thread(queue) => queue.len(),
            Dispatch::InPlace(_) => 0,
        }
    }
}

impl InPlace {
    pub(crate) fn new(mut worker: Worker) -> InPlace {
        worker.maintain();
        let store = Arc::clone(&worker.store);
        InPlace { worker: Mutex::new(worker), store }
    }

    async fn sign(&self, mut job: Job) -> Result<Served, Failed> {
        if self.store.request_reservation(&job.hash, &job.payload) == Reservation::Requested {
            let (store, hash, payload) = (Arc::clone(&self.store), job.hash, job.payload.clone());
            let deadline = job.asked + LATE_AFTER;
            let waiting = move || store.await_reserved(&hash, &payload, deadline);
            let begun = Instant::now();
            match tokio::task::spawn_blocking(waiting).await {
                Ok(reserved) => reserved.map_err(Failed::Store)?,
                Err(_) => return Err(Failed::Stopping),
            }
            job.reserved_in = begun.elapsed();
        }
        Ok(self.worker.lock().work_on(&job))
    }
}

/// What a worker made of a request; it has counted it.
type Served = Result<Signature, SignError>;

/// Waits for the thread of this queue. Fails when the request did not come to it, or is not answered in time.
async fn wait_for(queue: &Queue, job: Job) -> Result<Served, Failed> {
    let answer = queue.submit(job)?;
    match tokio::time::timeout(ANSWER_LIMIT, answer).await {
        Ok(Ok(served)) => Ok(served),
        Ok(Err(_)) => Err(Failed::Stopping),
        Err(_) => Err(Failed::NoAnswer),
    }
}
