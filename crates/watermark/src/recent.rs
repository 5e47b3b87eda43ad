//! The last marks, written without waiting for a disk.
//!
//! What a process has written stays in the page cache of the kernel when the process dies, and is lost only with
//! the machine. So each mark is written here before its device is asked, and its signature before the answer is
//! given; a store that is opened again while the machine is up finds exactly where it was, and gives up nothing.
//! After another boot of the machine this file means nothing, and the reservation counts.
//!
//! ```text
//!  watermark.db-recent:  header (which opening of which store) │ slots of 512 bytes, two for each key, chain and kind
//! ```
//!
//! Of the two slots the older one is overwritten: a process that is killed in the middle of a write leaves the
//! other. Each carries a checksum.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tezos::{ChainId, Kind, Level, Mark, PublicKeyHash, Round, blake2b_256};

use crate::disk::DiskError;
use crate::entry::{Entry, Last};

/// Where a mark is written before its device is asked.
pub(crate) trait Recent: Send {
    /// Writes a mark so that it survives this process. Does not wait for a disk.
    fn write(&mut self, id: MarkId, last: &Last) -> Result<(), DiskError>;
}

/// What a mark is of.
pub(crate) type MarkId = (PublicKeyHash, ChainId, Kind);

/// The file, made for one opening of the store.
#[derive(Debug)]
pub(crate) struct RecentFile {
    path: PathBuf,
    file: File,
    slots: BTreeMap<MarkId, Slot>,
}

#[derive(Debug)]
struct Slot {
    /// Of the first of the two.
    offset: u64,
    /// Of the last one written; from 1.
    sequence: u64,
}

/// Bytes of a slot and of the header: no slot lies across two pages of the page cache.
const SLOT: u16 = 512;
const MAGIC: &str = "peel recent marks 1";

impl RecentFile {
    /// Makes the file anew, with room for these entries.
    pub(crate) fn create(
        path: &Path,
        opening: &str,
        entries: &[Entry],
    ) -> Result<RecentFile, DiskError> {
        let failed = |error: std::io::Error| DiskError::from_io(path, &error);
        let ids =
            entries.iter().flat_map(|entry| Kind::ALL.map(|kind| (entry.key, entry.chain, kind)));
        let offsets = (0..).map(|at: u64| (1 + 2 * at) * u64::from(SLOT));
        let slots: BTreeMap<MarkId, Slot> =
            ids.zip(offsets).map(|(id, offset)| (id, Slot { offset, sequence: 0 })).collect();
        let new = path.with_extension("db-recent.new");
        let mut options = File::options();
        options.create(true).truncate(true).write(true).mode(0o600);
        let file = options.open(&new).map_err(failed)?;
        let blank = vec![0; (1 + 2 * slots.len()) * usize::from(SLOT)];
        file.write_all_at(&blank, 0).map_err(failed)?;
        file.write_all_at(&sealed(&header(opening)), 0).map_err(failed)?;
        let mut recent = RecentFile { path: path.to_owned(), file, slots };
        for entry in entries {
            for kind in Kind::ALL {
                if let Some(last) = entry.last(kind) {
                    recent.write((entry.key, entry.chain, kind), last)?;
                }
            }
        }
        fs::rename(&new, path).map_err(failed)?;
        Ok(recent)
    }

    /// The marks that were written during this opening of the store; none if the file is of another one, or
    /// damaged.
    pub(crate) fn read(path: &Path, opening: &str) -> Option<BTreeMap<MarkId, Last>> {
        let bytes = fs::read(path).ok()?;
        let (head, slots) = bytes.split_at_checked(usize::from(SLOT))?;
        if opened(head)? != header(opening) {
            return None;
        }
        let mut marks = BTreeMap::new();
        for pair in slots.chunks(2 * usize::from(SLOT)) {
            let (first, second) = pair.split_at_checked(usize::from(SLOT))?;
            let both = [first, second].map(|slot| opened(slot).and_then(|text| parse(&text)));
            let is_blank = pair.iter().all(|byte| *byte == 0);
            match both.into_iter().flatten().max_by_key(|(sequence, ..)| *sequence) {
                Some((_, id, last)) => {
                    marks.insert(id, last);
                }
                None if is_blank => {}
                None => return None,
            }
        }
        Some(marks)
    }
}

impl Recent for RecentFile {
    fn write(&mut self, id: MarkId, last: &Last) -> Result<(), DiskError> {
        let missing = || DiskError::Io {
            path: self.path.clone(),
            detail: "there is no room for this key".to_owned(),
        };
        let slot = self.slots.get_mut(&id).ok_or_else(missing)?;
        slot.sequence += 1;
        let offset = slot.offset + (slot.sequence % 2) * u64::from(SLOT);
        let written = self.file.write_all_at(&sealed(&text(slot.sequence, id, last)), offset);
        written.map_err(|error| DiskError::from_io(&self.path, &error))
    }
}

fn header(opening: &str) -> String {
    format!("{MAGIC} {opening}")
}

