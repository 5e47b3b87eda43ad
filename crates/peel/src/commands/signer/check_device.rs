//! The Ledger as "peel signer check" sees it: there, with the right seed, the right key authorised, and marks that let it
//! sign.

use ledger::{BakingApp, DeviceMarks, KeyPath};
use signer::Config;
use signer::config::KeyConfig;
use tezos::PublicKeyHash;

use crate::commands::ledger::{connect, describe};
use crate::commands::signer::store_marks::StoreMarks;

/// What is wrong with the Ledger; prints what is well.
pub(super) fn check_device(config: &Config, marks: Option<&StoreMarks>) -> Vec<String> {
    match describe(config.ledger) {
        Ok(found) => found.iter().for_each(|line| daemon::say!("ledger         {line}")),
        Err(error) => return vec![format!("{error:#}")],
    }
    match look(config, marks) {
        Ok(wrong) => wrong,
        Err(error) => vec![format!("{error:#}")],
    }
}

fn look(config: &Config, marks: Option<&StoreMarks>) -> anyhow::Result<Vec<String>> {
    let mut app = connect(config.ledger)?;
    let (authorized, device) = (app.authorized_key()?, app.marks()?);
    let mut wrong = Vec::new();
    for key in &config.keys {
        let Some(path) = key.ledger_path() else { continue };
        wrong.extend(wrong_root(&mut app, key)?);
        let found = app.public_key(path)?.hash();
        if let Some(expected) = key.public_key_hash.filter(|expected| *expected != found) {
            wrong.push(format!(
                "key {:?}: the Ledger's key at {path} is {found}, and public_key_hash says {expected}: it is another \
                 Ledger, or another seed",
                key.name
            ));
            continue;
        }
        daemon::say!("               {path} is {found}");
        wrong.extend(not_authorized(path, authorized.as_ref()));
        if let Some(marks) = marks {
            if key.hash().is_none() {
                wrong.extend(marks.missing(found, config));
            }
            wrong.extend(device_ahead(config, found, &device, marks));
        }
    }
    Ok(wrong)
}

fn wrong_root(app: &mut BakingApp, key: &KeyConfig) -> anyhow::Result<Option<String>> {
    let Some(expected) = key.ledger_root() else { return Ok(None) };
    let found = app.public_key(&KeyPath::root())?.hash();
    let wrong = || {
        format!(
            "key {:?}: the Ledger has root {found}, and not {expected}: it is another seed",
            key.name
        )
    };
    Ok((found != expected).then(wrong))
}

fn not_authorized(path: &KeyPath, authorized: Option<&KeyPath>) -> Option<String> {
    let found = match authorized {
        Some(found) if found == path => return None,
        Some(found) => format!("{found} is"),
        None => "no key is".to_owned(),
    };
    Some(format!(
        "the Ledger is not authorised for {path} ({found}); run \"peel ledger setup {path} --level LEVEL\" with the chain's present level"
    ))
}

fn device_ahead(
    config: &Config,
    key: PublicKeyHash,
    device: &DeviceMarks,
    marks: &StoreMarks,
) -> Vec<String> {
    let ahead = config.chains.iter().filter_map(|chain| {
        let (own, level) = (marks.reached(key, *chain)?, device.of(*chain).level);
        (level > own).then(|| {
            format!(
                "the Ledger's own high watermark for {chain} is {level}, above the store's {own}: it refuses every vote \
                 up to {level}. If the chain is beyond it: \"peel watermark set --level {level}\"; if not: \"peel ledger \
                 mark --set LEVEL\""
            )
        })
    });
    ahead.collect()
}
