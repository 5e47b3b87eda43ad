//! Which chain: four bytes, written `Net…`, or a name for the well-known ones.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::base58::{self, Base58Error};

/// A chain's id: the first four bytes of the hash of its genesis block.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChainId([u8; 4]);

/// A text that names no chain.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{text:?} is no chain: {cause}; write its Net… id, or one of {}", names())]
pub struct ChainIdError {
    text: String,
    cause: Base58Error,
}

/// Names that the configuration accepts for an id.
const NAMED: [(&str, ChainId); 2] =
    [("mainnet", ChainId::MAINNET), ("ghostnet", ChainId([0xaf, 0x18, 0x64, 0xd9]))];

impl ChainId {
    /// `NetXdQprcVkpaWU`.
    pub const MAINNET: ChainId = ChainId([0x7a, 0x06, 0xa7, 0x70]);

    /// The chain with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 4]) -> ChainId {
        ChainId(bytes)
    }

    /// Its four bytes.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 4] {
        self.0
    }

    /// Its name, where it has one.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        NAMED.iter().find(|(_, id)| *id == self).map(|(name, _)| *name)
    }
}

fn names() -> String {
    NAMED.map(|(name, _)| name).join(", ")
}

impl FromStr for ChainId {
    type Err = ChainIdError;

    fn from_str(text: &str) -> Result<ChainId, ChainIdError> {
        if let Some((_, id)) = NAMED.iter().find(|(name, _)| *name == text) {
            return Ok(*id);
        }
        let error = |cause| ChainIdError { text: text.to_owned(), cause };
        let (_, bytes) = base58::decode(text, &[&base58::CHAIN_ID]).map_err(error)?;
        let bytes = bytes.as_slice().try_into().map_err(|_| error(Base58Error::Alphabet))?;
        Ok(ChainId(bytes))
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base58::CHAIN_ID.encode(&self.0))
    }
}

impl fmt::Debug for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChainId({self})")
    }
}
