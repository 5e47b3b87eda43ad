//! The end of a daemon: asked for once, heard everywhere.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A request to stop. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// One that was not requested yet.
    #[must_use]
    pub fn new() -> Shutdown {
        Shutdown::default()
    }

    /// Asks everything to stop.
    pub fn request(&self) {
        self.0.cancel();
    }

    /// One that is asked for with this one, and can be asked for alone.
    #[must_use]
    pub fn child(&self) -> Shutdown {
        Shutdown(self.0.child_token())
    }

    /// Whether it was asked for.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Returns when it is asked for.
    pub async fn requested(&self) {
        self.0.cancelled().await;
    }

    /// Returns at SIGTERM or SIGINT, or when the terminal is closed, after it has asked everything to stop; or when it was
    /// requested elsewhere.
    ///
    /// # Errors
    /// When the system takes no signal handler.
    pub async fn wait_for_signal(&self) -> std::io::Result<()> {
        let mut signals = Signals::new()?;
        tokio::select! {
            name = signals.next() => tracing::info!("{name}: stopping"),
            () = self.requested() => {}
        }
        self.request();
        Ok(())
    }

    /// Returns at the next such signal: the operator does not want to wait for the end. One that comes within a second is
    /// still the first one: a terminal sends Ctrl-C to everything in it, and a wrapper passes it on.
    ///
    /// # Errors
    /// When the system takes no signal handler.
    pub async fn wait_for_second_signal() -> std::io::Result<()> {
        let mut signals = Signals::new()?;
        let first = Instant::now();
        while first.elapsed() < SAME_SIGNAL {
            signals.next().await;
        }
        Ok(())
    }
}

/// Two signals that come so soon after each other are one.
const SAME_SIGNAL: Duration = Duration::from_secs(1);

/// What asks a daemon to stop. SIGHUP by itself asks it to read its configuration anew.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    /// At the start.
    has_terminal: bool,
}

impl Signals {
    fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            has_terminal: has_terminal(),
        })
    }

    async fn next(&mut self) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.hang_up.recv() => if self.has_terminal && !has_terminal() {
                    return "SIGHUP, and the terminal is closed";
                }
            }
        }
    }
}

/// Whether the process has a terminal that is open. One that is closed sends SIGHUP, and cannot be opened any more.
fn has_terminal() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
}
