//! A file that is gone when its program is.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// A file in its place. Dropping it removes it, if it is still the same one.
#[derive(Debug)]
pub(crate) struct OwnFile {
    path: PathBuf,
    /// Device and inode.
    id: (u64, u64),
}

impl OwnFile {
    /// The file that is, or will be, at `path`.
    pub(crate) fn new(path: PathBuf, found: &Metadata) -> OwnFile {
        OwnFile { path, id: (found.dev(), found.ino()) }
    }
}

impl Drop for OwnFile {
    fn drop(&mut self) {
        let found = fs::symlink_metadata(&self.path).map(|found| (found.dev(), found.ino()));
        if found.is_ok_and(|found| found == self.id) {
            // Its folder may not be written any more: the next start takes it for left behind.
            let _ = fs::remove_file(&self.path);
        }
    }
}
