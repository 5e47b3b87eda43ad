//! What the store needs of a disk, and how a disk fails.

use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::Entry;

/// Where entries become durable.
pub(crate) trait Disk: Send {
    /// Writes these entries, and returns when they survive a power cut. After an error each of them is there whole, or the
    /// one before it.
    fn commit(&mut self, entries: &[Entry]) -> Result<(), DiskError>;

    /// Writes what was committed a second time. No request waits for it.
    fn write_twice(&mut self) -> Result<(), DiskError>;

    /// Bytes that it has left for this process, if it says so.
    fn room(&self) -> Option<u64>;

    /// Writes these entries as a clean stop leaves them: nothing else counts from then on.
    fn finish(&mut self, entries: &[Entry]) -> Result<(), DiskError>;
}

/// Which file it is, whatever its name: device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId(u64, u64);

impl FileId {
    /// Of the file at `path`.
    pub(crate) fn of(path: &Path) -> Result<FileId, DiskError> {
        match fs::metadata(path) {
            Ok(found) => Ok(FileId::from(&found)),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(DiskError::Missing { path: path.to_owned() })
            }
            Err(error) => Err(DiskError::from_io(path, &error)),
        }
    }

    /// [`DiskError::Replaced`] when another file is at `path`, or none.
    pub(crate) fn check(self, path: &Path) -> Result<(), DiskError> {
        match FileId::of(path) {
            Ok(found) if found == self => Ok(()),
            Ok(_) | Err(DiskError::Missing { .. }) => {
                Err(DiskError::Replaced { path: path.to_owned() })
            }
            Err(error) => Err(error),
        }
    }
}

impl From<&Metadata> for FileId {
    fn from(found: &Metadata) -> FileId {
        FileId(found.dev(), found.ino())
    }
}

/// Why the store's file cannot be used. Always *failed*: nothing is signed without a store.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DiskError {
    /// There is no file.
    #[error(
        "no watermark store at {}; if this key has never signed, make one with \"peel watermark \
         init\"; if it has, restore the disk or wait two days before you do", path.display()
    )]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// It exists already and was to be made.
    #[error("{} exists already; nothing was changed", path.display())]
    Exists {
        /// Where it is.
        path: PathBuf,
    },
    /// A file, but not one of ours.
    #[error("{} is not a watermark store of Peel ({found}); check [state] directory", path.display())]
    Foreign {
        /// Where it is.
        path: PathBuf,
        /// What it seems to be.
        found: String,
    },
    /// Ours, made by a later version.
    #[error(
        "{} has schema version {version}, this peel knows {known}; install the newer peel again",
        path.display()
    )]
    Newer {
        /// Where it is.
        path: PathBuf,
        /// Its version.
        version: i64,
        /// Ours.
        known: i64,
    },
    /// Damaged.
    #[error(
        "the watermark store {} is damaged ({detail}); do not sign: check the disk, move the store's \
         files to another folder and keep them, wait two days without signing, then make a new store with \"peel watermark init\" at the \
         chain's present level", path.display()
    )]
    Corrupt {
        /// Where it is.
        path: PathBuf,
        /// What SQLite says.
        detail: String,
    },
    /// A file that belongs to it is not there, or not of the same time.
    #[error(
        "{} {why}; without it the watermark store does not tell what was signed. Put it back beside the store if \
         you have it; if not, do not sign: move the store's files to another folder and keep them, wait two days without \
         signing, then make a new store with \"peel watermark init\" at the chain's present level", path.display()
    )]
    Incomplete {
        /// Where the file should be.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Another process has it.
    #[error(
        "another process holds the watermark store {} (is \"peel signer run\" running?); stop it first",
        path.display()
    )]
    Locked {
        /// Where it is.
        path: PathBuf,
    },
    /// The file at the path is not the one that was opened.
    #[error(
        "the watermark store {} was moved or replaced while it was in use; stop the signer, put the \
         newest file back, and raise it with \"peel watermark set\" to the chain's present level",
        path.display()
    )]
    Replaced {
        /// Where it was.
        path: PathBuf,
    },
    /// The log of another store is in the way.
    #[error(
        "{} is left over from another store, which is not there; put that store back, or move the \
         log away too", path.display()
    )]
    LeftOver {
        /// The log.
        path: PathBuf,
    },
    /// It cannot be written.
    #[error(
        "the watermark store {} cannot be written; check its owner, its folder's, and the mount",
        path.display()
    )]
    ReadOnly {
        /// Where it is.
        path: PathBuf,
    },
    /// No room.
    #[error("no room on the disk of the watermark store {}; free some", path.display())]
    Full {
        /// Where it is.
        path: PathBuf,
    },
    /// Anything else the system said.
    #[error("the watermark store {} failed: {detail}; check the disk", path.display())]
    Io {
        /// Where it is.
        path: PathBuf,
        /// What it said.
        detail: String,
    },
}

impl DiskError {
    /// What the system said about the file at `path`.
    pub(crate) fn from_io(path: &Path, error: &std::io::Error) -> DiskError {
        let (path, kind) = (path.to_owned(), error.kind());
        if matches!(kind, ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) {
            DiskError::ReadOnly { path }
        } else if kind == ErrorKind::StorageFull {
            DiskError::Full { path }
        } else {
            DiskError::Io { path, detail: error.to_string() }
        }
    }

    /// All that [`DiskError::reason`] gives.
    pub const REASONS: [&str; 12] = [
        "store_missing",
        "store_exists",
        "store_foreign",
        "store_newer",
        "store_corrupt",
        "store_incomplete",
        "store_locked",
        "store_replaced",
        "store_left_over",
        "store_read_only",
        "disk_full",
        "disk_failed",
    ];

    /// A short, bounded word for metrics and health.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            DiskError::Missing { .. } => "store_missing",
            DiskError::Exists { .. } => "store_exists",
            DiskError::Foreign { .. } => "store_foreign",
            DiskError::Newer { .. } => "store_newer",
            DiskError::Corrupt { .. } => "store_corrupt",
            DiskError::Incomplete { .. } => "store_incomplete",
            DiskError::Locked { .. } => "store_locked",
            DiskError::Replaced { .. } => "store_replaced",
            DiskError::LeftOver { .. } => "store_left_over",
            DiskError::ReadOnly { .. } => "store_read_only",
            DiskError::Full { .. } => "disk_full",
            DiskError::Io { .. } => "disk_failed",
        }
    }
}
