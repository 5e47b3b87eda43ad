//! The signing daemon at home.
//!
//! The way of a request:
//!
//! ```text
//!  baker ──▶ api: parse ──▶ policy ──▶ queue of the key's worker ──▶ worker thread
//!                                       by level, round, kind;          too late?
//!                                       a repeat joins the one          → mark (watermark)
//!                                       that waits or runs              → device
//!                                                                       → check the signature
//!        ◀──────────────────────────── answer ◀──────────────────────── → keep it
//! ```
//!
//! One worker thread owns each device: all keys of a Ledger share one, each software key and each
//! upstream key has its own. The order of the last steps is in one short function, `Worker::serve`.

mod api;
pub mod config;
mod device;
mod error;
mod keyring;
mod metrics;
mod policy;
mod queue;
mod run;
mod worker;

pub use config::{Config, ConfigError};
pub use error::{Failed, NotReady, Refused, SignError};
pub use run::{RunError, Signer};
