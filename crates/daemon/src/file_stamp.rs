//! Tells whether a file has changed, however it was replaced.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What changes with the content of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileStamp {
    device: u64,
    inode: u64,
    bytes: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileStamp {
    /// Of the file behind a path, symlinks followed; none if it is not there.
    pub(crate) fn of(path: &Path) -> Option<FileStamp> {
        let found = fs::metadata(path).ok()?;
        Some(FileStamp {
            device: found.dev(),
            inode: found.ino(),
            bytes: found.len(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }
}
