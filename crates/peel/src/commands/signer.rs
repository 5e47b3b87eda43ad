//! `peel signer`.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use daemon::Shutdown;
use daemon::systemd::Notifier;
use signer::{Config, Signer};
use tokio::runtime::Builder;
use watermark::Records;

use crate::args::SignerCommand;
use crate::commands::ledger::describe;

pub(crate) fn run(command: SignerCommand) -> anyhow::Result<()> {
    match command {
        SignerCommand::Run { config } => serve(Config::read(&config)?),
        SignerCommand::Check { config } => check(&config),
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

/// Reads it all; prints a line for each thing that is well, and fails on those that are not.
fn check(path: &Path) -> anyhow::Result<()> {
    let config = Config::read(path)?;
    say!("configuration  {}: good", path.display());
    let mut wrong = Vec::new();
    match Records::open(&config.store) {
        Ok(records) => {
            say!("watermarks     {}: good", config.store.display());
            wrong.extend(missing_marks(&config, &records));
        }
        Err(error) => wrong.push(error.to_string()),
    }
    for key in &config.keys {
        let hash =
            key.hash().map_or("known when the device is there".into(), |hash| hash.to_string());
        say!("key            {}: {hash}", key.name);
    }
    if config.keys.iter().any(|key| key.ledger_path().is_some()) {
        match describe(config.ledger) {
            Ok(found) => found.iter().for_each(|line| say!("ledger         {line}")),
            Err(error) => wrong.push(format!("{error:#}")),
        }
    }
    if wrong.is_empty() {
        say!("All is well. Start it with \"peel signer run --config {}\".", path.display());
        return Ok(());
    }
    bail!("{}", wrong.join("\npeel: "))
}

fn missing_marks(config: &Config, records: &Records) -> Vec<String> {
    let mut missing = Vec::new();
    for key in &config.keys {
        let Some(hash) = key.hash() else { continue };
        for chain in &config.chains {
            let known = records.entries().iter().any(|own| own.key == hash && own.chain == *chain);
            if !known {
                missing.push(format!(
                    "no watermark for {hash} on {chain}; make one with \"peel watermark init\""
                ));
            }
        }
    }
    missing
}
