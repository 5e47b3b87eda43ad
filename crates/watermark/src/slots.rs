//! A file of texts that are written again and again, with two places for each.
//!
//! ```text
//!  header (which opening of which store) │ slot 0: place, place │ slot 1: place, place │ …
//! ```
//!
//! A text goes into the place that does not hold the newest one: a write that is cut short, at any byte, leaves the text
//! before it. Each place carries a sequence number and a checksum. The file has its full length from the beginning, and
//! nothing but zeros and texts in it: no write asks the file system for room, or changes more than the bytes of its place.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tezos::blake2b_256;

use crate::disk::DiskError;

/// The file, open for writing.
#[derive(Debug)]
pub(crate) struct SlotFile {
    path: PathBuf,
    file: File,
    form: Form,
    slots: Vec<Slot>,
}

/// What all files of a kind have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    /// Bytes of a place and of the header; a text has 90 less at most.
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

const PLACES: usize = 2;
const OWNER_ONLY: u32 = 0o600;

impl SlotFile {
    /// Makes the file at `path` anew, with a slot for each of these texts; none is a blank slot. It takes the place of
    /// another file there when it is whole.
    pub(crate) fn create(
        path: &Path,
        form: Form,
        header: &str,
        texts: Vec<Option<String>>,
    ) -> Result<SlotFile, DiskError> {
        let failed = |error: io::Error| DiskError::from_io(path, &error);
        let mut bytes = sealed(header, form.size).map_err(failed)?;
        let mut slots = Vec::with_capacity(texts.len());
        for text in texts {
            let place = match &text {
                Some(text) => sealed(&numbered(0, text), form.size).map_err(failed)?,
                None => vec![0; usize::from(form.size)],
            };
            bytes.extend(place.repeat(PLACES));
            let newest = text.unwrap_or_default();
            slots.push(Slot { newest, place: 0, sequence: 0, is_twice: true });
        }
        let file = put(path, &bytes, form.survives).map_err(failed)?;
        Ok(SlotFile { path: path.to_owned(), file, form, slots })
    }

    /// The newest text of each slot of the file at `path`; none for a blank one. [`io::ErrorKind::InvalidData`] if the
    /// file has another header, or no place of a slot is whole.
    pub(crate) fn read(path: &Path, form: Form, header: &str) -> io::Result<Vec<Option<String>>> {
        let bytes = fs::read(path)?;
        let size = usize::from(form.size);
        let slots = bytes.split_at_checked(size).and_then(|(head, slots)| {
            let slots = slots.chunks_exact(PLACES * size);
            let is_whole = slots.remainder().is_empty() && opened(head).as_deref() == Some(header);
            is_whole.then(|| slots.map(|slot| newest(slot, size)).collect())?
        });
        slots.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Writes these texts, each into the slot of its number. They survive what the form says when it returns; after
    /// an error the texts before them do.
    pub(crate) fn write(&mut self, texts: Vec<(usize, String)>) -> Result<(), DiskError> {
        let SlotFile { path, file, form, slots } = self;
        let failed = |error: io::Error| DiskError::from_io(path, &error);
        for (at, text) in &texts {
            let slot = slots.get_mut(*at);
            let slot = slot.ok_or_else(|| failed(io::Error::other("there is no such slot")))?;
            slot.sequence += 1;
            let bytes = sealed(&numbered(slot.sequence, text), form.size).map_err(failed)?;
            file.write_all_at(&bytes, offset(*at, slot.other_place(), *form)).map_err(failed)?;
        }
        if form.survives == Survives::APowerCut {
            file.sync_data().map_err(failed)?;
        }
        for (at, newest) in texts {
            if let Some(slot) = slots.get_mut(at) {
                slot.place = slot.other_place();
                slot.newest = newest;
                slot.is_twice = false;
            }
        }
        Ok(())
    }

    /// Writes the newest texts into their other places as well: then a place that rots takes nothing with it.
    pub(crate) fn write_twice(&mut self) -> Result<(), DiskError> {
        let SlotFile { path, file, form, slots } = self;
        let failed = |error: io::Error| DiskError::from_io(path, &error);
        for (at, slot) in slots.iter().enumerate().filter(|(_, slot)| !slot.is_twice) {
            let bytes =
                sealed(&numbered(slot.sequence, &slot.newest), form.size).map_err(failed)?;
            file.write_all_at(&bytes, offset(at, slot.other_place(), *form)).map_err(failed)?;
        }
        if form.survives == Survives::APowerCut {
            file.sync_data().map_err(failed)?;
        }
        slots.iter_mut().for_each(|slot| slot.is_twice = true);
        Ok(())
    }
}

impl Slot {
    fn other_place(&self) -> u64 {
        1 - self.place
    }
}

/// Writes the file beside `path` and moves it there.
fn put(path: &Path, bytes: &[u8], survives: Survives) -> io::Result<File> {
    let mut new = path.to_owned().into_os_string();
    new.push(".new");
    let mut options = File::options();
    let file = options.create(true).truncate(true).write(true).mode(OWNER_ONLY).open(&new)?;
    file.write_all_at(bytes, 0)?;
    if survives == Survives::APowerCut {
        file.sync_all()?;
    }
    fs::rename(&new, path)?;
    if survives == Survives::APowerCut {
        sync_folder_of(path)?;
    }
    Ok(file)
}

/// Makes the names in the folder of `path` durable.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all())
}

