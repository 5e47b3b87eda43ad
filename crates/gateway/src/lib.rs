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
//! What a signer says about itself ([`knowledge`]) is believed for as long as the connection stands
//! over which it was said. The gateway has no key and keeps nothing on disk.

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

pub use config::{Config, ConfigError};
pub use run::{Gateway, RunError};
