//! The commands of the real binary, as a person types them.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod ceremony;
mod check;
mod configuration;
mod init;
mod keys;
mod monitoring;
mod pasted;
mod peel;
mod quick_start;
mod setup;
mod shares;
mod ssh;
mod status;
mod store;
mod wallet;
