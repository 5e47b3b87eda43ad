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
use crate::slots::{Form, SlotFile, Survives};

/// The file, made for one opening of the store: a slot for each entry.
#[derive(Debug)]
pub(crate) struct ReservedFile {
    file: SlotFile,
    slots: BTreeMap<(PublicKeyHash, ChainId), usize>,
}

/// A place is a block of the file system: what is written for one touches no other.
const FORM: Form = Form { size: 4096, survives: Survives::APowerCut };

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
        let texts = entries.iter().map(|entry| Some(text(entry))).collect();
        let file = SlotFile::create(path, FORM, &header(opening), texts)?;
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
        let texts = SlotFile::read(path, FORM, &header(opening)).map_err(why)?;
        let entries = texts.into_iter().map(|text| text.as_deref().and_then(parse));
        entries.collect::<Option<_>>().ok_or_else(|| incomplete("makes no sense"))
    }

    /// Writes these entries and returns when they survive a power cut.
    pub(crate) fn commit(&mut self, entries: &[Entry]) -> Result<(), DiskError> {
        let slot = |entry: &Entry| self.slots.get(&(entry.key, entry.chain)).copied();
        let texts = entries.iter().map(|entry| (slot(entry).unwrap_or(usize::MAX), text(entry)));
        self.file.write(texts.collect())
    }

    /// Writes what was committed a second time, durable.
    pub(crate) fn settle(&mut self) -> Result<(), DiskError> {
        self.file.write_twice()
    }
}

/// `watermark.db`: `watermark.db-reserved`.
pub(crate) fn path(store: &Path) -> PathBuf {
    crate::sqlite::beside(store, "-reserved")
}

fn header(opening: &str) -> String {
    format!("peel reservations 1 {opening}")
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
