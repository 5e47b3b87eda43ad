//! The store while no signer runs: what `peel watermark` reads and edits.

use std::collections::BTreeMap;
use std::path::Path;

use tezos::{ChainId, Kind, Level, PublicKeyHash};
use thiserror::Error;

use crate::bound::Now;
use crate::disk::DiskError;
use crate::document;
use crate::entry::Entry;
use crate::recovery::{self, Machine};
use crate::sqlite::SqliteDisk;

/// A store opened to be looked at or edited, held exclusively like [`crate::Store`].
#[derive(Debug)]
pub struct Records {
    disk: SqliteDisk,
    entries: Vec<Entry>,
}

/// Why an edit did not happen. Nothing was changed then.
#[derive(Debug, Error)]
pub enum RecordsError {
    /// The file failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// There is an entry already.
    #[error(
        "{key} on {chain} has a watermark already; raise it with \"peel watermark set --level N\""
    )]
    Exists {
        /// The key.
        key: PublicKeyHash,
        /// The chain.
        chain: ChainId,
    },
    /// There is no such entry.
    #[error("{key} on {chain} has no watermark; make one with \"peel watermark init\"")]
    NoEntry {
        /// The key.
        key: PublicKeyHash,
        /// The chain.
        chain: ChainId,
    },
    /// The new level is below the present one.
    #[error(
        "{key} on {chain} is at level {highest}, above {level}; a mark goes down only with --lower, \
         and then what was signed above {level} can be signed again"
    )]
    Lower {
        /// The key.
        key: PublicKeyHash,
        /// The chain.
        chain: ChainId,
        /// Where it is.
        highest: Level,
        /// Where it should go.
        level: Level,
    },
    /// A foreign entry without any mark would open everything.
    #[error(
        "{key} on {chain} has no mark in what is imported; make one with \"peel watermark init\""
    )]
    Empty {
        /// The key.
        key: PublicKeyHash,
        /// The chain.
        chain: ChainId,
    },
    /// A document that is no export of ours.
    #[error("not an export of \"peel watermark export\": {0}")]
    Document(String),
}

impl Records {
    /// Opens the store at `path`, after making it if there is none.
    ///
    /// # Errors
    /// When it cannot be made or opened.
    pub fn open_or_create(path: &Path) -> Result<Records, RecordsError> {
        if !path.exists() {
            SqliteDisk::create(path)?;
        }
        Records::open(path)
    }

    /// Opens the store at `path`. A reservation that a power cut left counts as signed.
    ///
    /// # Errors
    /// When it is missing, damaged, foreign, or held by another process.
    pub fn open(path: &Path) -> Result<Records, RecordsError> {
        let disk = SqliteDisk::open(path)?;
        let opening = disk.last_opening()?;
        let entries = recovery::load(path, &disk, opening.as_ref(), &Machine::this())?;
        Ok(Records { disk, entries })
    }

    /// What is in it.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Adds an entry that closes everything at or below `floor`.
    ///
    /// # Errors
    /// When there is one already.
    pub fn add(
        &mut self,
        key: PublicKeyHash,
        chain: ChainId,
        floor: Option<Level>,
    ) -> Result<(), RecordsError> {
        if self.find(key, chain).is_some() {
            return Err(RecordsError::Exists { key, chain });
        }
        self.replace(vec![raised_now(Entry::new(key, chain, floor))])
    }

    /// Closes everything at or below `level` for all of these.
    ///
    /// # Errors
    /// When one of them is missing or above `level` already.
    pub fn raise(
        &mut self,
        which: &[(PublicKeyHash, ChainId)],
        level: Level,
    ) -> Result<(), RecordsError> {
        let mut raised = Vec::new();
        for (key, chain) in which.iter().copied() {
            let mut entry = self.entry(key, chain)?;
            if let Some(highest) = entry.highest().filter(|highest| *highest > level) {
                return Err(RecordsError::Lower { key, chain, highest, level });
            }
            entry.raise(level);
            raised.push(raised_now(entry));
        }
        self.replace(raised)
    }

    /// Opens everything above `level` for all of these. The operator was asked.
    ///
    /// # Errors
    /// When one of them is missing.
    pub fn lower(
        &mut self,
        which: &[(PublicKeyHash, ChainId)],
        level: Level,
    ) -> Result<(), RecordsError> {
        let mut lowered = Vec::new();
        for (key, chain) in which.iter().copied() {
            let mut entry = self.entry(key, chain)?;
            entry.lower(level);
            lowered.push(raised_now(entry));
        }
        self.replace(lowered)
    }

    /// Takes over foreign entries. Marks only rise: of each kind the higher mark stays, and a kind
    /// that a foreign entry has no mark of is closed up to the highest level of its other kinds. Of two
    /// entries for one key and chain, each counts.
    ///
    /// # Errors
    /// When one of them says nothing at all, or the disk fails.
    pub fn merge(&mut self, entries: Vec<Entry>) -> Result<(), RecordsError> {
        let mut merged: BTreeMap<(PublicKeyHash, ChainId), Entry> = BTreeMap::new();
        for mut foreign in entries {
            let (key, chain) = (foreign.key, foreign.chain);
            if foreign.highest().is_none() {
                return Err(RecordsError::Empty { key, chain });
            }
            foreign.close_unknown_kinds();
            let own = merged.remove(&(key, chain)).or_else(|| self.find(key, chain).cloned());
            let both = own.map_or_else(|| foreign.clone(), |own| merge(own, foreign.clone()));
            merged.insert((key, chain), raised_now(both));
        }
        self.replace(merged.into_values().collect())
    }

    /// All entries as JSON, for [`Records::parse_export`].
    #[must_use]
    pub fn export(&self) -> String {
        document::write(&self.entries)
    }

    /// Reads what [`Records::export`] wrote.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse_export(text: &str) -> Result<Vec<Entry>, RecordsError> {
        document::parse(text).map_err(RecordsError::Document)
    }

    fn find(&self, key: PublicKeyHash, chain: ChainId) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key && entry.chain == chain)
    }

    fn entry(&self, key: PublicKeyHash, chain: ChainId) -> Result<Entry, RecordsError> {
        self.find(key, chain).cloned().ok_or(RecordsError::NoEntry { key, chain })
    }

    /// All of them or none. From then on what is written here counts, and nothing that a signer left behind.
    fn replace(&mut self, entries: Vec<Entry>) -> Result<(), RecordsError> {
        let mut all = self.entries.clone();
        for entry in entries {
            all.retain(|other| (other.key, other.chain) != (entry.key, entry.chain));
            all.push(entry);
        }
        self.disk.finish(&all)?;
        self.entries = all;
        Ok(())
    }
}

/// An operator has just said where the chain is.
fn raised_now(mut entry: Entry) -> Entry {
    entry.raised_at = Some(Now::read().wall);
    entry
}

fn merge(mut own: Entry, mut foreign: Entry) -> Entry {
    if let Some(floor) = foreign.floor {
        own.raise(floor);
    }
    for kind in Kind::ALL {
        if let Some(theirs) = foreign.last_mut(kind).take() {
            own.take_higher(kind, theirs);
        }
    }
    own.protocols = own.protocols.merge(foreign.protocols);
    own
}
