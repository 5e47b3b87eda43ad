//! Never two different signatures at one mark.
//!
//! A *mark* is a level and a round; there is one for each chain, key and kind. This crate holds the
//! rule ([`Entry::judge`], pure), the store that makes marks durable ([`Store`]), and the only
//! permission to sign ([`Permit`], a value that nothing else can make).
//!
//! ```text
//!  request ──▶ Store::advance ── rule says no ──────────────▶ Refusal
//!                   │         ── same bytes as the last ────▶ the stored signature
//!                   │ above the mark
//!                   ▼
//!         is its level reserved on disk? ── no ── wait for the writer ──▶ or StoreFailure
//!                   │ yes: no wait
//!                   ▼
//!         raise the mark in memory, ask for one level more ──▶ Permit ──▶ device
//! ```
//!
//! A *reservation* says: everything up to this level may have been signed. It is
//! durable before the first signature of its level, and extended in the background while that level
//! runs, so that in steady state no request waits for the disk. After a power cut the reservation counts
//! as signed; a clean stop writes the exact marks and gives it back. Each mark is also written, without
//! waiting for the disk, before its device is asked: after a crash of the process alone the store is exactly
//! where it was. The table of crashes is in `docs/crash-analysis.md`.

mod bound;
mod disk;
mod document;
mod entry;
mod files;
mod form;
mod marks;
mod octez;
mod paths;
mod permit;
mod recent;
mod records;
mod recovery;
mod refusal;
mod reserved;
mod rules;
mod slots;
mod sqlite;
mod store;

#[cfg(test)]
mod crash_tests;

pub use bound::LevelBound;
pub use disk::DiskError;
pub use entry::{Entry, Last, Verdict};
pub use form::{KnownBlock, SeenProtocols, UnknownFormWhy, UnknownForms};
pub use marks::Reservation;
pub use octez::{OctezFiles, OctezFilesError};
pub use permit::{Decision, Permit};
pub use records::{Records, RecordsError};
pub use refusal::Refusal;
pub use rules::Rules;
pub use store::{AdvanceError, Store, StoreFailure};
