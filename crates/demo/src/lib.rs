//! `peel demo`: everything on this machine, with a simulated Ledger, the real signer and the real gateway.
//!
//! ```text
//!  baker ──HTTP──▶ peel gateway run ◀──ssh──┬── Line ──┬── peel signer run ──TCP──▶ simulated Ledger
//!   │              (Cloud)                  └── Line ──┘   (Home)
//!   └── checks every answer it ever got: never two signatures at one mark
//! ```
//!
//! The daemons are processes of their own, so that they can be killed for real.

mod baker;
mod chain;
mod cloud;
mod home;
mod line;
mod process;
mod scenes;
mod shared;
mod story;
mod tally;

/// Tells the story of a key in shares: three boxes, of which one is killed and one falls silent, and a gateway that lies.
///
/// # Errors
/// When anything was not as promised.
pub fn run_shared(slowness: u32) -> anyhow::Result<()> {
    shared::tell(slowness)
}

/// Tells the story on standard output. It starts the program that calls this again, as `signer run` and
/// `gateway run`. `slowness` is how many times slower than a usual computer this one is: what is promised of times is
/// multiplied by it.
///
/// # Errors
/// When anything was not as promised.
pub fn run(slowness: u32) -> anyhow::Result<()> {
    story::tell(slowness)
}
