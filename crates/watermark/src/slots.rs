//! A file of texts that are written again and again, with two places for each.
//!
//! ```text
//!  slot 0: place, place │ slot 1: place, place │ …       a place: opening │ sequence number and text │ checksum │ zeros
//! ```
//!
//! A text goes into the place that does not hold the newest one: a write that is cut short, at any byte, leaves the text
//! before it. A place that cannot be read counts as one that is damaged: its slot has another. The file has its full length from
//! the beginning: no write asks the file system for room, or changes more than the bytes of its place.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tezos::blake2b_256;

use crate::disk::{DiskError, FileId};
use crate::paths::{OWNER_ONLY, beside, sync_all, sync_data, sync_folder_of};

/// The file, open for writing.
#[derive(Debug)]
pub(crate) struct SlotFile {
    path: PathBuf,
    file: File,
    form: Form,
    opening: String,
    slots: Vec<Slot>,
}

/// What all files of a kind have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    /// What the first line of a place begins with.
    pub(crate) title: &'static str,
    /// Bytes of a place.
    pub(crate) size: u16,
    /// What a text survives once it is written.
    pub(crate) survives: Survives,
}

/// What a text survives once it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Survives {
    /// The end of this process; a write does not wait for a disk.
    TheProcess,
    /// A power cut.
    APowerCut,
}

#[derive(Debug)]
struct Slot {
    newest: String,
    /// Which of the two places holds it: 0 or 1.
    place: u64,
    /// Of the last attempt to write.
    sequence: u64,
    /// Whether both places hold it.
    is_twice: bool,
}

const PLACES: u64 = 2;

impl SlotFile {
    /// Makes the file at `path` anew, with a slot for each of these texts. It takes the place of another file there when
    /// it is whole.
    pub(crate) fn create(
        path: &Path,
        form: Form,
        opening: &str,
        texts: Vec<String>,
    ) -> Result<SlotFile, DiskError> {
        let mut bytes = Vec::new();
        let mut slots = Vec::with_capacity(texts.len());
        for newest in texts {
            let place = form.sealed(opening, 0, &newest);
            let place = place.map_err(|error| DiskError::from_io(path, &error))?;
            (0..PLACES).for_each(|_| bytes.extend(&place));
            slots.push(Slot { newest, place: 0, sequence: 0, is_twice: true });
        }
        let file = put(path, &bytes, form.survives)?;
        let (path, opening) = (path.to_owned(), opening.to_owned());
        Ok(SlotFile { path, file, form, opening, slots })
    }

    /// The newest text of each slot of the file at `path`. [`io::ErrorKind::InvalidData`] if no place of a slot is whole
    /// and of this opening.
    pub(crate) fn read(path: &Path, form: Form, opening: &str) -> io::Result<Vec<String>> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let size = u64::from(form.size);
        if length % (PLACES * size) != 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let newest = |slot| {
            let places = (0..PLACES).map(|place| form.offset(slot, place));
            let texts = places.filter_map(|offset| form.opened(&file, offset, opening));
            texts.max_by_key(|(sequence, _)| *sequence).map(|(_, text)| text)
        };
        let slots = 0..length / (PLACES * size);
        slots.map(newest).collect::<Option<_>>().ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Writes these texts, each into the slot of its number. They survive what the form says when it returns; after
    /// an error each is there whole, or the one before it.
    pub(crate) fn write(&mut self, texts: Vec<(u64, String)>) -> Result<(), DiskError> {
        for (at, text) in &texts {
            let Some(slot) = slot(&mut self.slots, *at) else {
                return Err(self.failed(&io::Error::other("there is no such slot")));
            };
            slot.sequence += 1;
            let (sequence, place) = (slot.sequence, slot.other_place());
            self.write_place(*at, place, sequence, text)?;
        }
        self.make_durable()?;
        for (at, newest) in texts {
            if let Some(slot) = slot(&mut self.slots, at) {
                slot.place = slot.other_place();
                slot.newest = newest;
                slot.is_twice = false;
            }
        }
        Ok(())
    }

    /// Writes the newest texts into their other places as well: then a place that rots takes nothing with it.
    pub(crate) fn write_twice(&mut self) -> Result<(), DiskError> {
        for (at, slot) in (0..).zip(&self.slots).filter(|(_, slot)| !slot.is_twice) {
            self.write_place(at, slot.other_place(), slot.sequence, &slot.newest)?;
        }
        self.make_durable()?;
        self.slots.iter_mut().for_each(|slot| slot.is_twice = true);
        Ok(())
    }

    fn write_place(&self, at: u64, place: u64, sequence: u64, text: &str) -> Result<(), DiskError> {
        let bytes = self.form.sealed(&self.opening, sequence, text);
        let offset = self.form.offset(at, place);
        let written = bytes.and_then(|bytes| self.file.write_all_at(&bytes, offset));
        written.map_err(|error| self.failed(&error))
    }

