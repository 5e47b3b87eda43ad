//! The limit on the connections of a listener.
//!
//! When all slots are taken, the connection that has been idle for longest is closed: clients that connect and send
//! nothing, or send it slowly, do not keep a baker out. Nor do those that ask for something cheap again and again: no
//! connection is closed in its first second, else a crowd would evict the baker that has just connected, and
//! after it any that is not being answered right now can be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::Shutdown;

/// A bounded number of connections.
pub(super) struct ConnectionLimit {
    slots: Arc<Semaphore>,
    /// Oldest first; some have ended.
    clients: Vec<Arc<Client>>,
    tasks: JoinSet<()>,
}

/// A slot, until it is dropped.
pub(super) type Slot = OwnedSemaphorePermit;

/// What is known of the client of a connection.
#[derive(Debug)]
pub struct Client {
    connected: Instant,
    serving: AtomicUsize,
    /// Requests whose body is being read.
    sending: AtomicUsize,
    /// When it connected, or when its last request was answered.
    idle_since: Mutex<Instant>,
    /// A request has come.
    has_asked: AtomicBool,
    evicted: Notify,
}

/// While it lives, the connection is not evicted.
pub(crate) struct Serving<'a>(&'a Client);

/// While it lives, a request of the client is on its way.
pub(crate) struct Sending<'a>(&'a Client);

/// For a client to send its request.
const MIN_TIME: Duration = Duration::from_secs(1);
/// For an evicted connection to end; one that began to be answered meanwhile does not.
const EVICTION_PAUSE: Duration = Duration::from_millis(50);

impl ConnectionLimit {
    pub(super) fn new(slots: usize) -> ConnectionLimit {
        let slots = Arc::new(Semaphore::new(slots));
        ConnectionLimit { slots, clients: Vec::new(), tasks: JoinSet::new() }
    }

    fn try_slot(&self) -> Option<Slot> {
        Arc::clone(&self.slots).try_acquire_owned().ok()
    }

    /// A slot, as soon as there is one; none at shutdown.
    pub(super) async fn slot(&mut self, shutdown: &Shutdown) -> Option<Slot> {
        if let Some(slot) = self.try_slot() {
            return Some(slot);
        }
        loop {
            let again = self.evict_most_idle(Instant::now());
            let slots = Arc::clone(&self.slots);
            tokio::select! {
                () = shutdown.requested() => return None,
                slot = slots.acquire_owned() => return slot.ok(),
                () = sleep_until(again) => {}
            }
        }
    }

    /// Evicts the connection that has been idle for longest, of those whose first second is over; gives when to try
    /// again.
    fn evict_most_idle(&mut self, now: Instant) -> Instant {
        // The task of a connection that has ended holds its client no more.
        self.clients.retain(|client| Arc::strong_count(client) > 1);
        let is_ripe = |client: &&Arc<Client>| client.connected + MIN_TIME <= now;
        let (ripe, young): (Vec<_>, Vec<_>) = self.clients.iter().partition(is_ripe);
        let idle = ripe.into_iter().filter(|client| client.is_not_served());
        if let Some(client) = idle.min_by_key(|client| client.idle_since()) {
            client.evicted.notify_one();
            return now + EVICTION_PAUSE;
        }
        let next = young.iter().map(|client| client.connected + MIN_TIME).min();
        next.unwrap_or(now + MIN_TIME).min(now + MIN_TIME)
    }

    /// Runs the task of a connection, which has the slot until it ends; none at shutdown, when no more come.
    pub(super) fn spawn<T>(&mut self, slot: Option<Slot>, task: impl FnOnce(Arc<Client>) -> T)
    where
        T: Future<Output = ()> + Send + 'static,
    {
        let client = Arc::new(Client::new());
        let task = task(Arc::clone(&client));
        if self.clients.len() >= 2 * self.tasks.len().max(16) {
            self.clients.retain(|client| Arc::strong_count(client) > 1);
        }
        self.clients.push(client);
        self.tasks.spawn(async move {
            task.await;
            drop(slot);
        });
    }

    /// Returns when a connection has ended; never, when there is none.
    pub(super) async fn one_ends(&mut self) {
        if self.tasks.join_next().await.is_none() {
            std::future::pending().await
        }
    }

    /// Returns when all have ended.
    pub(super) async fn drained(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }

    /// Closes all at once.
    pub(super) async fn close(&mut self) {
        self.tasks.shutdown().await;
    }
}

impl Client {
    fn new() -> Client {
        Client {
            connected: Instant::now(),
            serving: AtomicUsize::new(0),
            sending: AtomicUsize::new(0),
            idle_since: Mutex::new(Instant::now()),
            has_asked: AtomicBool::new(false),
            evicted: Notify::new(),
        }
    }

    /// Marks a request that is being answered.
    pub(crate) fn is_served(&self) -> Serving<'_> {
        self.serving.fetch_add(1, Ordering::Relaxed);
        self.has_asked.store(true, Ordering::Relaxed);
        Serving(self)
    }

    /// Marks a request whose body is on its way.
    pub(crate) fn sends(&self) -> Sending<'_> {
        self.sending.fetch_add(1, Ordering::Relaxed);
        self.has_asked.store(true, Ordering::Relaxed);
        Sending(self)
    }

    /// Whether no request has come yet.
    pub(crate) fn is_new(&self) -> bool {
        !self.has_asked.load(Ordering::Relaxed)
    }

    /// Whether no request is being answered, or on its way.
    pub(crate) fn is_idle(&self) -> bool {
        self.is_not_served() && self.sending.load(Ordering::Relaxed) == 0
    }

    fn is_not_served(&self) -> bool {
        self.serving.load(Ordering::Relaxed) == 0
    }

    fn idle_since(&self) -> Instant {
        *self.idle_since.lock()
    }

    /// Returns when the slot is wanted and no request is being answered.
    pub(crate) async fn evicted(&self) {
        loop {
            self.evicted.notified().await;
            if self.is_not_served() {
                return;
            }
        }
    }
}

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        *self.0.idle_since.lock() = Instant::now();
        self.0.serving.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        self.0.sending.fetch_sub(1, Ordering::Relaxed);
    }
}
