//! Work that can block, beside the runtime: with a limit, and one at a time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// A disk or sensor that hangs takes one thread, however often it is asked.
#[derive(Debug)]
pub(super) struct Reader {
    /// For one piece of work.
    limit: Duration,
    turn: Arc<Semaphore>,
}

impl Reader {
    pub(super) fn new(limit: Duration) -> Reader {
        Reader { limit, turn: Arc::new(Semaphore::new(1)) }
    }

    /// The result of `work`; none when it takes too long, or that of an earlier call still runs.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let turn = Arc::clone(&self.turn).try_acquire_owned().ok()?;
        let working = spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        timeout(self.limit, working).await.ok()?.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::sync_channel;

    use tokio::time::Instant;

    use super::*;

    const LIMIT: Duration = Duration::from_millis(200);
    const LONG: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn work_that_hangs_is_given_up_and_holds_one_thread() {
        let (reader, started) = (Reader::new(LIMIT), Instant::now());
        let (release, hangs) = sync_channel::<()>(0);
        assert_eq!(reader.read(move || hangs.recv()).await, None);
        assert!((LIMIT..LONG).contains(&started.elapsed()));
        // The next ones neither wait nor begin.
        let begun = Arc::new(AtomicUsize::new(0));
        for _ in 0..100 {
            let begun = Arc::clone(&begun);
            let work = move || begun.fetch_add(1, Ordering::Relaxed);
            assert_eq!(reader.read(work).await, None);
        }
        assert_eq!(begun.load(Ordering::Relaxed), 0);
        release.send(()).unwrap();
        // The thread lets its turn go, which is waited for here as the next piece of work would not.
        drop(reader.turn.acquire().await.unwrap());
        assert_eq!(Reader { limit: LONG, ..reader }.read(|| 7).await, Some(7));
    }

    #[tokio::test]
    async fn work_that_panics_gives_nothing_and_lets_the_next_one_begin() {
        let reader = Reader::new(LONG);
        assert_eq!(reader.read(|| panic!("as a test")).await, None::<()>);
        assert_eq!(reader.read(|| 7).await, Some(7));
    }
}
