//! `peel watermark`.

use std::io::BufRead;
use std::path::Path;

use anyhow::{Context, bail};
use ledger::KeyPath;
use signer::Config;
use signer::config::KeyConfig;
use tezos::{ChainId, Level, PublicKeyHash};
use watermark::{OctezFiles, Records, RecordsError};

use crate::args::{WatermarkCommand, Which};
use crate::commands::ledger::connect;
use crate::commands::{starter, store_owner};

pub(crate) fn run(command: WatermarkCommand) -> anyhow::Result<()> {
    let config = match &command {
        WatermarkCommand::Init { which, .. } | WatermarkCommand::Set { which, .. } => &which.config,
        WatermarkCommand::Show { config, .. }
        | WatermarkCommand::Export { config }
        | WatermarkCommand::Import { config, .. } => config,
    };
    let config = &config.path();
    store_owner::become_owner(config)?;
    match command {
        WatermarkCommand::Init { which, level } => init(config, &which, level),
        WatermarkCommand::Show { json, .. } => show(config, json),
        WatermarkCommand::Set { which, level, lower } => set(config, &which, level, lower),
        WatermarkCommand::Export { .. } => {
            daemon::say!("{}", Records::open(&Config::read(config)?.store)?.export());
            Ok(())
        }
        WatermarkCommand::Import { from, .. } => import(config, &from),
    }
}

/// Keys and chains that are meant.
fn resolve(which: &Which, config: &Config) -> anyhow::Result<Vec<(PublicKeyHash, ChainId)>> {
    let meant = |key: &&KeyConfig| which.key.as_ref().is_none_or(|name| *name == key.name);
    let keys: Vec<&KeyConfig> = config.keys.iter().filter(meant).collect();
    if let Some(name) = which.key.as_ref().filter(|_| keys.is_empty()) {
        bail!("no [[key]] in the configuration has the name {name:?}");
    }
    let chains: Vec<ChainId> = match which.chain {
        Some(chain) => vec![chain],
        None => config.chains.iter().copied().collect(),
    };
    let mut resolved = Vec::new();
    for key in keys {
        let hash = hash(key, config)?;
        resolved.extend(chains.iter().map(|chain| (hash, *chain)));
    }
    Ok(resolved)
}

/// The key's hash; a Ledger is asked for it if the configuration does not say.
fn hash(key: &KeyConfig, config: &Config) -> anyhow::Result<PublicKeyHash> {
    if let Some(hash) = key.hash() {
        return Ok(hash);
    }
    let path = key.ledger_path().context("the key has no hash")?;
    let advice = format!("key {:?} has no public_key_hash, so the Ledger is asked", key.name);
    let mut app = connect(config.ledger).with_context(|| advice.clone())?;
    if let Some(expected) = key.ledger_root() {
        let found = app.public_key(&KeyPath::root()).context("the root key is not told")?.hash();
        if found != expected {
            bail!(
                "key {:?} is on the Ledger with root {expected}, and this one has root {found}; plug in the right \
                 one",
                key.name
            );
        }
    }
    Ok(app.public_key(path).context(advice)?.hash())
}

/// The store, in a folder for this user alone if it has to be made.
fn open_or_create(config: &Config) -> anyhow::Result<Records> {
    if let Some(folder) = config.store.parent() {
        starter::folder(folder)?;
    }
    Ok(Records::open_or_create(&config.store)?)
}

fn init(config: &Path, which: &Which, level: Level) -> anyhow::Result<()> {
    let config = Config::read(config)?;
    let resolved = resolve(which, &config)?;
    let mut records = open_or_create(&config)?;
    let mut made = false;
    for (key, chain) in resolved {
        match records.add(key, chain, Some(level)) {
            Ok(()) => {
                made = true;
                daemon::say!("{key} on {chain}: nothing at or below level {level} will be signed");
            }
            Err(error @ RecordsError::Exists { .. }) => daemon::say!("{error}"),
            Err(error) => return Err(error.into()),
        }
    }
    if made { Ok(()) } else { bail!("every key had a watermark already; nothing was changed") }
}

fn show(config: &Path, json: bool) -> anyhow::Result<()> {
    let records = Records::open(&Config::read(config)?.store)?;
    if json {
        daemon::say!("{}", records.export());
        return Ok(());
    }
    if records.entries().is_empty() {
        daemon::say!("The store is empty; make marks with \"peel watermark init\".");
    }
    records.entries().iter().for_each(|entry| daemon::say!("{entry}"));
    Ok(())
}

fn set(config: &Path, which: &Which, level: Level, lower: bool) -> anyhow::Result<()> {
    let config = Config::read(config)?;
    let resolved = resolve(which, &config)?;
    let mut records = Records::open(&config.store)?;
    if lower {
        for (key, chain) in &resolved {
            confirm_lowering(&records, *key, *chain, level)?;
        }
        records.lower(&resolved, level)?;
    } else {
        records.raise(&resolved, level)?;
    }
    for (key, chain) in resolved {
        daemon::say!("{key} on {chain}: nothing at or below level {level} will be signed");
    }
    Ok(())
}

fn confirm_lowering(
    records: &Records,
    key: PublicKeyHash,
    chain: ChainId,
    level: Level,
) -> anyhow::Result<()> {
    let entry = records.entries().iter().find(|entry| entry.key == key && entry.chain == chain);
    daemon::say!("Now: {}", entry.context("there is no such mark")?);
    daemon::say!(
        "Lowering it to {level} lets what was signed above be signed again. Two different"
    );
    daemon::say!("signatures at one level are slashed. Type yes to do it all the same.");
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    if line.trim() == "yes" { Ok(()) } else { bail!("not lowered; nothing was changed") }
}

fn import(path: &Path, from: &Path) -> anyhow::Result<()> {
    let config = Config::read(path)?;
    let entries = if from.is_dir() {
        OctezFiles::read(from)?.entries
    } else {
        let text = std::fs::read_to_string(from);
        Records::parse_export(&text.with_context(|| format!("{} cannot be read", from.display()))?)?
    };
    let mut records = open_or_create(&config)?;
    let count = entries.len();
    records.merge(entries)?;
    daemon::say!("{count} marks read; now:");
    records.entries().iter().for_each(|entry| daemon::say!("{entry}"));
    daemon::say!(
        "Whatever was signed after these were written is not known here. If anything was,"
    );
    daemon::say!("close it too: peel watermark set --config {} --level LEVEL", path.display());
    Ok(())
}
