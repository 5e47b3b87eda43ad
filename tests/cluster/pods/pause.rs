//! The first process of a pod: holds its namespaces, reaps what dies in it, and ends at SIGTERM.

use std::io;

use rustix::process::{WaitOptions, wait};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let mut died = signal(SignalKind::child())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = died.recv() => reap(),
        }
    }
}

/// One signal may stand for many that have died.
fn reap() {
    while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
}
