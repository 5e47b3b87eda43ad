//! Why bytes are not signed.

use thiserror::Error;

use crate::OutOfRange;

/// Why bytes are not signed. Always *refused*: they are not what a baker sends.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum PayloadError {
    /// No bytes at all.
    #[error("nothing to sign: the payload is empty")]
    Empty,
    /// The first byte is not 0x11, 0x12 or 0x13. Octez has the same words for it.
    #[error("magic byte {0:#04x} not allowed")]
    MagicByte(u8),
    /// The bytes end inside of a field.
    #[error("the payload ends inside of the {field}: {need} bytes needed, {have} left")]
    Truncated {
        /// The field.
        field: &'static str,
        /// Bytes it needs.
        need: usize,
        /// Bytes that are left.
        have: usize,
    },
    /// Bytes behind the end.
    #[error("{0} bytes behind the end of the payload")]
    Trailing(usize),
    /// The operation's tag is not the one that belongs to the magic byte and the key.
    #[error("operation tag {tag} under magic byte {magic:#04x}: this key signs only {expected}")]
    Tag {
        /// The tag that was found.
        tag: u8,
        /// The magic byte.
        magic: u8,
        /// The tags that would do.
        expected: &'static str,
    },
    /// A level or round that the chain does not have.
    #[error("the {field} is out of range: {cause}")]
    Range {
        /// The field.
        field: &'static str,
        /// The number.
        cause: OutOfRange,
    },
    /// A field that has one legal form has another.
    #[error("the {field} is malformed: {why}")]
    Malformed {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
}
