//! The places of a listener, and who sits on them.
//!
//! When all are taken, the one that has been idle for longest has to go: clients that connect and say nothing, or
//! say it slowly, do not keep a baker out. No connection has to go before it had a second to say what it wants: else a
//! crowd would throw out the baker who has just come.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::Shutdown;

/// A bounded number of places.
pub(super) struct Hall {
    places: Arc<Semaphore>,
    /// In the order in which they came; some have left.
    guests: Vec<Arc<Guest>>,
    tasks: JoinSet<()>,
}

/// A place, until it is dropped.
pub(super) type Place = OwnedSemaphorePermit;

/// Somebody on a place.
#[derive(Debug)]
pub(super) struct Guest {
    serving: AtomicUsize,
    /// Requests whose body is being read.
    sending: AtomicUsize,
    /// When it came, or when its last request was answered.
    idle_since: Mutex<Instant>,
    /// A request of theirs was answered, or is being answered.
    known: AtomicBool,
    leave: Notify,
}

/// While it lives, its guest is not asked to go.
pub(super) struct Serving<'a>(&'a Guest);

/// While it lives, a request of its guest is on its way.
pub(super) struct Sending<'a>(&'a Guest);

/// For a client to say what it wants.
const LEAST: Duration = Duration::from_secs(1);

impl Hall {
    pub(super) fn new(places: usize) -> Hall {
        let places = Arc::new(Semaphore::new(places));
        Hall { places, guests: Vec::new(), tasks: JoinSet::new() }
    }

    pub(super) fn free_place(&self) -> Option<Place> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// A place, as soon as there is one; none at shutdown.
    pub(super) async fn place(&mut self, shutdown: &Shutdown) -> Option<Place> {
        if let Some(place) = self.free_place() {
            return Some(place);
        }
        loop {
            let again = self.ask_the_most_idle_one_to_go(Instant::now());
            let places = Arc::clone(&self.places);
            tokio::select! {
                () = shutdown.requested() => return None,
                place = places.acquire_owned() => return place.ok(),
                () = sleep_until(again) => {}
            }
        }
    }

    /// Says when to look again: none may be idle for long enough yet.
    fn ask_the_most_idle_one_to_go(&mut self, now: Instant) -> Instant {
        // The task of one who has left holds its guest no more.
        self.guests.retain(|guest| Arc::strong_count(guest) > 1);
        let idle = self.guests.iter().filter(|guest| guest.is_not_served());
        match idle.min_by_key(|guest| guest.idle_since()) {
            Some(guest) if guest.idle_since() + LEAST <= now => {
                guest.leave.notify_one();
                now + LEAST
            }
            Some(guest) => guest.idle_since() + LEAST,
            None => now + LEAST,
        }
    }

    /// Gives the place to whoever `task` serves.
    pub(super) fn seat<T>(&mut self, place: Place, task: impl FnOnce(Arc<Guest>) -> T)
    where
        T: Future<Output = ()> + Send + 'static,
    {
        let guest = Arc::new(Guest::new());
        let task = task(Arc::clone(&guest));
        if self.guests.len() >= 2 * self.tasks.len().max(16) {
            self.guests.retain(|guest| Arc::strong_count(guest) > 1);
        }
        self.guests.push(guest);
        self.tasks.spawn(async move {
            task.await;
            drop(place);
        });
    }

    /// Returns when a guest has left; never, when there is none.
    pub(super) async fn someone_leaves(&mut self) {
        if self.tasks.join_next().await.is_none() {
            std::future::pending().await
        }
    }

    /// Returns when all have left.
    pub(super) async fn empty(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }

    /// Makes all leave at once.
    pub(super) async fn close(&mut self) {
        self.tasks.shutdown().await;
    }
}

impl Guest {
    fn new() -> Guest {
        Guest {
            serving: AtomicUsize::new(0),
            sending: AtomicUsize::new(0),
            idle_since: Mutex::new(Instant::now()),
            known: AtomicBool::new(false),
            leave: Notify::new(),
        }
    }

    /// Marks a request that is being answered.
    pub(super) fn is_served(&self) -> Serving<'_> {
        self.serving.fetch_add(1, Ordering::Relaxed);
        self.known.store(true, Ordering::Relaxed);
        Serving(self)
    }

    /// Marks a request whose body is on its way.
    pub(super) fn sends(&self) -> Sending<'_> {
        self.sending.fetch_add(1, Ordering::Relaxed);
        self.known.store(true, Ordering::Relaxed);
        Sending(self)
    }

    /// Whether no request has come yet.
    pub(super) fn is_new(&self) -> bool {
        !self.known.load(Ordering::Relaxed)
    }

    /// Whether no request is being answered, or on its way.
    pub(super) fn is_idle(&self) -> bool {
        self.is_not_served() && self.sending.load(Ordering::Relaxed) == 0
    }

    fn is_not_served(&self) -> bool {
        self.serving.load(Ordering::Relaxed) == 0
    }

    fn idle_since(&self) -> Instant {
        *self.idle_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when the place is wanted and no request is being answered.
    pub(super) async fn has_to_go(&self) {
        loop {
            self.leave.notified().await;
            if self.is_not_served() {
                return;
            }
        }
    }
}

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        *self.0.idle_since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.0.serving.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        self.0.sending.fetch_sub(1, Ordering::Relaxed);
    }
}
