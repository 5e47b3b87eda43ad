//! One file for each group of commands.

pub(crate) mod key;
pub(crate) mod ledger;
pub(crate) mod signer;
pub(crate) mod watermark;
