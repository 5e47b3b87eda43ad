//! Requests to a client. russh remembers each until it is answered, whether the answer is still wanted or not, and a
//! client may answer none.

use std::sync::Arc;

use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Makes requests to the client of one connection. Clones share the limit.
#[derive(Clone)]
pub(super) struct Requests {
    /// For pings that are not answered.
    pings: Arc<Semaphore>,
    /// One for each request.
    tasks: TaskTracker,
    /// Cancelled when the connection has ended.
    ended: CancellationToken,
}

/// More than there are requests to a signer at once, each of which is waited for with a ping.
const MAX_PINGS: usize = 128;

impl Requests {
    pub(super) fn new(tasks: TaskTracker, ended: CancellationToken) -> Requests {
        Requests { pings: Arc::new(Semaphore::new(MAX_PINGS)), tasks, ended }
    }

    /// Makes a request, which goes on when the caller is dropped, and gives the answer; none when the connection has
    /// ended.
    pub(super) async fn make<T: Send + 'static>(
        &self,
        request: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (give, take) = oneshot::channel();
        let ended = self.ended.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                answer = request => drop(give.send(answer)),
                () = ended.cancelled() => {}
            }
        });
        take.await.ok()
    }

    /// Makes a request of which there may be any number, once less than [`MAX_PINGS`] of them are unanswered.
    pub(super) async fn ping<T: Send + 'static>(
        &self,
        ping: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let slot = Arc::clone(&self.pings).acquire_owned().await.ok()?;
        let ping = async move {
            let answer = ping.await;
            drop(slot);
            answer
        };
        self.make(ping).await
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt;
    use futures_util::future::join_all;
    use tokio::task::yield_now;

    use super::*;

    /// How many of a thousand pings are sent, of callers that give up at once.
    async fn sent<A: Future + Send + 'static>(answer: fn() -> A) -> usize {
        let requests = Requests::new(TaskTracker::new(), CancellationToken::new());
        let sent = Arc::<AtomicUsize>::default();
        for _ in 0..1_000 {
            let counted = Arc::clone(&sent);
            let ping = async move {
                counted.fetch_add(1, Ordering::Relaxed);
                answer().await;
            };
            assert!(requests.ping(ping).now_or_never().is_none());
            yield_now().await;
        }
        sent.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn a_client_that_answers_no_ping_is_sent_no_more() {
        assert_eq!(sent(pending::<()>).await, MAX_PINGS);
    }

    #[tokio::test]
    async fn a_client_that_answers_is_sent_every_ping() {
        assert_eq!(sent(|| ready(())).await, 1_000);
    }

    #[tokio::test]
    async fn no_ping_waits_for_an_answer_when_the_connection_has_ended() {
        let ended = CancellationToken::new();
        let requests = Requests::new(TaskTracker::new(), ended.clone());
        let waiting: Vec<_> = (0..=MAX_PINGS).map(|_| requests.ping(pending::<()>())).collect();
        ended.cancel();
        assert!(join_all(waiting).await.iter().all(Option::is_none));
    }
}
