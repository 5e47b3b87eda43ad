//! What is reserved, durable, while a signer has the store.
//!
//! Each level is reserved before anything of it is signed, day and night: what is written for that is what wears
//! a card. So an entry with its reservation is one block in a file of fixed length, and one sync that finds
//! nothing else to write. A pause later the same goes into its second place.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tezos::{ChainId, Level, PublicKeyHash};

use crate::disk::DiskError;
use crate::document::EntryDocument;
use crate::entry::Entry;
use crate::paths::beside;
use crate::slots::{Form, SlotFile, Survives};

/// The file, made for one opening of the store: a slot for each entry.
#[derive(Debug)]
pub(crate) struct ReservedFile {
    file: SlotFile,
    slots: BTreeMap<(PublicKeyHash, ChainId), u64>,
}

/// A place is a block of the file system: what is written for one touches no other.
const FORM: Form = Form { title: "peel reservations 1", size: 4096, survives: Survives::APowerCut };

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    reserved: Option<i64>,
    entry: EntryDocument,
}

impl ReservedFile {
    /// Makes the file anew, durable, with these entries. It holds no others.
    pub(crate) fn create(
        path: &Path,
        opening: &str,
        entries: &[Entry],
    ) -> Result<ReservedFile, DiskError> {
        let texts = entries.iter().map(text).collect();
        let file = SlotFile::create(path, FORM, opening, texts)?;
        let ids = entries.iter().map(|entry| (entry.key, entry.chain));
        Ok(ReservedFile { file, slots: ids.zip(0..).collect() })
    }

    /// The entries as they were committed last, during this opening of the store.
    pub(crate) fn read(path: &Path, opening: &str) -> Result<Vec<Entry>, DiskError> {
        let incomplete =
            |why: &str| DiskError::Incomplete { path: path.to_owned(), why: why.to_owned() };
        let why = |error: io::Error| {
            if error.kind() == io::ErrorKind::NotFound {
                incomplete("is missing")
            } else if error.kind() == io::ErrorKind::InvalidData {
                incomplete("is damaged, or not of the same time as the store")
            } else {
                DiskError::from_io(path, &error)
            }
        };
        let texts = SlotFile::read(path, FORM, opening).map_err(why)?;
        let entries = texts.iter().map(|text| parse(text));
        entries.collect::<Option<_>>().ok_or_else(|| incomplete("makes no sense"))
    }

    /// Writes these entries and returns when they survive a power cut. After an error each is there, or the one before it.
    pub(crate) fn commit(&mut self, entries: &[Entry]) -> Result<(), DiskError> {
        let slot = |entry: &Entry| self.slots.get(&(entry.key, entry.chain)).copied();
        let texts = entries.iter().map(|entry| (slot(entry).unwrap_or(u64::MAX), text(entry)));
        self.file.write(texts.collect())
    }

    /// Writes what was committed a second time, durable.
    pub(crate) fn write_twice(&mut self) -> Result<(), DiskError> {
        self.file.write_twice()
    }

    /// [`DiskError::Replaced`] when another file is in its place, or none.
    pub(crate) fn check_place(&self) -> Result<(), DiskError> {
        self.file.check_place()
    }
}

/// `watermark.db`: `watermark.db-reserved`.
pub(crate) fn path(store: &Path) -> PathBuf {
    beside(store, "-reserved")
}

fn text(entry: &Entry) -> String {
    let document = Document { reserved: entry.reserved.map(i64::from), entry: entry.into() };
    // Strings and numbers only: this serialises.
    serde_json::to_string(&document).unwrap_or_default()
}

fn parse(text: &str) -> Option<Entry> {
    let document: Document = serde_json::from_str(text).ok()?;
    let mut entry = document.entry.parse().ok()?;
    entry.reserved = document.reserved.map(Level::try_from).transpose().ok()?;
    Some(entry)
}
