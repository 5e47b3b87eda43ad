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
pub enum ChainIdError {
    /// Neither a name nor an id.
    #[error("{text:?} is no chain: {cause}; write its Net… id, or one of {}", names())]
    Unknown {
        /// What was given.
        text: String,
        /// Why it is no id.
        cause: Base58Error,
    },
    /// Octez's sandbox.
    #[error(
        "a sandbox has mainnet's genesis block, and so mainnet's id: its votes could be taken for mainnet's. Give it a \
         genesis block of its own, and write its Net… id"
    )]
    Sandbox,
}

/// The networks that octez-node knows by name (`src/lib_node_config/config_file.ml`), but for the sandbox.
const NAMED: [(&str, ChainId); 3] = [
    ("mainnet", ChainId::MAINNET),
    ("shadownet", ChainId([0xd0, 0x52, 0x21, 0x8e])),
    ("ghostnet", ChainId([0xaf, 0x18, 0x64, 0xd9])),
];
const SANDBOX: &str = "sandbox";

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

    /// Names in any case, as octez-node takes them.
    fn from_str(text: &str) -> Result<ChainId, ChainIdError> {
        if let Some((_, id)) = NAMED.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
            return Ok(*id);
        }
        if text.eq_ignore_ascii_case(SANDBOX) {
            return Err(ChainIdError::Sandbox);
        }
        let error = |cause| ChainIdError::Unknown { text: text.to_owned(), cause };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blake2b_256;

    /// A chain's id is made of its genesis block's hash.
    fn of_genesis(block: &str) -> ChainId {
        // A prefix of two bytes, the hash, and four of a checksum.
        let bytes = bs58::decode(block).into_vec().unwrap();
        let hash = blake2b_256(&bytes[2..34]);
        ChainId(hash[..4].try_into().unwrap())
    }

    #[test]
    fn each_name_is_the_chain_of_its_genesis_block() {
        for (name, text, block) in [
            ("mainnet", "NetXdQprcVkpaWU", "BLockGenesisGenesisGenesisGenesisGenesisf79b5d1CoW2"),
            ("Shadownet", "NetXsqzbfFenSTS", "BMJTFWBgqGUzsvW4JLS1XuCYnpH18pBsLb5UvPCv2eiNC5vUeps"),
            ("ghostnet", "NetXnHfVqm9iesp", "BLockGenesisGenesisGenesisGenesisGenesis1db77eJNeJ9"),
        ] {
            let id: ChainId = name.parse().unwrap();
            assert_eq!((id, id.to_string().as_str()), (of_genesis(block), text));
            assert_eq!(text.parse(), Ok(id));
        }
    }

    #[test]
    fn what_names_no_chain_is_told_with_the_cure() {
        let error = |text: &str| text.parse::<ChainId>().unwrap_err().to_string();
        assert!(error("sandbox").contains("mainnet's id"));
        assert!(error("carthagenet").contains("mainnet, shadownet, ghostnet"));
        assert!(error("NetXdQprcVkpaWV").contains("Net… id"));
    }
}
