//! The last marks, written without waiting for a disk.
//!
//! What a process has written to a file in memory outlives it, and is lost with the machine. So each mark is written here
//! before its device is asked, and its signature before the answer is
//! given; a store that is opened again while the machine is up finds exactly where it was, and gives up nothing.
//! After another boot of the machine this file is gone, and the reservation counts.
//!
//! It has to be a file of the memory itself (tmpfs). One on a disk is in the page cache as well; but a disk that is lost
//! and mounted again, or that fails to take a page, shows an older state of it without a word, in the same boot.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use tezos::{ChainId, Kind, Level, Mark, PublicKeyHash, Round};

use crate::disk::DiskError;
use crate::entry::{Entry, Last};
use crate::slots::{Form, SlotFile, Survives};

/// Where a mark is written before its device is asked.
pub(crate) trait Recent: Send {
    /// Writes a mark so that it survives this process. Does not wait for a disk.
    fn write(&mut self, id: MarkId, last: &Last) -> Result<(), DiskError>;
}

/// What a mark is of.
pub(crate) type MarkId = (PublicKeyHash, ChainId, Kind);

/// The file, made for one opening of the store: a slot for each mark.
#[derive(Debug)]
pub(crate) struct RecentFile {
    file: SlotFile,
    slots: BTreeMap<MarkId, u64>,
}

/// No place lies across two pages of the memory.
const FORM: Form = Form { title: "peel recent marks 2", size: 512, survives: Survives::TheProcess };

/// The marks are not kept anywhere: a process that is killed gives up as much as a power cut.
#[derive(Debug)]
pub(crate) struct NotKept;

impl Recent for NotKept {
    fn write(&mut self, _: MarkId, _: &Last) -> Result<(), DiskError> {
        Ok(())
    }
}

impl RecentFile {
    /// Makes the file at `path`, with room for these entries.
    pub(crate) fn create(
        path: &Path,
        opening: &str,
        entries: &[Entry],
    ) -> Result<RecentFile, DiskError> {
        let marks = entries.iter().flat_map(|entry| {
            Kind::ALL.map(|kind| ((entry.key, entry.chain, kind), entry.last(kind)))
        });
        let (ids, texts): (Vec<MarkId>, _) = marks.map(|(id, last)| (id, text(id, last))).unzip();
        let file = SlotFile::create(path, FORM, opening, texts)?;
        Ok(RecentFile { file, slots: ids.into_iter().zip(0..).collect() })
    }

    /// The marks of these entries that were written during this opening of the store; none if the file is of another one, of
    /// another `owner`, or damaged.
    pub(crate) fn read(
        path: &Path,
        opening: &str,
        owner: u32,
        entries: &[Entry],
    ) -> Option<BTreeMap<MarkId, Last>> {
        // Every user may make files in some folders in memory.
        let found = fs::symlink_metadata(path).ok()?;
        if !found.is_file() || found.uid() != owner {
            return None;
        }
        let texts = SlotFile::read(path, FORM, opening).ok()?;
        let marks: BTreeMap<MarkId, Option<Last>> =
            texts.iter().map(|text| parse(text)).collect::<Option<_>>()?;
        let ids =
            entries.iter().flat_map(|entry| Kind::ALL.map(|kind| (entry.key, entry.chain, kind)));
        let is_complete = ids.collect::<BTreeSet<_>>().iter().eq(marks.keys());
        let marks = marks.into_iter().filter_map(|(id, last)| Some((id, last?)));
        is_complete.then(|| marks.collect())
    }
}

impl Recent for RecentFile {
    fn write(&mut self, id: MarkId, last: &Last) -> Result<(), DiskError> {
        // A number that no slot has.
        let slot = self.slots.get(&id).copied().unwrap_or(u64::MAX);
        self.file.write(vec![(slot, text(id, Some(last)))])
    }
}

fn text((key, chain, kind): MarkId, last: Option<&Last>) -> String {
    let Some(last) = last else { return format!("{key} {chain} {kind} {NONE}") };
    let (level, round) = (last.mark.level, last.mark.round);
    let digest = last.digest.map_or_else(|| NONE.to_owned(), hex::encode);
    let signature = last.signature.as_ref().map_or_else(|| NONE.to_owned(), ToString::to_string);
    format!("{key} {chain} {kind} {level} {round} {digest} {signature}")
}

/// Stands for what is not there.
const NONE: &str = "-";

fn parse(text: &str) -> Option<(MarkId, Option<Last>)> {
    let mut words = text.split(' ');
    let mut word = || words.next();
    let id = (word()?.parse().ok()?, word()?.parse().ok()?, Kind::from_name(word()?)?);
    let level = match word()? {
        NONE => return Some((id, None)),
        text => Level::try_from(text.parse::<i64>().ok()?).ok()?,
    };
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
    Some((id, Some(Last { mark, digest, signature, was_declined: false })))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

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

    fn entries() -> Vec<Entry> {
        let (key, chain, _) = id(Kind::Block);
        vec![Entry::new(key, chain, None)]
    }

    fn file() -> (tempfile::TempDir, PathBuf, RecentFile) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recent");
        let file = RecentFile::create(&path, "first", &entries()).unwrap();
        (folder, path, file)
    }

    fn read(path: &Path, opening: &str) -> Option<BTreeMap<MarkId, Last>> {
        let owner = fs::metadata(path).unwrap().uid();
        RecentFile::read(path, opening, owner, &entries())
    }

    #[test]
    fn what_was_written_is_read() {
        let (_folder, path, mut file) = file();
        assert_eq!(read(&path, "first").unwrap(), BTreeMap::new());
        for level in 1..10_u8 {
            for signature in [None, Some(level)] {
                let written = last(level.into(), signature);
                file.write(id(Kind::Attestation), &written).unwrap();
                let marks = read(&path, "first").unwrap();
                assert_eq!(marks[&id(Kind::Attestation)], written);
                assert_eq!(marks.len(), 1);
            }
        }
    }

    #[test]
    fn what_is_of_another_opening_means_nothing() {
        let (_folder, path, mut file) = file();
        file.write(id(Kind::Block), &last(1, None)).unwrap();
        assert_eq!(read(&path, "second"), None);
    }

    #[test]
    fn what_is_of_another_owner_or_of_other_keys_means_nothing() {
        let (folder, path, mut file) = file();
        file.write(id(Kind::Block), &last(1, None)).unwrap();
        let owner = fs::metadata(&path).unwrap().uid();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(RecentFile::read(&path, "first", owner, &entries()).is_some());
        assert_eq!(RecentFile::read(&link, "first", owner, &entries()), None);
        assert_eq!(RecentFile::read(&path, "first", owner + 1, &entries()), None);
        assert_eq!(RecentFile::read(&path, "first", owner, &[]), None);
    }

    #[test]
    fn a_mark_without_a_slot_is_not_written() {
        let (_folder, _path, mut file) = file();
        let (key, _, kind) = id(Kind::Block);
        assert!(file.write((key, ChainId::from_bytes([7; 4]), kind), &last(1, None)).is_err());
    }
}
