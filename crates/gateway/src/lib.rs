//! The daemon in the cloud.
//!
//! ```text
//!  baker ──▶ api: parse ──▶ router: whose key? ──▶ hedge: the best path of that signer
//!                                                     │ silent for a moment? the next path, too
//!                                                     ▼
//!                             path ──▶ HTTP connection ──▶ stream through the tunnel ──▶ signer
//!        ◀────────────────────── the answer, as it came ◀─────────────────────────────────────
//! ```
//!
//! A key in shares is asked of all signers that have one, and their parts are combined (`gather.rs`, `tally.rs`).
//!
//! What a signer advertises (`advertised.rs`) is polled on a connection of its own. The gateway has no key; of what it
//! saw, it keeps up to where each key was answered (`witness.rs`), so that a copy of a signer, or a backup that was put back, is noticed.
#![warn(clippy::disallowed_types)]

// Samples of reports are shared by the tests in here and those of the page in a browser.
#[cfg(test)]
extern crate self as gateway;

mod advertised;
mod answers;
mod api;
mod asker;
pub mod config;
mod gather;
mod hedge;
mod http_client;
mod metrics;
mod monitor_api;
#[doc(hidden)]
pub mod page;
mod participation;
mod path;
mod reload;
pub mod report;
mod router;
mod run;
mod run_error;
mod scrape;
mod sessions;
mod shared_key;
mod shared_metrics;
mod shell;
mod signer;
mod signer_tasks;
mod signers;
mod stand_in;
mod status;
mod tally;
mod unasked;
mod watch;
mod witness;

pub use config::Config;
pub use run::Gateway;
pub use run_error::RunError;
pub use stand_in::{StandIn, StandInError};
pub use witness::{WitnessFileError, check_state, forget};
