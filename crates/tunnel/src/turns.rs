//! Unauthenticated connections take turns.
//!
//! A key exchange takes a third of a millisecond of processor time, a client can ask for a thousand of them in a
//! second, and all tasks of a gateway share one thread. A connection without a key waits here before it reads, so
//! that the scheduler's queue never holds more than one of them: a vote on its way waits for one key exchange at
//! each step, not for all.
//!
//! ```text
//!  readable ─▶ waits for its turn ─▶ reads, computes, writes (one poll of its task)
//!                   ▲                          │
//!                   └── the next ◀── end ◀─────┘ (a task at the end of the scheduler's queue)
//! ```

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::{CancellationToken, PollSemaphore};

/// Gives turns to connections. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Turns {
    permits: Arc<Semaphore>,
    taken: mpsc::Sender<OwnedSemaphorePermit>,
}

/// Ends the turns, each when it is polled after it.
#[derive(Debug)]
pub(crate) struct TurnEnder(mpsc::Receiver<OwnedSemaphorePermit>);

/// A connection's place among the others.
#[derive(Debug)]
pub(crate) struct Turn {
    permits: PollSemaphore,
    taken: mpsc::Sender<OwnedSemaphorePermit>,
    authenticated: CancellationToken,
}

impl Turns {
    pub(crate) fn new() -> (Turns, TurnEnder) {
        let (taken, ended) = mpsc::channel(1);
        (Turns { permits: Arc::new(Semaphore::new(1)), taken }, TurnEnder(ended))
    }

    /// Of a connection that takes turns until it is `authenticated`.
    pub(crate) fn of(&self, authenticated: CancellationToken) -> Turn {
        let permits = PollSemaphore::new(Arc::clone(&self.permits));
        Turn { permits, taken: self.taken.clone(), authenticated }
    }
}

impl TurnEnder {
    /// Ends the turn that was taken last. Never returns when there are no connections any more.
    pub(crate) async fn end(&mut self) {
        match self.0.recv().await {
            Some(turn) => drop(turn),
            None => std::future::pending().await,
        }
    }
}

impl Turn {
    /// Whether the connection takes no turns any more.
    pub(crate) fn is_over(&self) -> bool {
        self.authenticated.is_cancelled()
    }

    /// Ready when it is the connection's turn. The turn ends with the poll of its task.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(permit) = ready!(self.permits.poll_acquire(context)) {
            // There is one permit, so there is room for it; without the ender it ends here.
            let _ = self.taken.try_send(permit);
        }
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Mutex;

    use tokio::task::{JoinSet, yield_now};

    use super::*;

    /// Runs connections and one other task in one thread; gives the order in which they were polled.
    async fn order(connections: usize, authenticated: bool) -> Vec<&'static str> {
        let (turns, mut ender) = Turns::new();
        let token = CancellationToken::new();
        if authenticated {
            token.cancel();
        }
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        for _ in 0..connections {
            let (mut turn, order) = (turns.of(token.clone()), Arc::clone(&order));
            tasks.spawn(async move {
                for _ in 0..3 {
                    if !turn.is_over() {
                        poll_fn(|context| turn.poll(context)).await;
                    }
                    order.lock().unwrap().push("handshake");
                    yield_now().await;
                }
            });
        }
        let votes = Arc::clone(&order);
        tasks.spawn(async move {
            for _ in 0..3 {
                votes.lock().unwrap().push("vote");
                yield_now().await;
            }
        });
        tokio::select! {
            () = async { loop { ender.end().await } } => {}
            () = async { while tasks.join_next().await.is_some() {} } => {}
        }
        let order = order.lock().unwrap();
        order.clone()
    }

    fn longest_wait(order: &[&str]) -> usize {
        let last = order.iter().rposition(|it| *it == "vote").unwrap();
        order[..last].split(|it| *it == "vote").map(<[_]>::len).max().unwrap()
    }

    #[tokio::test]
    async fn a_vote_waits_for_one_unauthenticated_connection_and_not_for_all() {
        let order = order(100, false).await;
        assert_eq!(order.len(), 303);
        assert!(longest_wait(&order) <= 2, "{order:?}");
    }

    #[tokio::test]
    async fn authenticated_connections_take_no_turns() {
        let order = order(100, true).await;
        assert!(longest_wait(&order) >= 100, "{order:?}");
    }

    #[tokio::test]
    async fn a_connection_that_is_gone_while_it_waits_keeps_no_turn() {
        let (turns, mut ender) = Turns::new();
        let mut first = turns.of(CancellationToken::new());
        let mut second = turns.of(CancellationToken::new());
        poll_fn(|context| first.poll(context)).await;
        let waits = poll_fn(|context| Poll::Ready(second.poll(context).is_pending())).await;
        assert!(waits);
        drop(second);
        ender.end().await;
        poll_fn(|context| first.poll(context)).await;
    }
}
