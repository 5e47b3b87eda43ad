//! Who can be sent money: an account or a contract.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::PublicKeyHash;
use crate::base58::{self, Base58Error};

/// An account (tz…) or a contract (KT1…).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Contract {
    /// An account.
    Implicit(PublicKeyHash),
    /// A contract, by its hash.
    Originated([u8; 20]),
}

/// A text that is neither. Always *misused*.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is neither an account (tz…) nor a contract (KT1…)")]
pub struct ContractError(String);

impl FromStr for Contract {
    type Err = ContractError;

    fn from_str(text: &str) -> Result<Contract, ContractError> {
        if let Ok(account) = text.parse() {
            return Ok(Contract::Implicit(account));
        }
        let decoded: Result<_, Base58Error> = base58::decode(text, &[&base58::KT1]);
        let hash = decoded.ok().and_then(|(_, bytes)| bytes.as_slice().try_into().ok());
        hash.map(Contract::Originated).ok_or_else(|| ContractError(text.to_owned()))
    }
}

impl fmt::Display for Contract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Contract::Implicit(account) => account.fmt(f),
            Contract::Originated(hash) => f.write_str(&base58::KT1.encode(hash)),
        }
    }
}
