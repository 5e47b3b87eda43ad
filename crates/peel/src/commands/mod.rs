//! One file or folder for each group of commands, and what several of them do alike.

pub(crate) mod gateway;
pub(crate) mod generate;
pub(crate) mod key;
pub(crate) mod ledger;
pub(crate) mod node;
mod octez_wallet;
mod pods;
mod running;
mod serving;
pub(crate) mod signer;
pub(crate) mod ssh;
mod starter;
pub(crate) mod status;
mod store_owner;
pub(crate) mod watermark;
