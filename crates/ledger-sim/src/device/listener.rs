//! The port: accepts connections and joins their threads.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::connection;
use super::shared::Shared;

/// More connections than this are closed at once.
const MOST_CONNECTIONS: usize = 32;

/// A client that takes no answer may not keep the device.
const WRITE_LIMIT: Duration = Duration::from_secs(1);

pub(super) struct Listener {
    socket: TcpListener,
    shared: Arc<Shared>,
    serving: Vec<JoinHandle<()>>,
}

impl Listener {
    pub(super) fn new(socket: TcpListener, shared: Arc<Shared>) -> Self {
        Self { socket, shared, serving: Vec::new() }
    }

    /// Accepts until the device stops. Stopping connects once, so that `accept` returns.
    pub(super) fn run(mut self) {
        while self.shared.is_running() {
            let accepted = self.socket.accept();
            self.serving.retain(|thread| !thread.is_finished());
            // What cannot be served is closed by being dropped.
            let _closed = accepted.and_then(|(stream, _)| self.serve(stream));
        }
        drop(self.socket);
        self.shared.stopped_accepting();
        for thread in self.serving {
            // A thread that panicked has said so on standard error.
            let _panicked = thread.join();
        }
    }

    fn serve(&mut self, stream: TcpStream) -> io::Result<()> {
        if self.serving.len() >= MOST_CONNECTIONS {
            return Ok(());
        }
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(WRITE_LIMIT))?;
        let Some(id) = self.shared.add(stream.try_clone()?) else { return Ok(()) };
        let shared = Arc::clone(&self.shared);
        let thread = thread::Builder::new()
            .name(format!("ledger-sim-{id}"))
            .spawn(move || connection::serve(&shared, id, stream));
        match thread {
            Ok(thread) => self.serving.push(thread),
            Err(_) => self.shared.forget(id),
        }
        Ok(())
    }
}
