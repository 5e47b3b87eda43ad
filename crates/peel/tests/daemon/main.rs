//! The signer as a process: its log, and how it is asked to stop.
#![expect(clippy::unwrap_used, reason = "tests")]

mod log;
mod process;
mod signals;