fn offset(slot: usize, place: u64, form: Form) -> u64 {
    let places = u64::try_from(1 + PLACES * slot).unwrap_or(u64::MAX);
    (places + place) * u64::from(form.size)
}

/// The newest text of the two places; the inner none if the slot is blank, the outer none if it is damaged.
fn newest(slot: &[u8], size: usize) -> Option<Option<String>> {
    let texts = slot.chunks(size).filter_map(opened);
    let texts = texts.filter_map(|text| {
        let (sequence, text) = text.split_once(' ')?;
        Some((sequence.parse::<u64>().ok()?, text.to_owned()))
    });
    match texts.max_by_key(|(sequence, _)| *sequence) {
        Some((_, text)) => Some(Some(text)),
        None if slot.iter().all(|byte| *byte == 0) => Some(None),
        None => None,
    }
}

fn numbered(sequence: u64, text: &str) -> String {
    format!("{sequence} {text}")
}

/// A place: the text and its checksum on two lines, then zeros.
fn sealed(text: &str, size: u16) -> io::Result<Vec<u8>> {
    let mut place = format!("{text}\n{}\n", hex::encode(blake2b_256(text.as_bytes()))).into_bytes();
    if place.len() > usize::from(size) || text.contains('\n') {
        return Err(io::Error::other("a text does not fit into its place"));
    }
    place.resize(usize::from(size), 0);
    Ok(place)
}

/// The text of a place; none if it is blank, torn or damaged.
fn opened(place: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(place).ok()?;
    let (text, rest) = text.split_once('\n')?;
    let (checksum, _) = rest.split_once('\n')?;
    (checksum == hex::encode(blake2b_256(text.as_bytes()))).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: Form = Form { size: 512, survives: Survives::APowerCut };

    fn file(texts: &[&str]) -> (tempfile::TempDir, PathBuf, SlotFile) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("slots");
        let texts = texts.iter().map(|text| Some((*text).to_owned())).collect();
        let file = SlotFile::create(&path, FORM, "first", texts).unwrap();
        (folder, path, file)
    }

    fn read(path: &Path) -> io::Result<Vec<Option<String>>> {
        SlotFile::read(path, FORM, "first")
    }

    fn only(text: &str) -> Vec<Option<String>> {
        vec![Some(text.to_owned())]
    }

    #[test]
    fn what_was_written_last_is_read() {
        let (_folder, path, mut file) = file(&["a", "b"]);
        for number in 0..7 {
            file.write(vec![(1, number.to_string())]).unwrap();
            assert_eq!(read(&path).unwrap(), [Some("a".to_owned()), Some(number.to_string())]);
            if number % 3 == 0 {
                file.write_twice().unwrap();
            }
        }
        assert!(SlotFile::read(&path, FORM, "second").is_err(), "it is of another opening");
    }

    #[test]
    fn a_blank_slot_is_none_and_can_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("slots");
        let mut file = SlotFile::create(&path, FORM, "first", vec![None]).unwrap();
        assert_eq!(read(&path).unwrap(), [None]);
        file.write(vec![(0, "text".to_owned())]).unwrap();
        assert_eq!(read(&path).unwrap(), only("text"));
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
        let places = |bytes: &[u8]| [&bytes[512..1024], &bytes[1024..]].map(opened);
        let [first, second] = places(&once);
        assert_eq!((first.as_deref(), second.as_deref()), (Some("0 0"), Some("1 1")));
        assert_eq!(places(&after)[1], second, "the only copy of it");
    }

    #[test]
    fn after_the_second_writing_any_place_may_rot() {
        let (_folder, path, mut file) = file(&["0"]);
        for number in 1..4 {
            file.write(vec![(0, number.to_string())]).unwrap();
            file.write_twice().unwrap();
            let good = fs::read(&path).unwrap();
            for at in (512..good.len()).filter(|at| good[*at] != 0) {
                let mut bad = good.clone();
                bad[at] ^= 1;
                fs::write(&path, bad).unwrap();
                assert_eq!(read(&path).unwrap(), only(&number.to_string()), "byte {at}");
            }
            fs::write(&path, good).unwrap();
        }
    }

    #[test]
    fn a_damaged_header_or_slot_is_no_text() {
        let (_folder, path, _file) = file(&["0"]);
        let good = fs::read(&path).unwrap();
        for bad in [&good[..511], &good[..700], &good[..1535], &[0; 2048], b""] {
            let found = read_of(&path, bad);
            assert!(
                matches!(&found, Err(error) if error.kind() == io::ErrorKind::InvalidData),
                "{found:?}"
            );
        }
        let mut both = good.clone();
        both[512] ^= 1;
        both[1024] ^= 1;
        assert!(read_of(&path, &both).is_err());
    }

    fn read_of(path: &Path, bytes: &[u8]) -> io::Result<Vec<Option<String>>> {
        fs::write(path, bytes).unwrap();
        read(path)
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
