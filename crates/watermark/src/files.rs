//! The files of a store that a signer has, and which of them counts when.
//!
//! ```text
//!                          no signer has it            a signer has it, or had it when the power went
//!  watermark.db            the exact marks             where it began; which opening of it this is
//!  watermark.db-reserved   means nothing               the marks with their reservation, durable
//!  a file in memory        there is none               the last marks, while the machine is up
//! ```
//!
//! Each step from one column to the other leaves a whole store: a file comes into being before the row that makes it
//! count, and the row goes with the commit of what counts instead.

use std::fs;
use std::path::{Path, PathBuf};

use crate::disk::{Disk, DiskError};
use crate::entry::Entry;
use crate::recent::{NotKept, Recent, RecentFile};
use crate::recovery::{self, Machine};
use crate::reserved::{self, ReservedFile};
use crate::sqlite::{Opening, SqliteDisk};

/// The files of a store, open and held.
#[derive(Debug)]
pub(crate) struct Files {
    sqlite: SqliteDisk,
    reserved: ReservedFile,
    recent: Option<PathBuf>,
}

/// A store that was opened for a signer.
pub(crate) struct Opened {
    /// As they count, without any reservation.
    pub(crate) entries: Vec<Entry>,
    pub(crate) files: Files,
    pub(crate) recent: Box<dyn Recent>,
}

impl Files {
    /// Opens the store at `path` for a signer.
    pub(crate) fn open(path: &Path, machine: &Machine) -> Result<Opened, DiskError> {
        let mut sqlite = SqliteDisk::open(path)?;
        let before = sqlite.last_opening()?;
        let entries = recovery::load(path, &sqlite, before.as_ref(), machine)?;
        let mut opening = recovery::opening(machine);
        // What the opening before has left counts up to here, and from here on nothing of it.
        sqlite.finish(&entries)?;
        remove(before.and_then(|before| before.recent).as_deref());
        let reserved = ReservedFile::create(&reserved::path(path), &opening.name, &entries)?;
        let recent: Box<dyn Recent> = match recent_file(&opening, &entries) {
            Some(file) => Box::new(file),
            None => {
                opening.recent = None;
                Box::new(NotKept)
            }
        };
        sqlite.begin(&opening)?;
        let files = Files { sqlite, reserved, recent: opening.recent };
        Ok(Opened { entries, files, recent })
    }
}

impl Disk for Files {
    fn commit(&mut self, entries: &[Entry]) -> Result<(), DiskError> {
        self.sqlite.check_place()?;
        self.reserved.check_place()?;
        self.reserved.commit(entries)
    }

    fn write_twice(&mut self) -> Result<(), DiskError> {
        self.reserved.write_twice()
    }

    fn room(&self) -> Option<u64> {
        let found = rustix::fs::statvfs(self.sqlite.path()).ok()?;
        Some(found.f_bavail.saturating_mul(found.f_frsize))
    }

    fn finish(&mut self, entries: &[Entry]) -> Result<(), DiskError> {
        self.sqlite.finish(entries)?;
        remove(self.recent.as_deref());
        Ok(())
    }
}

/// None where there is no memory for it: a process that is killed gives up its reservations then.
fn recent_file(opening: &Opening, entries: &[Entry]) -> Option<RecentFile> {
    RecentFile::create(opening.recent.as_deref()?, &opening.name, entries).ok()
}

