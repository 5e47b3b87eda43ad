//! `peel demo`: everything on this machine, with a simulated Ledger and the real signer.
//!
//! ```text
//!  demo ── baker (asks like octez-baker) ──HTTP──▶ peel signer run ──TCP──▶ simulated Ledger
//!   └── checks every answer it ever got: never two signatures at one mark
//! ```
//!
//! The signer is a process of its own, so that it can be killed for real.

mod baker;
mod home;
mod story;

/// Tells the story; fails when anything was not as promised.
pub(crate) fn run() -> anyhow::Result<()> {
    story::tell()
}
