//! A thread of a worker, and the news of its end.

use std::io;
use std::thread::{self, Builder, JoinHandle};

use tokio::sync::oneshot;

/// A thread that runs.
#[derive(Debug)]
pub(crate) struct WorkerThread {
    handle: JoinHandle<()>,
    /// Resolves when the thread ends, however it does.
    pub(crate) ended: oneshot::Receiver<()>,
}

impl WorkerThread {
    /// Starts a thread. It ends when `work` returns.
    pub(crate) fn spawn(
        name: &str,
        work: impl FnOnce() + Send + 'static,
    ) -> io::Result<WorkerThread> {
        let (running, ended) = oneshot::channel::<()>();
        let handle = Builder::new().name(name.to_owned()).spawn(move || {
            let _ends_with_the_thread = running;
            work();
        })?;
        Ok(WorkerThread { handle, ended })
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it panicked.
    pub(crate) fn join(self) -> thread::Result<()> {
        self.handle.join()
    }
}
