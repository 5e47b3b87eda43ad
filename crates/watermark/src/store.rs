//! The open store: one owner process, one writer thread, many callers.
//!
//! ```text
//!  workers ──advance──▶ Mutex<Shared{marks, …}> ◀─uncommitted/committed─ writer thread ──▶ Disk
//!                             Condvar (disk reached, or failed, or closing)
//! ```
//!
//! The lock is never held across a disk write. Callers are threads, not async tasks: `advance` may
//! wait for the disk when a level comes that is not reserved yet.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use tezos::{Payload, PublicKeyHash, Signature};
use thiserror::Error;

use crate::bound::Now;
use crate::disk::{Disk, DiskError};
use crate::entry::{Entry, Last};
use crate::files::{Files, Opened};
use crate::marks::{Judgement, Marks, Reservation};
use crate::permit::{Decision, Permit};
use crate::recent::Recent;
use crate::recovery::Machine;
use crate::refusal::Refusal;
use crate::rules::Rules;

/// The watermark store of a running signer.
pub struct Store {
    inner: Arc<Inner>,
    writer: Mutex<Option<JoinHandle<Result<(), DiskError>>>>,
}

/// Why there is no permit.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AdvanceError {
    /// The rule said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store could not vouch for it. The mark is where it was.
    #[error(transparent)]
    Failed(#[from] StoreFailure),
}

/// The store could not do its work. Nothing was signed, and the mark is where it was.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreFailure {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The disk was too slow for this request.
    #[error("the disk of the watermark store did not answer in time; look for a failing disk")]
    Slow,
    /// The thread that writes has died: a bug.
    #[error("the thread that writes the watermark store has died; please report this")]
    WriterDied,
    /// The store is closed, for the signer is stopping.
    #[error("the signer is stopping")]
    Closed,
}

struct Inner {
    shared: Mutex<Shared>,
    /// Notified when the disk was reached or failed, when something is wanted, and at closing.
    changed: Condvar,
}

struct Shared {
    marks: Marks,
    recent: Box<dyn Recent>,
    state: State,
    /// How often the writer has tried, and how the last try went.
    tries: u64,
    failure: Option<DiskError>,
    /// How many wait for the writer's next try.
    waiting: usize,
    /// Since when the writer is at a write.
    writing_since: Option<Instant>,
    /// Bytes that the disk had left when it was last written.
    room: Option<u64>,
}

#[derive(PartialEq, Eq)]
enum State {
    Open,
    Closing,
}

/// What the writer does next.
enum Task {
    /// Make these durable; a request may wait for it.
    Commit(Vec<Entry>),
    /// Write what is durable a second time; no request waits for it.
    WriteTwice,
    /// Write the exact marks, and end.
    Close,
}