    fn make_durable(&self) -> Result<(), DiskError> {
        match self.form.survives {
            Survives::TheProcess => Ok(()),
            Survives::APowerCut => sync_data(&self.file).map_err(|error| self.failed(&error)),
        }
    }

    fn failed(&self, error: &io::Error) -> DiskError {
        DiskError::from_io(&self.path, error)
    }

    /// [`DiskError::Replaced`] when another file is at its path, or none.
    pub(crate) fn check_place(&self) -> Result<(), DiskError> {
        let file = self.file.metadata().map_err(|error| self.failed(&error))?;
        FileId::from(&file).check(&self.path)
    }
}

fn slot(slots: &mut [Slot], at: u64) -> Option<&mut Slot> {
    slots.get_mut(usize::try_from(at).ok()?)
}

impl Slot {
    fn other_place(&self) -> u64 {
        1 - self.place
    }
}

impl Form {
    fn offset(self, slot: u64, place: u64) -> u64 {
        (PLACES * slot + place) * u64::from(self.size)
    }

    /// The bytes of a place.
    fn sealed(self, opening: &str, sequence: u64, text: &str) -> io::Result<Vec<u8>> {
        let content = format!("{} {opening}\n{sequence} {text}\n", self.title);
        let mut place = format!("{content}{}\n", checksum(&content)).into_bytes();
        if place.len() > usize::from(self.size) || text.contains('\n') {
            return Err(io::Error::other("a text does not fit into its place"));
        }
        place.resize(usize::from(self.size), 0);
        Ok(place)
    }

    /// The sequence number and the text of a place; none if it cannot be read, is torn, damaged, or of another opening.
    fn opened(self, file: &File, offset: u64, opening: &str) -> Option<(u64, String)> {
        let mut place = vec![0; usize::from(self.size)];
        file.read_exact_at(&mut place, offset).ok()?;
        let place = std::str::from_utf8(&place).ok()?;
        let (head, rest) = place.split_once('\n')?;
        let (body, rest) = rest.split_once('\n')?;
        let (sum, _) = rest.split_once('\n')?;
        let is_whole = sum == checksum(&format!("{head}\n{body}\n"));
        if !is_whole || head != format!("{} {opening}", self.title) {
            return None;
        }
        let (sequence, text) = body.split_once(' ')?;
        Some((sequence.parse().ok()?, text.to_owned()))
    }
}

fn checksum(content: &str) -> String {
    hex::encode(blake2b_256(content.as_bytes()))
}

