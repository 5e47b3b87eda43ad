//! A daemon in the foreground: started, shown to systemd, stopped by a signal.

use std::pin::pin;
use std::time::Duration;

use anyhow::{Context, bail};
use daemon::pidfile::PidFile;
use daemon::systemd::Notifier;
use daemon::{Health, Shutdown};
use tokio::runtime::Builder;

use crate::args::PidFilePath;

/// Polls of tasks between two looks at the sockets, while there is something to poll. With tokio's 61, a vote that
/// comes while ssh keys are exchanged waits for thirty of them before it is read.
const EVENT_INTERVAL: u32 = 4;

/// Starts a daemon, with its number in a file, and runs it until SIGTERM, SIGINT or SIGHUP; a second signal ends it at once. `start` gives
/// what runs until shutdown is requested, and the facts that a restart could mend.
pub(crate) fn until_signal<R>(
    pidfile: &PidFilePath,
    start: impl AsyncFnOnce(Shutdown) -> anyhow::Result<(R, Health)>,
) -> anyhow::Result<()>
where
    R: Future<Output = anyhow::Result<()>>,
{
    let _pidfile = pidfile.pidfile.as_deref().map(PidFile::create).transpose()?;
    daemon::open_files::raise();
    // One thread carries all connections: they are few or idle, and a request that changes threads on
    // its way waits for each of them to wake up.
    let runtime = Builder::new_current_thread().enable_all().event_interval(EVENT_INTERVAL).build();
    let runtime = runtime.context("no runtime")?;
    let served = runtime.block_on(async {
        let shutdown = Shutdown::new();
        let mut signal = pin!(shutdown.wait_for_signal());
        // A port that is taken and a store that is held are waited for.
        let (running, liveness) = tokio::select! {
            // The handler is there before anything is begun.
            biased;
            signal = &mut signal => return signal.context("no signal handler"),
            started = start(shutdown.clone()) => started?,
        };
        let notifier = Notifier::from_environment();
        notifier.ready();
        let is_alive = || liveness.complaints().is_empty();
        let until_signal = async {
            let (signal, ()) = tokio::join!(signal, notifier.feed_watchdog(is_alive, &shutdown));
            notifier.stopping();
            signal.context("no signal handler")?;
            Shutdown::wait_for_second_signal().await.context("no signal handler")?;
            bail!("stopped at once, as asked twice; a vote in a Ledger's hand may be lost")
        };
        tokio::select! {
            ran = running => ran,
            cut_short = until_signal => cut_short,
        }
    });
    // A name that is still being looked up, or a disk that does not answer, is not waited for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    served
}