/// Background commits are delayed, so that they do not compete with the response for the processor.
const COMMIT_DELAY: Duration = Duration::from_millis(10);
/// Blocks come every six seconds: between two of them there is time to write a second time, on any disk. It waits
/// a little, for a commit that comes soon must not wait for it, and takes what it wrote along.
const TWICE_AFTER: Duration = Duration::from_millis(1500);
/// Commits after which that is done all the same.
const TWICE_AT_LATEST: u32 = 16;
/// A write that takes longer may never end.
const HANGS_AFTER: Duration = Duration::from_secs(3);
/// Bytes for a start: SQLite's log and the file of reservations, and ten times as much.
const ROOM: u64 = 1024 * 1024;
/// How long the writer leaves a failing disk alone before it tries again by itself.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Store {
    /// Opens the store at `path` and takes it for this process alone.
    ///
    /// # Errors
    /// When it is missing, damaged, foreign, held by another process, or cannot be written. Then
    /// nothing may be signed.
    pub fn open(path: &Path, rules: impl Into<Rules>) -> Result<Store, StoreFailure> {
        let Opened { entries, files, recent } = Files::open(path, &Machine::this())?;
        Store::start(entries, files, recent, rules.into())
    }

    pub(crate) fn start(
        entries: Vec<Entry>,
        disk: impl Disk + 'static,
        recent: Box<dyn Recent>,
        rules: Rules,
    ) -> Result<Store, StoreFailure> {
        let shared = Shared {
            marks: Marks::open(entries, rules, Now::read()),
            recent,
            state: State::Open,
            tries: 0,
            failure: None,
            waiting: 0,
            writing_since: None,
            room: disk.room(),
        };
        let inner = Arc::new(Inner { shared: Mutex::new(shared), changed: Condvar::new() });
        let writer = thread::Builder::new()
            .name("watermark".to_owned())
            .spawn({
                let inner = Arc::clone(&inner);
                move || inner.write_until_closed(disk)
            })
            .map_err(|error| DiskError::Io {
                path: "(thread)".into(),
                detail: error.to_string(),
            })?;
        Ok(Store { inner, writer: Mutex::new(Some(writer)) })
    }

    /// Requests the reservation that [`Store::advance`] would wait for, if it would.
    #[must_use]
    pub fn request_reservation(&self, key: &PublicKeyHash, payload: &Payload) -> Reservation {
        let mut shared = self.inner.lock();
        let reservation = shared.marks.request_reservation(key, payload, Now::read());
        if reservation == Reservation::Requested {
            self.inner.changed.notify_all();
        }
        reservation
    }

    /// As [`Store::request_reservation`], and waits until it is durable, until `deadline` at most.
    ///
    /// # Errors
    /// When the disk fails, is too slow, or the store is closing.
    pub fn await_reserved(
        &self,
        key: &PublicKeyHash,
        payload: &Payload,
        deadline: Instant,
    ) -> Result<(), StoreFailure> {
        let mut shared = self.inner.lock();
        while shared.marks.request_reservation(key, payload, Now::read()) == Reservation::Requested
        {
            if shared.state != State::Open {
                return Err(StoreFailure::Closed);
            }
            shared = self.inner.await_disk(shared, deadline)?;
        }
        Ok(())
    }

    /// Raises the mark for `payload` and gives the permit to sign it, once; or gives the signature that
    /// was made for the same bytes before. Waits for the disk until `deadline` at most, and only
    /// when the level is not reserved yet.
    ///
    /// # Errors
    /// [`AdvanceError::Refused`] when the rule says no, [`AdvanceError::Failed`] when the disk does.
    /// After either the mark is where it was.
    pub fn advance<'a>(
        &self,
        key: &'a PublicKeyHash,
        payload: &'a Payload,
        deadline: Instant,
    ) -> Result<Decision<'a>, AdvanceError> {
        let mut shared = self.inner.lock();
        loop {
            if shared.state != State::Open {
                return Err(StoreFailure::Closed.into());
            }
            let Shared { marks, recent, .. } = &mut *shared;
            let write = |place, last: &Last| recent.write(place, last);
            match marks.request(key, payload, Now::read(), write) {
                Judgement::Granted => {
                    if shared.marks.take_dirty() {
                        self.inner.changed.notify_all();
                    }
                    return Ok(Decision::Sign(Permit::new(key, payload)));
                }
                Judgement::Again(signature) => return Ok(Decision::Again(signature)),
                Judgement::Refused(refusal) => return Err(refusal.into()),
                Judgement::NotWritten(error) => {
                    shared.failure = Some(error.clone());
                    return Err(StoreFailure::Disk(error).into());
                }
                Judgement::NotReserved => {
                    shared = self.inner.await_disk(shared, deadline)?;
                }
            }
        }
    }

    /// What [`Store::advance`] would say to `payload` now, without changing anything: the signature
    /// that was made for the same bytes before, or none if it might be permitted.
    ///
    /// # Errors
    /// When the rule says no.
    pub fn look(
        &self,
        key: &PublicKeyHash,
        payload: &Payload,
    ) -> Result<Option<Signature>, Refusal> {
        self.inner.lock().marks.look(key, payload, Now::read())
    }

    /// Keeps the signature that was made for `payload`, for a repeated request.
    pub fn keep(&self, key: &PublicKeyHash, payload: &Payload, signature: &Signature) {
        let mut shared = self.inner.lock();
        let Shared { marks, recent, failure, .. } = &mut *shared;
        if let Some((place, last)) = marks.keep(key, payload, signature)
            && let Err(error) = recent.write(place, last)
        {
            // The mark is written; after a crash its signature would not be answered again.
            *failure = Some(error);
        }
    }

    /// The device answered that it did not sign `payload`: the same bytes may be asked of it again. The mark stays
    /// where it is, so no others may.
    pub fn was_declined(&self, key: &PublicKeyHash, payload: &Payload) {
        self.inner.lock().marks.decline(key, payload);
    }

    /// The entries as they are.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.inner.lock().marks.entries()
    }

    /// What is wrong with it: its last write failed, the present one hangs, or the thread that writes has died. None
    /// while nothing is known to be wrong.
    #[must_use]
    pub fn failure(&self) -> Option<StoreFailure> {
        let has_died = self.writer.lock().as_ref().is_some_and(JoinHandle::is_finished);
        let shared = self.inner.lock();
        if has_died && shared.state == State::Open {
            return Some(StoreFailure::WriterDied);
        }
        shared.failure()
    }

    /// Whether the disk had room for the next start of a signer when it was last written. What runs needs none.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.inner.lock().room.is_none_or(|room| room >= ROOM)
    }

    /// Writes the exact marks, gives the reservations back and lets the file go.
    ///
    /// # Errors
    /// When the disk fails: then the reservations stay, and at most two levels are given up at the
    /// next start.
    pub fn close(&self) -> Result<(), StoreFailure> {
        self.begin_closing();
        let writer = self.writer.lock().take();
        match writer.map(JoinHandle::join) {
            Some(Ok(result)) => Ok(result?),
            Some(Err(_)) => Err(StoreFailure::WriterDied),
            // It was closed before.
            None => Ok(()),
        }
    }

    /// From now on there is no permit; requests that wait for the disk fail at once.
    pub fn begin_closing(&self) {
        self.inner.lock().state = State::Closing;
        self.inner.changed.notify_all();
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries()).finish()
    }
}

