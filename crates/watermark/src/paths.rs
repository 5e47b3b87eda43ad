//! Files beside a store, and how they are made durable.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The mode of all of them: another user that can open the lock file could hold the lock.
pub(crate) const OWNER_ONLY: u32 = 0o600;

/// `watermark.db` and "-wal": `watermark.db-wal`.
pub(crate) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// Makes the names in the folder of `path` durable.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    reached(Moment::FolderSync)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all())
}

/// Makes a file durable, its length and its place on the disk included.
pub(crate) fn sync_all(file: &File) -> io::Result<()> {
    reached(Moment::Sync)?;
    file.sync_all()
}

/// Makes what was written over a durable file durable.
pub(crate) fn sync_data(file: &File) -> io::Result<()> {
    reached(Moment::DataSync)?;
    file.sync_data()
}

/// A moment at which something becomes durable. Tests note them, and let one fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    Sync,
    DataSync,
    FolderSync,
    /// A transaction.
    Commit,
}

#[cfg(not(test))]
pub(crate) fn reached(_: Moment) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
pub(crate) use moments::reached;

#[cfg(test)]
pub(crate) mod moments {
    use std::cell::{Cell, RefCell};
    use std::io;

    use super::Moment;

    thread_local! {
        static NOTED: RefCell<Vec<Moment>> = const { RefCell::new(Vec::new()) };
        static LEFT: Cell<usize> = const { Cell::new(usize::MAX) };
    }

    pub(crate) fn reached(moment: Moment) -> io::Result<()> {
        let left = LEFT.get();
        if left == 0 {
            return Err(io::Error::other("the power failed"));
        }
        LEFT.set(left - 1);
        NOTED.with_borrow_mut(|noted| noted.push(moment));
        Ok(())
    }

    /// All that this thread came to while `act` ran.
    pub(crate) fn of<T>(act: impl FnOnce() -> T) -> (T, Vec<Moment>) {
        NOTED.take();
        let value = act();
        (value, NOTED.take())
    }

    /// Runs `act` and lets it come to so many moments; the next, and all after it, fail.
    pub(crate) fn only<T>(count: usize, act: impl FnOnce() -> T) -> T {
        LEFT.set(count);
        let value = act();
        LEFT.set(usize::MAX);
        value
    }
}
