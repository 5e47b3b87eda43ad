//! The signing daemon at home.
//!
//! The way of a request, from a local port or through the tunnel (`listeners.rs`):
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
//! One worker thread owns each device: all keys of a Ledger share one, each upstream key has its own;
//! a key in memory needs none (`dispatch.rs`). The order of the last steps is in one short function, `Worker::serve`.

mod api;
mod certificate;
mod clock;
pub mod config;
mod device;
mod dispatch;
mod error;
mod facts;
mod host;
mod http_api;
mod key;
mod keyring;
mod lines;
mod links;
mod listeners;
mod made;
mod metrics;
mod modem;
mod monitoring;
mod network_manager;
mod operations;
mod policy;
mod power;
mod program;
mod queue;
mod readings;
mod reload;
mod run;
mod signature_log;
mod site;
mod socket_api;
#[cfg(test)]
mod starting;
mod verifier;
mod worker;
mod worker_thread;
mod workers;

pub use config::Config;
pub use error::{Failed, NotReady, Refused, SignError};
pub use lines::{Candidate, candidates};
pub use power::is_told_by_sysfs;
pub use run::{RunError, Signer, await_charge};
pub use site::power_now;
