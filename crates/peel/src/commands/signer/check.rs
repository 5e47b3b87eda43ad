//! `peel signer check`: reads it all, tries what can be tried, says what is wrong and the cure.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use signer::Config;
use tokio::runtime::Builder;
use tunnel::home::{self, Admission};
use watermark::{DiskError, Records, RecordsError};

use crate::commands::signer::check_device::check_device;
use crate::commands::signer::store_marks::StoreMarks;
use crate::commands::{running, store_owner};

/// For another signer to answer.
const UPSTREAM_LIMIT: Duration = Duration::from_secs(3);

/// Prints a line for each thing that is well, and fails on those that are not.
pub(super) fn check(path: &Path) -> anyhow::Result<()> {
    store_owner::become_owner(path)?;
    let config = Config::read(path)?;
    daemon::say!("configuration  {}: good", path.display());
    daemon::say!("protocols      {}: known", tezos::KNOWN_PROTOCOLS.join(", "));
    let records = match Records::open(&config.store) {
        Err(RecordsError::Disk(DiskError::Locked { .. })) => {
            return running::show_readiness("the signer", config.monitor);
        }
        opened => opened,
    };
    let mut wrong = Vec::new();
    // Let go at once: a signer that starts meanwhile needs it.
    let marks = match records.map(|records| records.entries().to_vec()) {
        Ok(entries) => {
            daemon::say!("watermarks     {}: good", config.store.display());
            Some(StoreMarks::new(entries))
        }
        Err(error) => {
            wrong.push(error.to_string());
            None
        }
    };
    for key in &config.keys {
        let hash = key.hash().map_or("the Ledger tells".into(), |hash| hash.to_string());
        let share = key.share().map_or_else(String::new, |share| {
            let threshold = share.group().threshold();
            format!(
                " (share {} of {}, {} are needed)",
                share.index(),
                threshold.shares(),
                threshold.needed()
            )
        });
        daemon::say!("key            {}: {hash}{share}", key.name);
        if let (Some(marks), Some(hash)) = (&marks, key.hash().filter(|_| key.has_marks())) {
            wrong.extend(marks.missing(hash, &config));
        }
    }
    wrong.extend(store_owner::is_not_the_services(path));
    wrong.extend(running::taken_ports(
        config.ports(),
        "is octez-signer, or another signer, still running there? Stop it, or name another port",
    ));
    if config.keys.iter().any(|key| key.ledger_path().is_some()) {
        wrong.extend(check_device(&config, marks.as_ref()));
    }
    let runtime = Builder::new_current_thread().enable_all().build().context("no runtime")?;
    wrong.extend(runtime.block_on(check_upstreams(&config)));
    wrong.extend(runtime.block_on(check_power(&config)));
    if let Some(tunnel) = &config.tunnel {
        wrong.extend(check_uplinks(tunnel));
        wrong.extend(runtime.block_on(check_gateways(tunnel)));
    }
    // A name that is still being looked up is not waited for.
    runtime.shutdown_background();
    if wrong.is_empty() {
        daemon::say!("All is well. Start it with \"peel signer run --config {}\".", path.display());
        if config.tunnel.is_some() {
            daemon::say!(
                "A gateway does not ask a store that is behind what was answered (a copy, a backup): \"peel status\" tells, \
                 once it runs."
            );
        }
        return Ok(());
    }
    anyhow::bail!("{}", wrong.join("\npeel: "))
}

async fn check_upstreams(config: &Config) -> Vec<String> {
    let mut wrong = Vec::new();
    for key in &config.keys {
        let Some(url) = key.upstream() else { continue };
        match url.public_key(UPSTREAM_LIMIT).await {
            Ok(found) if found.hash() == url.key => daemon::say!("upstream       {url}: there"),
            Ok(found) => wrong.push(format!("key {:?}: {url} shows {}", key.name, found.hash())),
            Err(error) => wrong.push(format!("key {:?}: {error}; is it running?", key.name)),
        }
    }
    wrong
}

async fn check_power(config: &Config) -> Option<String> {
    let power = signer::power_now(config).await?;
    if !power.is_good() {
        return Some(format!("[power]: {}", power.line));
    }
    daemon::say!("power          {}", power.line);
    None
}

fn check_uplinks(tunnel: &home::Config) -> Vec<String> {
    let mut wrong = Vec::new();
    daemon::say!("identity       {}, port {}", tunnel.identity.public().fingerprint(), tunnel.port);
    for home::Uplink { interface, metered } in &tunnel.uplinks {
        if Path::new("/sys/class/net").join(interface).exists() {
            daemon::say!(
                "uplink         {interface}: there{}",
                if *metered == Some(true) { ", metered" } else { "" }
            );
        } else {
            wrong.push(format!(
                "uplink {interface}: there is no such interface; is it plugged in? \"ip link\" shows \
                 those that are there"
            ));
        }
    }
    wrong
}

/// Logs in at each gateway over each line, and asks for the port.
async fn check_gateways(tunnel: &home::Config) -> Vec<String> {
    daemon::say!("               dialling the gateway ...");
    let mut wrong = Vec::new();
    for home::CheckResult { gateway, uplink, admission } in tunnel.check().await {
        let over = uplink.map_or_else(String::new, |uplink| format!(" over {uplink}"));
        match admission {
            Ok(Admission::Port) => {
                daemon::say!("gateway        {gateway}{over}: lets this signer in, with its port")
            }
            Ok(Admission::PortIsHeld) => {
                daemon::say!(
                    "gateway        {gateway}{over}: lets this signer in; another connection has its port"
                );
            }
            Err(error) => wrong.push(error.message),
        }
    }
    wrong
}
