//! The marks that are there before a set-up, and those that it makes.

use std::path::Path;

use tezos::{ChainId, Level, PublicKeyHash};
use watermark::{DiskError, Entry, Records, RecordsError};

use crate::commands::signer::setup::marks::MarkPlan;
use crate::commands::starter;

/// The store before anything is changed.
pub(super) enum Store {
    /// A signer runs, and has it.
    Held,
    /// Its entries; none when it is not made yet.
    Read(Vec<Entry>),
}

impl Store {
    /// Looks, and makes nothing.
    pub(super) fn look(path: &Path) -> anyhow::Result<Store> {
        if !path.exists() {
            return Ok(Store::Read(Vec::new()));
        }
        match Records::open(path) {
            Ok(records) => Ok(Store::Read(records.entries().to_vec())),
            Err(RecordsError::Disk(DiskError::Locked { .. })) => Ok(Store::Held),
            Err(error) => Err(error.into()),
        }
    }

    /// Up to where the key is closed on the chain; none when the store has no such entry.
    pub(super) fn reached(&self, key: PublicKeyHash, chain: ChainId) -> Option<Level> {
        let Store::Read(entries) = self else { return None };
        let entry = entries.iter().find(|own| own.key == key && own.chain == chain)?;
        Some(entry.reached().unwrap_or_default())
    }
}

/// Makes or raises the marks of a key; the store is made if it is not there.
pub(super) fn carry_out(
    plan: MarkPlan,
    store: &Path,
    key: PublicKeyHash,
    chain: ChainId,
) -> anyhow::Result<()> {
    let Some(folder) = store.parent() else { return Ok(()) };
    starter::folder(folder)?;
    let mut records = Records::open_or_create(store)?;
    match plan {
        MarkPlan::Keep => {}
        MarkPlan::Make(level) => records.add(key, chain, Some(level))?,
        MarkPlan::Raise(level) => records.raise(&[(key, chain)], level)?,
    }
    drop(records);
    starter::hand_over(folder)
}
