//! The files of a store that a signer has, and which of them counts when.
//!
//! ```text
//!                          no signer has it            a signer has it, or had it when the power went
//!  watermark.db            the exact marks             where it began; which opening of it this is
//!  watermark.db-reserved   means nothing               the marks with their reservation, durable
//!  watermark.db-recent     means nothing               the last marks, while the machine is up
//! ```
//!
//! Each step from one column to the other leaves a whole store: a file comes into being before the row that makes it
//! count, and the row goes with the commit of what counts instead.

use std::path::{Path, PathBuf};

use crate::disk::{Disk, DiskError, FileId};
use crate::entry::Entry;
use crate::recent::RecentFile;
use crate::recovery;
use crate::reserved::{self, ReservedFile};
use crate::sqlite::SqliteDisk;

/// The files of a store, open and held.
#[derive(Debug)]
pub(crate) struct Files {
    sqlite: SqliteDisk,
    reserved: ReservedFile,
    reserved_path: PathBuf,
    reserved_id: FileId,
}

impl Files {
    /// Opens the store at `path` for a signer: with its entries as they count, without any reservation.
    pub(crate) fn open(
        path: &Path,
        boot: Option<&str>,
    ) -> Result<(Vec<Entry>, Files, RecentFile), DiskError> {
        let mut sqlite = SqliteDisk::open(path)?;
        let entries = recovery::load(path, &sqlite, boot)?;
        let opening = recovery::opening(boot);
        // What the opening before has left counts up to here, and from here on nothing of it.
        sqlite.finish(&entries)?;
        let reserved_path = reserved::path(path);
        let reserved = ReservedFile::create(&reserved_path, &opening.name, &entries)?;
        let recent = RecentFile::create(&recovery::recent_path(path), &opening.name, &entries)?;
        let reserved_id = FileId::of(&reserved_path)?;
        sqlite.begin(&opening)?;
        Ok((entries, Files { sqlite, reserved, reserved_path, reserved_id }, recent))
    }
}

impl Disk for Files {
    fn commit(&mut self, entries: &[Entry]) -> Result<(), DiskError> {
        self.sqlite.check_place()?;
        self.reserved_id.check(&self.reserved_path)?;
        self.reserved.commit(entries)
    }

    fn settle(&mut self) -> Result<(), DiskError> {
        self.reserved.settle()
    }

    fn finish(&mut self, entries: &[Entry]) -> Result<(), DiskError> {
        self.sqlite.finish(entries)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;
    use tezos::{ChainId, Level};

    use super::*;

    fn level(number: i64) -> Option<Level> {
        Level::try_from(number).ok()
    }

    fn new_store() -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("watermark.db");
        SqliteDisk::create(&path).unwrap();
        let key = "tz1KqTpEZ7Yob7QbPE4Hy4Wo8fHG8LhKxZSx".parse().unwrap();
        let entry = Entry::new(key, ChainId::MAINNET, level(99));
        SqliteDisk::open(&path).unwrap().finish(&[entry]).unwrap();
        (folder, path)
    }

    fn reserve(files: &mut Files, entries: &[Entry], number: i64) {
        let mut entries = entries.to_vec();
        entries[0].reserved = level(number);
        files.commit(&entries).unwrap();
    }

    /// The floor that another boot finds.
    fn floor(path: &Path) -> Option<Level> {
        let (entries, ..) = Files::open(path, Some("next boot")).unwrap();
        assert_eq!(entries[0].reserved, None);
        entries[0].floor
    }

    /// Row 24: the power fails between any two steps of the opening that follows a power cut.
    #[test]
    fn row_24_an_opening_that_is_cut_short_leaves_what_counted_before() {
        for steps in 0..4 {
            let (_folder, path) = new_store();
            let (entries, mut files, _) = Files::open(&path, Some("boot")).unwrap();
            reserve(&mut files, &entries, 150);
            drop(files);

            let mut sqlite = SqliteDisk::open(&path).unwrap();
            let entries = recovery::load(&path, &sqlite, Some("second boot")).unwrap();
            let opening = recovery::opening(Some("second boot"));
            if steps > 0 {
                sqlite.finish(&entries).unwrap();
            }
            if steps > 1 {
                ReservedFile::create(&reserved::path(&path), &opening.name, &entries).unwrap();
            }
            if steps > 2 {
                sqlite.begin(&opening).unwrap();
            }
            drop(sqlite);
            assert_eq!(floor(&path), level(150), "after {steps} steps");
        }
    }

    /// Row 25: the power fails while a reservation is written, at any byte of it.
    #[test]
    fn row_25_a_torn_reservation_leaves_the_one_before() {
        for commits in 1..4 {
            let (_folder, path) = new_store();
            let (entries, mut files, _) = Files::open(&path, Some("boot")).unwrap();
            for number in 1..commits {
                reserve(&mut files, &entries, 100 + number);
            }
            let whole = fs::read(&path).unwrap();
            let before = fs::read(reserved::path(&path)).unwrap();
            reserve(&mut files, &entries, 100 + commits);
            drop(files);
            let after = fs::read(reserved::path(&path)).unwrap();
            let old = level(if commits == 1 { 99 } else { 99 + commits });
            for cut in (0..=after.len()).filter(|cut| before.get(*cut) != after.get(*cut)) {
                fs::write(&path, &whole).unwrap();
                fs::write(reserved::path(&path), [&after[..cut], &before[cut..]].concat()).unwrap();
                let found = floor(&path);
                assert!(found == old || found == level(100 + commits), "cut at {cut}: {found:?}");
            }
        }
    }

    /// Row 27: a second start within the boot, after a process that died, begins where it was; the files of the first do not count.
    #[test]
    fn row_27_what_an_opening_left_does_not_count_after_the_next() {
        let (_folder, path) = new_store();
        let (entries, mut files, _) = Files::open(&path, Some("boot")).unwrap();
        reserve(&mut files, &entries, 150);
        drop(files);
        let first = fs::read(reserved::path(&path)).unwrap();
        assert_eq!(floor(&path), level(150));
        fs::write(reserved::path(&path), first).unwrap();
        let again = Files::open(&path, Some("next boot")).unwrap_err();
        assert!(matches!(again, DiskError::Incomplete { .. }), "{again}");
    }

    /// A full disk has no room for a new file; a reservation asks for none.
    #[test]
    fn a_reservation_changes_no_length() {
        let (_folder, path) = new_store();
        let (entries, mut files, _) = Files::open(&path, Some("boot")).unwrap();
        let length = || fs::metadata(reserved::path(&path)).unwrap().len();
        let before = length();
        for number in 100..140 {
            reserve(&mut files, &entries, number);
            files.settle().unwrap();
        }
        assert_eq!((length(), before), (3 * 4096, 3 * 4096));
        assert_eq!(fs::metadata(path.with_extension("db-wal")).unwrap().len(), 0);
    }
}
