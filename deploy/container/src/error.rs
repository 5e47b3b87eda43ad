//! Why there is no archive.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::architecture::{Architecture, UnknownArchitecture};

/// Why a program was not packed, or an archive not written.
#[derive(Debug, Error)]
pub enum PackError {
    /// *Misused*: the program was not built.
    #[error("{0} is not there; build it first (\"cargo xtask image\" does)")]
    Missing(PathBuf),
    /// *Failed*: it is there, and cannot be read.
    #[error("{path} cannot be read: {cause}")]
    Unreadable {
        /// The program.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// *Misused*: too much for an image that is held in memory.
    #[error("{path} has more than {} MB; is it the stripped release build?", limit >> 20)]
    TooLarge {
        /// The program.
        path: PathBuf,
        /// The bound, in bytes.
        limit: u64,
    },
    /// *Misused*: a script, or a program of another system.
    #[error("{0} is no 64-bit program for Linux (ELF)")]
    NotElf(PathBuf),
    /// *Misused*: it would end with "exec format error".
    #[error("{path} is not built for {wanted}")]
    OtherArchitecture {
        /// The program.
        path: PathBuf,
        /// What the image is for.
        wanted: Architecture,
    },
    /// *Misused*: in an image without libraries it would end with "no such file or directory".
    #[error(
        "{0} is linked dynamically, and an image has no libraries; build it with -C target-feature=+crt-static"
    )]
    Dynamic(PathBuf),
    /// *Misused*: no registry or container runtime takes it.
    #[error("{0:?} is no image reference; write it as name:tag, like localhost/peel:0.1.0")]
    Reference(String),
    /// *Misused*.
    #[error(transparent)]
    Architecture(#[from] UnknownArchitecture),
    /// *Misused*: an index without a manifest.
    #[error("an archive needs at least one image")]
    Empty,
    /// *Failed*: no space, no right.
    #[error("{path} cannot be written: {cause}")]
    Unwritable {
        /// The archive.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// *Failed*: the layer or the JSON could not be made.
    #[error("the image cannot be encoded: {0}")]
    Encoding(#[from] io::Error),
}

impl From<serde_json::Error> for PackError {
    fn from(error: serde_json::Error) -> Self {
        PackError::Encoding(error.into())
    }
}
