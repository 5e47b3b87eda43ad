//! `peel signer check`: reads it all, says what is wrong and the cure.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use signer::Config;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tunnel::home;
use watermark::Records;

use crate::commands::ledger::describe;

/// As long as a person waits without wondering.
const REACH_LIMIT: Duration = Duration::from_secs(3);

/// Prints a line for each thing that is well, and fails on those that are not.
pub(super) fn check(path: &Path) -> anyhow::Result<()> {
    let config = Config::read(path)?;
    say!("configuration  {}: good", path.display());
    let mut wrong = check_store(&config);
    for key in &config.keys {
        let hash =
            key.hash().map_or("known when the device is there".into(), |hash| hash.to_string());
        say!("key            {}: {hash}", key.name);
    }
    if let Some(tunnel) = &config.tunnel {
        wrong.extend(check_tunnel(tunnel)?);
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

fn check_store(config: &Config) -> Vec<String> {
    match Records::open(&config.store) {
        Ok(records) => {
            say!("watermarks     {}: good", config.store.display());
            missing_marks(config, &records)
        }
        Err(error) => vec![error.to_string()],
    }
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

/// Who the signer is at its gateways, and what can be seen of the way there without walking it.
fn check_tunnel(tunnel: &home::Config) -> anyhow::Result<Vec<String>> {
    let mut wrong = Vec::new();
    say!("identity       {}, port {}", tunnel.identity.public().fingerprint(), tunnel.port);
    for home::Uplink { interface, metered } in &tunnel.uplinks {
        if Path::new("/sys/class/net").join(interface).exists() {
            say!("uplink         {interface}: there{}", if *metered { ", metered" } else { "" });
        } else {
            wrong.push(format!(
                "uplink {interface}: there is no such interface; is it plugged in? \"ip link\" shows \
                 those that are there"
            ));
        }
    }
    for home::Gateway { address, .. } in &tunnel.gateways {
        match reach(address)? {
            Ok(()) => say!("gateway        {address}: there"),
            Err(why) => wrong.push(format!(
                "gateway {address} cannot be reached: {why}; is \"peel gateway run\" up, and does the \
                 cloud's firewall let its port through?"
            )),
        }
    }
    Ok(wrong)
}

/// Connects over whatever route the system has, and says nothing.
fn reach(address: &str) -> anyhow::Result<Result<(), String>> {
    let runtime = Builder::new_current_thread().enable_all().build().context("no runtime")?;
    let connected = runtime
        .block_on(async { tokio::time::timeout(REACH_LIMIT, TcpStream::connect(address)).await });
    // A name that is still being looked up is not waited for.
    runtime.shutdown_background();
    Ok(match connected {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", REACH_LIMIT.as_secs())),
    })
}
