//! The signer as a baker meets it: real HTTP, real store, keys in files or on a simulated Ledger.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod bad_input;
mod browser;
mod device_faults;
mod harness;
mod media;
mod octez;
mod operations;
mod reload;
mod shares;
mod socket;
mod taquito;
mod tls;
mod tunnel;
mod upgrade;
mod upstream;
