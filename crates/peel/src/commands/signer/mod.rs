//! `peel signer`.

mod check;
mod init;

use std::time::Duration;

use anyhow::{Context, bail};
use daemon::Shutdown;
use daemon::systemd::Notifier;
use signer::{Config, Signer};
use tokio::runtime::Builder;

use crate::args::SignerCommand;

pub(crate) fn run(command: SignerCommand) -> anyhow::Result<()> {
    match command {
        SignerCommand::Run { config } => serve(Config::read(&config)?),
        SignerCommand::Check { config } => check::check(&config),
        SignerCommand::Init { directory, name, port } => init::init(&directory, &name, port),
    }
}

fn serve(config: Config) -> anyhow::Result<()> {
    // One thread carries all connections: there are few, and a request that changes threads on its
    // way waits for each of them to wake up.
    let runtime = Builder::new_current_thread().enable_all().build().context("no runtime")?;
    let served = runtime.block_on(async {
        let shutdown = Shutdown::new();
        let signer = Signer::start(config, shutdown.clone()).await?;
        let notifier = Notifier::from_environment();
        notifier.ready();
        let liveness = signer.liveness().clone();
        let is_alive = || liveness.complaints().is_empty();
        let until_signal = async {
            let signal = async {
                let signal = shutdown.wait_for_signal().await;
                shutdown.request();
                signal
            };
            let (signal, ()) = tokio::join!(signal, notifier.feed_watchdog(is_alive, &shutdown));
            notifier.stopping();
            signal.context("no signal handler")?;
            Shutdown::wait_for_impatience().await.context("no signal handler")?;
            bail!("stopped at once, as asked twice; at most two levels are given up")
        };
        tokio::select! {
            ran = signer.run() => Ok(ran?),
            cut_short = until_signal => cut_short,
        }
    });
    // A name that is still being looked up, or a disk that does not answer, is not waited for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    served
}