fn text(sequence: u64, (key, chain, kind): MarkId, last: &Last) -> String {
    let (level, round) = (last.mark.level, last.mark.round);
    let digest = last.digest.map_or_else(|| NONE.to_owned(), hex::encode);
    let signature = last.signature.as_ref().map_or_else(|| NONE.to_owned(), ToString::to_string);
    format!("{sequence} {key} {chain} {kind} {level} {round} {digest} {signature}")
}

/// Stands for what is not there.
const NONE: &str = "-";

fn parse(text: &str) -> Option<(u64, MarkId, Last)> {
    let mut words = text.split(' ');
    let mut word = || words.next();
    let sequence = word()?.parse().ok()?;
    let id = (word()?.parse().ok()?, word()?.parse().ok()?, Kind::from_name(word()?)?);
    let level = Level::try_from(word()?.parse::<i64>().ok()?).ok()?;
    let round = Round::try_from(word()?.parse::<i64>().ok()?).ok()?;
    let digest = match word()? {
        NONE => None,
        text => Some(hex::decode(text).ok()?.try_into().ok()?),
    };
    let signature = match word()? {
        NONE => None,
        text => Some(text.parse().ok()?),
    };
    let mark = Mark { level, round };
    Some((sequence, id, Last { mark, digest, signature, was_declined: false }))
}

/// A slot: the text and its checksum on two lines, then zeros.
fn sealed(text: &str) -> Vec<u8> {
    let mut slot = format!("{text}\n{}\n", hex::encode(blake2b_256(text.as_bytes()))).into_bytes();
    slot.resize(usize::from(SLOT), 0);
    slot
}

/// The text of a slot; none if it is blank, torn or damaged.
fn opened(slot: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(slot).ok()?;
    let (text, rest) = text.split_once('\n')?;
    let (checksum, _) = rest.split_once('\n')?;
    (checksum == hex::encode(blake2b_256(text.as_bytes()))).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use tezos::Curve;

    use super::*;

    fn id(kind: Kind) -> MarkId {
        ("tz1KqTpEZ7Yob7QbPE4Hy4Wo8fHG8LhKxZSx".parse().unwrap(), ChainId::MAINNET, kind)
    }

    fn last(level: i64, signature: Option<u8>) -> Last {
        let mark = Mark { level: Level::try_from(level).unwrap(), round: Round::default() };
        // The longest there is.
        let signature =
            signature.map(|byte| tezos::Signature::new(Curve::Bls, &[byte; 96]).unwrap());
        Last { mark, digest: Some([7; 32]), signature, was_declined: false }
    }

    fn file() -> (tempfile::TempDir, PathBuf, RecentFile) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("watermark.db-recent");
        let (key, chain, _) = id(Kind::Block);
        let entries = [Entry::new(key, chain, None)];
        let file = RecentFile::create(&path, "first", &entries).unwrap();
        (folder, path, file)
    }

    #[test]
    fn what_was_written_is_read() {
        let (_folder, path, mut file) = file();
        assert_eq!(RecentFile::read(&path, "first").unwrap(), BTreeMap::new());
        for level in 1..10_u8 {
            for signature in [None, Some(level)] {
                let written = last(level.into(), signature);
                file.write(id(Kind::Attestation), &written).unwrap();
                let marks = RecentFile::read(&path, "first").unwrap();
                assert_eq!(marks[&id(Kind::Attestation)], written);
                assert_eq!(marks.len(), 1);
            }
        }
    }

    #[test]
    fn what_is_of_another_opening_means_nothing() {
        let (_folder, path, mut file) = file();
        file.write(id(Kind::Block), &last(1, None)).unwrap();
        assert_eq!(RecentFile::read(&path, "second"), None);
    }

    /// Killed in the middle of a write, at any byte: the one before it stays.
    #[test]
    fn a_torn_write_leaves_the_one_before() {
        let (_folder, path, mut file) = file();
        file.write(id(Kind::Block), &last(1, Some(1))).unwrap();
        let before = fs::read(&path).unwrap();
        file.write(id(Kind::Block), &last(2, None)).unwrap();
        let after = fs::read(&path).unwrap();
        for cut in 0..after.len() {
            let torn = [&after[..cut], &before[cut..]].concat();
            fs::write(&path, torn).unwrap();
            let marks = RecentFile::read(&path, "first").unwrap();
            let found = &marks[&id(Kind::Block)];
            assert!(*found == last(1, Some(1)) || *found == last(2, None), "cut at {cut}");
        }
    }

    #[test]
    fn damage_is_no_mark() {
        let (_folder, path, mut file) = file();
        file.write(id(Kind::Block), &last(1, Some(1))).unwrap();
        let good = fs::read(&path).unwrap();
        for at in (0..good.len()).filter(|at| good[*at] != 0) {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, bad).unwrap();
            assert_eq!(RecentFile::read(&path, "first"), None, "at {at}");
        }
    }
}
