//! The store while no signer runs: what `peel watermark` reads and edits.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tezos::{ChainId, Kind, Level, Mark, PublicKeyHash, Round};
use thiserror::Error;

use crate::bound::Now;
use crate::disk::{Disk, DiskError};
use crate::entry::{Entry, Last};
use crate::form::{KnownBlock, SeenProtocols};
use crate::recovery;
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
        let mut disk = SqliteDisk::open(path)?;
        let entries = recovery::load(path, &mut disk, recovery::boot_id().as_deref())?;
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
        let entries = self.entries.iter().map(EntryDocument::from).collect();
        let document = Document { peel_watermarks: DOCUMENT_VERSION, entries };
        // Strings and numbers only: this serialises.
        serde_json::to_string_pretty(&document).unwrap_or_default()
    }

    /// Reads what [`Records::export`] wrote.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse_export(text: &str) -> Result<Vec<Entry>, RecordsError> {
        let document: Document = serde_json::from_str(text)
            .map_err(|error| RecordsError::Document(error.to_string()))?;
        if !DOCUMENT_VERSIONS.contains(&document.peel_watermarks) {
            let version = document.peel_watermarks;
            return Err(RecordsError::Document(format!("version {version} is not known here")));
        }
        let entries = document.entries.iter().map(EntryDocument::parse);
        entries.collect::<Result<_, String>>().map_err(RecordsError::Document)
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
        if let Some(theirs) = foreign.slot(kind).take() {
            own.take_higher(kind, theirs);
        }
    }
    own.protocols = own.protocols.merge(foreign.protocols);
    own
}

/// Version 1 had no protocols.
const DOCUMENT_VERSION: u32 = 2;
const DOCUMENT_VERSIONS: std::ops::RangeInclusive<u32> = 1..=DOCUMENT_VERSION;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    peel_watermarks: u32,
    entries: Vec<EntryDocument>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryDocument {
    key: String,
    chain: String,
    closed_up_to: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    raised_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    known_block: Option<KnownBlockDocument>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    upgraded_to: Option<u8>,
    last: Vec<LastDocument>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KnownBlockDocument {
    level: i64,
    protocol: u8,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LastDocument {
    kind: String,
    level: i64,
    round: i64,
    digest: Option<String>,
    signature: Option<String>,
}

impl From<&Entry> for EntryDocument {
    fn from(entry: &Entry) -> EntryDocument {
        let last = |kind| {
            entry.last(kind).map(|last| LastDocument {
                kind: kind.name().to_owned(),
                level: last.mark.level.into(),
                round: last.mark.round.into(),
                digest: last.digest.map(hex::encode),
                signature: last.signature.as_ref().map(ToString::to_string),
            })
        };
        EntryDocument {
            key: entry.key.to_string(),
            chain: entry.chain.to_string(),
            closed_up_to: entry.floor.map(i64::from),
            raised_at: entry.raised_at,
            known_block: entry.protocols.known.map(|KnownBlock { level, protocol }| {
                KnownBlockDocument { level: level.into(), protocol }
            }),
            upgraded_to: entry.protocols.upgraded_to,
            last: Kind::ALL.into_iter().filter_map(last).collect(),
        }
    }
}

impl EntryDocument {
    fn parse(&self) -> Result<Entry, String> {
        let key = self.key.parse().map_err(|error| format!("{error}"))?;
        let chain = self.chain.parse().map_err(|error| format!("{error}"))?;
        let floor = self.closed_up_to.map(Level::try_from).transpose();
        let mut entry = Entry::new(key, chain, floor.map_err(|error| error.to_string())?);
        entry.raised_at = self.raised_at;
        let known = match &self.known_block {
            None => None,
            Some(KnownBlockDocument { level, protocol }) => {
                let level = Level::try_from(*level).map_err(|error| error.to_string())?;
                Some(KnownBlock { level, protocol: *protocol })
            }
        };
        entry.protocols = SeenProtocols { known, upgraded_to: self.upgraded_to };
        for last in &self.last {
            let kind =
                Kind::from_name(&last.kind).ok_or_else(|| format!("{:?} is no kind", last.kind))?;
            entry.take_higher(kind, last.parse()?);
        }
        Ok(entry)
    }
}

impl LastDocument {
    fn parse(&self) -> Result<Last, String> {
        let level = Level::try_from(self.level).map_err(|error| error.to_string())?;
        let round = Round::try_from(self.round).map_err(|error| error.to_string())?;
        let digest = self.digest.as_ref().map(|text| {
            let bytes = hex::decode(text).ok().and_then(|bytes| bytes.try_into().ok());
            bytes.ok_or_else(|| format!("{text:?} is no digest"))
        });
        let signature = self.signature.as_ref().map(|text| text.parse()).transpose();
        Ok(Last {
            mark: Mark { level, round },
            digest: digest.transpose()?,
            signature: signature.map_err(|error| format!("{error}"))?,
            was_declined: false,
        })
    }
}
