//! The places of a listener, and who sits on them.
//!
//! When all are taken, whoever has been there for longest without a request has to go: clients that
//! connect and say nothing do not keep a baker out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

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
#[derive(Debug, Default)]
pub(super) struct Guest {
    serving: AtomicUsize,
    /// A request of theirs was answered, or is being answered.
    known: AtomicBool,
    leave: Notify,
}

/// While it lives, its guest is not asked to go.
pub(super) struct Serving<'a>(&'a Guest);

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
        self.ask_the_oldest_idle_one_to_go();
        let places = Arc::clone(&self.places);
        tokio::select! {
            () = shutdown.requested() => None,
            place = places.acquire_owned() => place.ok(),
        }
    }

    fn ask_the_oldest_idle_one_to_go(&mut self) {
        // The task of one who has left holds its guest no more.
        self.guests.retain(|guest| Arc::strong_count(guest) > 1);
        if let Some(guest) = self.guests.iter().find(|guest| guest.is_idle()) {
            guest.leave.notify_one();
        }
    }

    /// Gives the place to whoever `task` serves.
    pub(super) fn seat<T>(&mut self, place: Place, task: impl FnOnce(Arc<Guest>) -> T)
    where
        T: Future<Output = ()> + Send + 'static,
    {
        let guest = Arc::new(Guest::default());
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
    /// Marks a request that is being answered.
    pub(super) fn is_served(&self) -> Serving<'_> {
        self.serving.fetch_add(1, Ordering::Relaxed);
        self.known.store(true, Ordering::Relaxed);
        Serving(self)
    }

    /// Whether no request has come yet.
    pub(super) fn is_new(&self) -> bool {
        !self.known.load(Ordering::Relaxed)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.serving.load(Ordering::Relaxed) == 0
    }

    /// Returns when the place is wanted and no request is being answered.
    pub(super) async fn has_to_go(&self) {
        loop {
            self.leave.notified().await;
            if self.is_idle() {
                return;
            }
        }
    }
}

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        self.0.serving.fetch_sub(1, Ordering::Relaxed);
    }
}
