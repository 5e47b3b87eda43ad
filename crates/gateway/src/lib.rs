//! The daemon in the cloud.
//!
//! ```text
//!  baker ──▶ api: parse ──▶ router: whose key? ──▶ race: best live line of that signer
//!                                                     │ silent for a moment? the next line too
//!                                                     ▼
//!                                    line ──▶ talk (HTTP) ──▶ stream through the tunnel ──▶ signer
//!        ◀────────────────────── the answer, as it came ◀─────────────────────────────────────
//! ```
//!
//! What a signer says about itself ([`knowledge`]) is learned on a conversation of its own, and believed until it says
//! something else. The gateway has no key; of what it saw, it keeps up to where each key was answered
//! ([`witness`]), so that a copy of a signer, or a backup that was put back, is noticed.

mod api;
pub mod config;
mod knowledge;
mod line;
mod metrics;
mod race;
mod reception;
mod router;
mod run;
mod shell;
mod signer;
mod talk;
mod witness;

pub use config::{Config, ConfigError};
pub use run::{Gateway, RunError};
pub use witness::{WitnessFileError, forget};