/// A file of recent marks that means nothing any more. One that stays is gone with the next boot.
fn remove(recent: Option<&Path>) {
    let _ = recent.map(fs::remove_file);
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;
    use tempfile::TempDir;
    use tezos::{ChainId, Level};

    use super::*;
    use crate::paths::{Moment, moments};

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

    fn open(path: &Path, boot: &str) -> Result<Opened, DiskError> {
        let memory = path.parent().map(Path::to_owned);
        Files::open(path, &Machine { boot: Some(boot.to_owned()), memory })
    }

    fn reserve(files: &mut Files, entries: &[Entry], number: i64) {
        let mut entries = entries.to_vec();
        entries[0].reserved = level(number);
        files.commit(&entries).unwrap();
    }

    /// The floor that another boot finds.
    fn floor(path: &Path) -> Option<Level> {
        let Opened { entries, .. } = open(path, "next boot").unwrap();
        assert_eq!(entries[0].reserved, None);
        entries[0].floor
    }

    /// Row 24: the power fails at any moment of the opening that follows a power cut.
    #[test]
    fn row_24_an_opening_that_is_cut_short_leaves_what_counted_before() {
        let mut moments = 0;
        loop {
            let (_folder, path) = new_store();
            let Opened { entries, mut files, .. } = open(&path, "boot").unwrap();
            reserve(&mut files, &entries, 150);
            drop(files);
            let cut = moments::only(moments, || open(&path, "second boot").is_err());
            assert_eq!(floor(&path), level(150), "after {moments} moments");
            if !cut {
                break;
            }
            moments += 1;
        }
        assert_eq!(moments, 4);
    }

    /// The row of an opening is durable after all that it makes count.
    #[test]
    fn an_opening_is_begun_when_its_files_are_durable() {
        let (_folder, path) = new_store();
        let (opened, moments) = moments::of(|| open(&path, "boot").unwrap());
        assert_eq!(moments, [Moment::Commit, Moment::Sync, Moment::FolderSync, Moment::Commit]);
        let Opened { entries, mut files, .. } = opened;
        let committed = moments::of(|| reserve(&mut files, &entries, 150)).1;
        assert_eq!(committed, [Moment::DataSync]);
        let finished = moments::of(|| files.finish(&entries).unwrap()).1;
        assert_eq!(finished, [Moment::Commit]);
    }

    /// Row 25: the power fails while a reservation is written, at any byte of it.
    #[test]
    fn row_25_a_torn_reservation_leaves_the_one_before() {
        for commits in 1..4 {
            let (_folder, path) = new_store();
            let Opened { entries, mut files, .. } = open(&path, "boot").unwrap();
            for number in 1..commits {
                reserve(&mut files, &entries, 100 + number);
            }
            let whole = fs::read(&path).unwrap();
            let before = fs::read(reserved::path(&path)).unwrap();
            reserve(&mut files, &entries, 100 + commits);
            drop(files);
            let after = fs::read(reserved::path(&path)).unwrap();
            let old = level(if commits == 1 { 99 } else { 99 + commits });
            let differs = |cut: &usize| before.get(*cut) != after.get(*cut);
            for cut in (0..=after.len()).filter(differs) {
                fs::write(&path, &whole).unwrap();
                fs::write(reserved::path(&path), [&after[..cut], &before[cut..]].concat()).unwrap();
                let found = floor(&path);
                assert!(found == old || found == level(100 + commits), "cut at {cut}: {found:?}");
            }
        }
    }

    #[test]
    fn row_27_the_file_of_an_opening_before_does_not_count() {
        let (_folder, path) = new_store();
        let Opened { entries, mut files, .. } = open(&path, "boot").unwrap();
        reserve(&mut files, &entries, 150);
        drop(files);
        let first = fs::read(reserved::path(&path)).unwrap();
        assert_eq!(floor(&path), level(150));
        fs::write(reserved::path(&path), first).unwrap();
        let Err(again) = open(&path, "next boot") else { unreachable!() };
        assert!(matches!(again, DiskError::Incomplete { .. }), "{again}");
    }

    /// A full disk has no room for a new file; a reservation asks for none.
    #[test]
    fn a_reservation_changes_no_length() {
        let (_folder, path) = new_store();
        let Opened { entries, mut files, .. } = open(&path, "boot").unwrap();
        let length = || fs::metadata(reserved::path(&path)).unwrap().len();
        let before = length();
        for number in 100..140 {
            reserve(&mut files, &entries, number);
            files.write_twice().unwrap();
        }
        assert_eq!((length(), before), (2 * 4096, 2 * 4096));
        assert_eq!(fs::metadata(path.with_extension("db-wal")).unwrap().len(), 0);
    }

    /// One step of a random history; each that fails is torn at a byte.
    #[derive(Debug, Clone)]
    enum Step {
        Reserve(Option<usize>),
        WriteTwice(Option<usize>),
        /// The power fails, and once more after so many moments of the next opening.
        PowerCut(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let torn = || prop::option::weighted(0.3, 0..=2 * 4096_usize);
        prop_oneof![
            6 => torn().prop_map(Step::Reserve),
            2 => torn().prop_map(Step::WriteTwice),
            2 => (0..6_usize).prop_map(Step::PowerCut),
        ]
    }

    /// What `act` changes in the file is there up to `cut`, and it fails; without one it works.
    fn torn(path: &Path, cut: Option<usize>, act: impl FnOnce() -> Result<(), DiskError>) {
        let Some(cut) = cut else { return act().unwrap() };
        let before = fs::read(path).unwrap();
        moments::only(0, act).unwrap_err();
        let after = fs::read(path).unwrap();
        fs::write(path, [&after[..cut], &before[cut..]].concat()).unwrap();
    }

    proptest! {
        // Each syncs a real disk some hundred times.
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn whatever_was_reserved_is_closed_after_any_history(steps in prop::collection::vec(step(), 1..40)) {
            let (_folder, path) = new_store();
            let reserved = reserved::path(&path);
            let Opened { mut entries, mut files, .. } = open(&path, "boot").unwrap();
            let (mut durable, mut asked) = (99, 99);
            for (step, boot) in steps.into_iter().zip(0..) {
                match step {
                    Step::Reserve(cut) => {
                        asked += 1;
                        entries[0].reserved = level(asked);
                        torn(&reserved, cut, || files.commit(&entries));
                        durable = if cut.is_none() { asked } else { durable };
                    }
                    Step::WriteTwice(cut) => torn(&reserved, cut, || files.write_twice()),
                    Step::PowerCut(moments) => {
                        drop(files);
                        let boot = boot.to_string();
                        drop(moments::only(moments, || open(&path, &boot)));
                        Opened { entries, files, .. } = open(&path, &(boot + " again")).unwrap();
                        let floor = entries[0].floor;
                        prop_assert!(level(durable) <= floor && floor <= level(asked), "{floor:?}");
                        durable = floor.map_or(0, i64::from);
                        asked = durable;
                    }
                }
            }
        }
    }
}