/// Writes the file beside `path` and moves it there.
fn put(path: &Path, bytes: &[u8], survives: Survives) -> Result<File, DiskError> {
    let new = beside(path, ".new");
    let written = || {
        let mut options = File::options();
        let file = options.create(true).truncate(true).write(true).mode(OWNER_ONLY).open(&new)?;
        file.write_all_at(bytes, 0)?;
        if survives == Survives::APowerCut {
            sync_all(&file)?;
        }
        Ok(file)
    };
    let file = written().map_err(|error| DiskError::from_io(&new, &error))?;
    let moved = fs::rename(&new, path).and_then(|()| match survives {
        Survives::TheProcess => Ok(()),
        Survives::APowerCut => sync_folder_of(path),
    });
    moved.map_err(|error| DiskError::from_io(path, &error))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths::{Moment, moments};

    const FORM: Form = Form { title: "texts", size: 512, survives: Survives::APowerCut };

    fn file(texts: &[&str]) -> (tempfile::TempDir, PathBuf, SlotFile) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("slots");
        let texts = texts.iter().map(|text| (*text).to_owned()).collect();
        let file = SlotFile::create(&path, FORM, "first", texts).unwrap();
        (folder, path, file)
    }

    fn read(path: &Path) -> io::Result<Vec<String>> {
        SlotFile::read(path, FORM, "first")
    }

    fn only(text: &str) -> Vec<String> {
        vec![text.to_owned()]
    }

    #[test]
    fn what_was_written_last_is_read() {
        let (_folder, path, mut file) = file(&["a", "b"]);
        for number in 0..7 {
            file.write(vec![(1, number.to_string())]).unwrap();
            assert_eq!(read(&path).unwrap(), ["a".to_owned(), number.to_string()]);
            if number % 3 == 0 {
                file.write_twice().unwrap();
            }
        }
        assert!(SlotFile::read(&path, FORM, "second").is_err(), "it is of another opening");
    }

    /// Cut short at any byte, whether it is the process or the disk that ends there.
    #[test]
    fn a_torn_write_leaves_the_text_before() {
        for writes in 1..4 {
            let (_folder, path, mut file) = file(&["0"]);
            for number in 1..writes {
                file.write(vec![(0, number.to_string())]).unwrap();
            }
            let before = fs::read(&path).unwrap();
            file.write(vec![(0, writes.to_string())]).unwrap();
            let after = fs::read(&path).unwrap();
            for cut in 0..=after.len() {
                fs::write(&path, [&after[..cut], &before[cut..]].concat()).unwrap();
                let found = read(&path).unwrap();
                let [old, new] = [writes - 1, writes].map(|number| only(&number.to_string()));
                assert!(found == old || found == new, "cut at {cut}: {found:?}");
            }
        }
    }

    #[test]
    fn a_text_that_was_written_once_is_not_written_over() {
        let (_folder, path, mut file) = file(&["0"]);
        file.write(vec![(0, "1".to_owned())]).unwrap();
        let once = fs::read(&path).unwrap();
        file.write(vec![(0, "2".to_owned())]).unwrap();
        let after = fs::read(&path).unwrap();
        let second = &once[512..1024];
        assert!(String::from_utf8_lossy(second).contains("\n1 1\n"));
        assert_eq!(&after[512..1024], second, "the only copy of it");
        assert_ne!(&after[..512], &once[..512]);
    }

    #[test]
    fn after_the_second_writing_any_place_may_rot() {
        let (_folder, path, mut file) = file(&["0"]);
        for number in 1..4 {
            file.write(vec![(0, number.to_string())]).unwrap();
            file.write_twice().unwrap();
            let good = fs::read(&path).unwrap();
            for at in (0..good.len()).filter(|at| good[*at] != 0) {
                let mut bad = good.clone();
                bad[at] ^= 1;
                fs::write(&path, bad).unwrap();
                assert_eq!(read(&path).unwrap(), only(&number.to_string()), "byte {at}");
            }
            fs::write(&path, good).unwrap();
        }
    }

    /// A disk that lost power in the middle of a sector may answer an error there from then on.
    #[test]
    fn a_place_that_cannot_be_read_is_a_damaged_one() {
        let (_folder, path, _file) = file(&["0"]);
        let file = File::open(&path).unwrap();
        assert_eq!(FORM.opened(&file, 512, "first"), Some((0, "0".to_owned())));
        let write_only = File::options().write(true).open(&path).unwrap();
        assert_eq!(FORM.opened(&write_only, 512, "first"), None);
    }

    #[test]
    fn a_slot_without_a_whole_place_is_no_text() {
        let (_folder, path, _file) = file(&["0"]);
        let good = fs::read(&path).unwrap();
        for bad in [&good[..100], &good[..700], &good[..1023], &[0; 1024]] {
            let found = read_of(&path, bad);
            assert!(matches!(&found, Err(error) if error.kind() == io::ErrorKind::InvalidData));
        }
        let mut both = good.clone();
        both[0] ^= 1;
        both[512] ^= 1;
        assert!(read_of(&path, &both).is_err());
    }

    fn read_of(path: &Path, bytes: &[u8]) -> io::Result<Vec<String>> {
        fs::write(path, bytes).unwrap();
        read(path)
    }

    /// Nothing is durable without it, and no test would see the difference while the machine is on.
    #[test]
    fn what_survives_a_power_cut_is_synced_before_it_is_said_to() {
        let (_folder, path, mut file) = file(&["0"]);
        let write = || file.write(vec![(0, "1".to_owned())]).unwrap();
        assert_eq!(moments::of(write).1, [Moment::DataSync]);
        assert_eq!(moments::of(|| file.write_twice().unwrap()).1, [Moment::DataSync]);
        let create = || SlotFile::create(&path, FORM, "second", only("0")).unwrap();
        assert_eq!(moments::of(create).1, [Moment::Sync, Moment::FolderSync]);
        let form = Form { survives: Survives::TheProcess, ..FORM };
        let create = || SlotFile::create(&path, form, "third", only("0")).unwrap();
        assert_eq!(moments::of(create).1, []);
    }

    #[test]
    fn a_text_that_was_not_synced_is_written_again_into_the_same_place() {
        let (_folder, path, mut file) = file(&["0"]);
        file.write(vec![(0, "1".to_owned())]).unwrap();
        for _ in 0..3 {
            let failed = moments::only(0, || file.write(vec![(0, "2".to_owned())]));
            assert!(failed.is_err());
            let mut bytes = fs::read(&path).unwrap();
            bytes[..512].fill(0xa5);
            assert_eq!(read_of(&path.with_extension("torn"), &bytes).unwrap(), only("1"));
        }
        assert!(moments::only(0, || file.write_twice()).is_err());
        file.write_twice().unwrap();
        for rotten in [0..512, 512..1024] {
            let mut bytes = fs::read(&path).unwrap();
            bytes[rotten].fill(0xa5);
            assert_eq!(read_of(&path.with_extension("rotten"), &bytes).unwrap(), only("1"));
        }
    }

    #[test]
    fn a_text_that_does_not_fit_is_an_error_and_changes_nothing() {
        let (_folder, path, mut file) = file(&["0"]);
        assert!(file.write(vec![(0, "x".repeat(500))]).is_err());
        assert!(file.write(vec![(0, "two\nlines".to_owned())]).is_err());
        assert!(file.write(vec![(1, "no slot".to_owned())]).is_err());
        assert_eq!(read(&path).unwrap(), only("0"));
        file.write(vec![(0, "1".to_owned())]).unwrap();
        assert_eq!(read(&path).unwrap(), only("1"));
    }
}
