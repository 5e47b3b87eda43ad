//! The last marks, written without waiting for a disk.
//!
//! What a process has written stays in the page cache of the kernel when the process dies, and is lost only with
//! the machine. So each mark is written here before its device is asked, and its signature before the answer is
//! given; a store that is opened again while the machine is up finds exactly where it was, and gives up nothing.
//! After another boot of the machine this file means nothing, and the reservation counts.

use std::collections::BTreeMap;
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
    slots: BTreeMap<MarkId, usize>,
}

/// No place lies across two pages of the page cache.
const FORM: Form = Form { size: 512, survives: Survives::TheProcess };

impl RecentFile {
    /// Makes the file anew, with room for these entries.
    pub(crate) fn create(
        path: &Path,
        opening: &str,
        entries: &[Entry],
    ) -> Result<RecentFile, DiskError> {
        let marks = entries.iter().flat_map(|entry| {
            Kind::ALL.map(|kind| ((entry.key, entry.chain, kind), entry.last(kind)))
        });
        let (ids, texts): (Vec<MarkId>, Vec<Option<String>>) =
            marks.map(|(id, last)| (id, last.map(|last| text(id, last)))).unzip();
        let file = SlotFile::create(path, FORM, &header(opening), texts)?;
        Ok(RecentFile { file, slots: ids.into_iter().zip(0..).collect() })
    }

    /// The marks that were written during this opening of the store; none if the file is of another one, or
    /// damaged.
    pub(crate) fn read(path: &Path, opening: &str) -> Option<BTreeMap<MarkId, Last>> {
        let texts = SlotFile::read(path, FORM, &header(opening)).ok()?;
        texts.into_iter().flatten().map(|text| parse(&text)).collect()
    }
}

impl Recent for RecentFile {
    fn write(&mut self, id: MarkId, last: &Last) -> Result<(), DiskError> {
        // A number that no slot has.
        let slot = self.slots.get(&id).copied().unwrap_or(usize::MAX);
        self.file.write(vec![(slot, text(id, last))])
    }
}

fn header(opening: &str) -> String {
    format!("peel recent marks 2 {opening}")
}

fn text((key, chain, kind): MarkId, last: &Last) -> String {
    let (level, round) = (last.mark.level, last.mark.round);
    let digest = last.digest.map_or_else(|| NONE.to_owned(), hex::encode);
    let signature = last.signature.as_ref().map_or_else(|| NONE.to_owned(), ToString::to_string);
    format!("{key} {chain} {kind} {level} {round} {digest} {signature}")
}

/// Stands for what is not there.
const NONE: &str = "-";

fn parse(text: &str) -> Option<(MarkId, Last)> {
    let mut words = text.split(' ');
    let mut word = || words.next();
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
    Some((id, Last { mark, digest, signature, was_declined: false }))
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

    #[test]
    fn a_mark_without_a_slot_is_not_written() {
        let (_folder, _path, mut file) = file();
        let (key, _, kind) = id(Kind::Block);
        assert!(file.write((key, ChainId::from_bytes([7; 4]), kind), &last(1, None)).is_err());
    }
}