impl Drop for Store {
    /// A store that was not closed (after an error on the way down) is closed here; its error has no reader.
    fn drop(&mut self) {
        let _ = self.close();
    }
}

impl Shared {
    fn failure(&self) -> Option<StoreFailure> {
        if let Some(error) = &self.failure {
            return Some(error.clone().into());
        }
        let hangs = self.writing_since.is_some_and(|since| since.elapsed() > HANGS_AFTER);
        hangs.then_some(StoreFailure::Slow)
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock()
    }

    /// Wakes the writer, and returns when it has tried once more; with its error if it failed.
    fn await_disk<'a>(
        &'a self,
        mut shared: MutexGuard<'a, Shared>,
        deadline: Instant,
    ) -> Result<MutexGuard<'a, Shared>, StoreFailure> {
        let tries = shared.tries;
        shared.waiting += 1;
        self.changed.notify_all();
        while shared.tries == tries && shared.state == State::Open && Instant::now() < deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            self.changed.wait_for(&mut shared, left);
        }
        if shared.tries == tries {
            shared.waiting -= 1;
            if shared.state == State::Open {
                return Err(StoreFailure::Slow);
            }
        }
        match &shared.failure {
            Some(error) if shared.tries != tries => Err(error.clone().into()),
            Some(_) | None => Ok(shared),
        }
    }

    fn write_until_closed(&self, mut disk: impl Disk) -> Result<(), DiskError> {
        let mut once = 0;
        loop {
            match self.next_task(once) {
                Task::Commit(entries) => {
                    self.lock().writing_since = Some(Instant::now());
                    let result = disk.commit(&entries);
                    once += u32::from(result.is_ok());
                    self.note(&entries, result);
                }
                Task::WriteTwice => {
                    self.lock().writing_since = Some(Instant::now());
                    let result = disk.write_twice();
                    if result.is_ok() {
                        once = 0;
                    }
                    let room = disk.room();
                    let mut shared = self.lock();
                    shared.writing_since = None;
                    shared.failure = result.err();
                    shared.room = room;
                }
                Task::Close => break,
            }
        }
        let exact = self.lock().marks.exact();
        disk.finish(&exact)
    }

    /// Waits until there is something to do, after so many commits that were written once; after a failure, until the
    /// next request, or a while: then a second writing shows whether the disk works again.
    fn next_task(&self, once: u32) -> Task {
        let mut shared = self.lock();
        // The notification of a request that came while the writer was on its way here is lost.
        if shared.failure.is_some() && shared.waiting == 0 && shared.state == State::Open {
            self.changed.wait_for(&mut shared, RETRY_AFTER);
        }
        let twice_at = Instant::now() + TWICE_AFTER;
        let mut commit_at = None;
        loop {
            if shared.state != State::Open {
                return Task::Close;
            }
            if once >= TWICE_AT_LATEST && shared.failure.is_none() {
                return Task::WriteTwice;
            }
            let uncommitted = shared.marks.uncommitted();
            if !uncommitted.is_empty() {
                let at = *commit_at.get_or_insert_with(|| Instant::now() + COMMIT_DELAY);
                let left = at.saturating_duration_since(Instant::now());
                if shared.waiting > 0 || left.is_zero() {
                    return Task::Commit(uncommitted);
                }
                self.changed.wait_for(&mut shared, left);
                continue;
            }
            if once == 0 && shared.failure.is_none() {
                self.changed.wait(&mut shared);
                continue;
            }
            let left = twice_at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Task::WriteTwice;
            }
            self.changed.wait_for(&mut shared, left);
        }
    }

    fn note(&self, entries: &[Entry], result: Result<(), DiskError>) {
        let mut shared = self.lock();
        shared.writing_since = None;
        shared.tries += 1;
        shared.waiting = 0;
        match result {
            Ok(()) => {
                shared.marks.committed(entries);
                shared.failure = None;
            }
            Err(error) => shared.failure = Some(error),
        }
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use tezos::{ChainId, KeyForm, Kind, Level, sample_payload};

    use super::*;
    use crate::bound::LevelBound;
    use crate::recent::NotKept;

    /// A disk that hangs answers no error.
    #[test]
    fn a_write_that_does_not_end_is_told() {
        let marks = Marks::open(Vec::new(), LevelBound::NONE.into(), Now::read());
        let mut shared = Shared {
            marks,
            recent: Box::new(NotKept),
            state: State::Open,
            tries: 0,
            failure: None,
            waiting: 0,
            writing_since: Some(Instant::now()),
            room: None,
        };
        assert_eq!(shared.failure(), None);
        shared.writing_since = Instant::now().checked_sub(HANGS_AFTER + Duration::from_millis(1));
        assert_eq!(shared.failure(), Some(StoreFailure::Slow));
    }

    /// The writer is on its way back from a commit that failed, and has not heard that another request came.
    #[test]
    fn a_request_is_not_kept_waiting_by_the_failure_before_it() {
        let key = "tz1KqTpEZ7Yob7QbPE4Hy4Wo8fHG8LhKxZSx".parse().unwrap();
        let entry = Entry::new(key, ChainId::MAINNET, Level::try_from(99_i64).ok());
        let mut marks = Marks::open(vec![entry], LevelBound::NONE.into(), Now::read());
        let vote = sample_payload(Kind::Attestation, 100, 0, 0);
        let vote = Payload::parse(&vote, KeyForm::Slot).unwrap();
        let requested = marks.request_reservation(&key, &vote, Now::read());
        assert_eq!(requested, Reservation::Requested);
        let failure = Some(DiskError::Io { path: "store".into(), detail: "full".to_owned() });
        let (recent, state) = (Box::new(NotKept), State::Open);
        let (waiting, writing_since, room) = (1, None, None);
        let shared =
            Shared { marks, recent, state, tries: 1, failure, waiting, writing_since, room };
        let inner = Inner { shared: Mutex::new(shared), changed: Condvar::new() };
        let started = Instant::now();
        assert!(matches!(inner.next_task(0), Task::Commit(_)));
        assert!(started.elapsed() < RETRY_AFTER / 2, "{:?}", started.elapsed());
    }
}
