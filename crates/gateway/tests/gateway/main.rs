//! The gateway with real tunnels, and signers that do as they are told.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod answers;
mod copies;
mod fake_signer;
mod fixture;
mod hostile;
mod media;
mod monitor;
mod paths;
mod relay;
mod reload;
mod several;
mod shares;
mod shares_attacks;
mod stand_in;
