//! Operations of an account: what moves money, votes on a protocol, or changes a key.
//!
//! A group is signed as magic byte 0x03, the branch it is built on, and its contents one behind the other. It is read to
//! its last byte, in protocol 025's layout, and every content has to be of a kind in [`OperationKind`]: a key on a
//! signer that stays up signs what its operator named and nothing else. `drain_delegate`, which empties an account with
//! a consensus key, and `failing_noop`, which signs arbitrary bytes, are not among them. The parameters of a call and
//! the code of a contract are not looked into. Layouts: octez `src/proto_025_*/lib_protocol/operation_repr.ml`.

mod contract;
mod fields;

use std::fmt;

use thiserror::Error;

use crate::PublicKeyHash;
use crate::operation::fields::Fields;
use crate::payload_error::PayloadError;
use crate::reader::Reader;

pub use contract::{Contract, ContractError};

/// A group of operations with the bytes it was parsed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationGroup {
    bytes: Vec<u8>,
    contents: Vec<OperationContent>,
}

/// One of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationContent {
    /// What it is.
    pub kind: OperationKind,
    /// The account that it is for, and whose key signs.
    pub source: PublicKeyHash,
    /// What the account pays the baker who includes it, in millionths of a tez; 0 for a vote on a protocol.
    pub fee: u64,
    /// Bytes of storage that it may pay for; none for more than any number that matters.
    pub storage_limit: Option<u64>,
    /// What a transaction moves.
    pub transfer: Option<Transfer>,
    /// The hash of the public key that a reveal shows.
    pub revealed: Option<PublicKeyHash>,
}

/// What a transaction moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Millionths of a tez.
    pub amount: u64,
    /// To whom.
    pub to: Contract,
    /// It calls an entrypoint, with parameters that are not looked into.
    pub is_call: bool,
}

/// The kinds that are known. Octez's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OperationKind {
    /// Shows the public key of an account, once.
    Reveal,
    /// Moves money, or calls a contract; stakes and unstakes.
    Transaction,
    /// Makes a contract.
    Origination,
    /// Chooses a delegate, or becomes one.
    Delegation,
    /// Stores a constant for contracts.
    RegisterGlobalConstant,
    /// Limits what a delegate deposits.
    SetDepositsLimit,
    /// Pays for more storage of a contract.
    IncreasePaidStorage,
    /// Chooses another key for blocks and votes.
    UpdateConsensusKey,
    /// Chooses the key that signs DAL content.
    UpdateCompanionKey,
    /// Votes on a proposal.
    Ballot,
    /// Proposes protocols.
    Proposals,
}

/// Why bytes are no group of operations that is signed. Always *refused*.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OperationError {
    /// They do not parse.
    #[error(transparent)]
    Malformed(#[from] PayloadError),
    /// A content of another kind.
    #[error("operation kind {0} is never signed here")]
    Kind(u8),
    /// There is no content.
    #[error("a group of operations without any operation")]
    Empty,
    /// A vote on a protocol stands alone.
    #[error("a {0} has to stand alone in its group")]
    NotAlone(OperationKind),
}

impl OperationKind {
    /// All of them.
    pub const ALL: [OperationKind; 11] = [
        OperationKind::Reveal,
        OperationKind::Transaction,
        OperationKind::Origination,
        OperationKind::Delegation,
        OperationKind::RegisterGlobalConstant,
        OperationKind::SetDepositsLimit,
        OperationKind::IncreasePaidStorage,
        OperationKind::UpdateConsensusKey,
        OperationKind::UpdateCompanionKey,
        OperationKind::Ballot,
        OperationKind::Proposals,
    ];

    /// Octez's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            OperationKind::Reveal => "reveal",
            OperationKind::Transaction => "transaction",
            OperationKind::Origination => "origination",
            OperationKind::Delegation => "delegation",
            OperationKind::RegisterGlobalConstant => "register_global_constant",
            OperationKind::SetDepositsLimit => "set_deposits_limit",
            OperationKind::IncreasePaidStorage => "increase_paid_storage",
            OperationKind::UpdateConsensusKey => "update_consensus_key",
            OperationKind::UpdateCompanionKey => "update_companion_key",
            OperationKind::Ballot => "ballot",
            OperationKind::Proposals => "proposals",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<OperationKind> {
        OperationKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    fn tag(self) -> u8 {
        match self {
            OperationKind::Proposals => 5,
            OperationKind::Ballot => 6,
            OperationKind::Reveal => 107,
            OperationKind::Transaction => 108,
            OperationKind::Origination => 109,
            OperationKind::Delegation => 110,
            OperationKind::RegisterGlobalConstant => 111,
            OperationKind::SetDepositsLimit => 112,
            OperationKind::IncreasePaidStorage => 113,
            OperationKind::UpdateConsensusKey => 114,
            OperationKind::UpdateCompanionKey => 115,
        }
    }

    /// A vote on a protocol has no fee and no counter.
    fn is_of_manager(self) -> bool {
        !matches!(self, OperationKind::Ballot | OperationKind::Proposals)
    }
}

impl fmt::Display for OperationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl OperationGroup {
    /// The magic byte of what is parsed here.
    pub const MAGIC_BYTE: u8 = 0x03;

    /// Parses `bytes` to their last one.
    ///
    /// # Errors
    /// When they are anything else than operations of the kinds that are known, in a group that octez takes.
    pub fn parse(bytes: &[u8]) -> Result<OperationGroup, OperationError> {
        let (magic, body) = bytes.split_first().ok_or(PayloadError::Empty)?;
        if *magic != OperationGroup::MAGIC_BYTE {
            return Err(PayloadError::MagicByte(*magic).into());
        }
        let mut reader = Reader::new(body);
        let _branch: [u8; 32] = reader.array("branch")?;
        let mut contents = Vec::new();
        while !reader.is_empty() {
            contents.push(OperationContent::read(&mut reader)?);
        }
        let alone = contents.iter().find(|content| !content.kind.is_of_manager());
        match alone {
            _ if contents.is_empty() => Err(OperationError::Empty),
            Some(content) if contents.len() > 1 => Err(OperationError::NotAlone(content.kind)),
            Some(_) | None => Ok(OperationGroup { bytes: bytes.to_vec(), contents }),
        }
    }

    /// The bytes as they came: what is signed.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The operations, at least one.
    #[must_use]
    pub fn contents(&self) -> &[OperationContent] {
        &self.contents
    }
}

impl OperationContent {
    fn read(reader: &mut Reader<'_>) -> Result<OperationContent, OperationError> {
        let tag = reader.u8("operation kind")?;
        let kind = OperationKind::ALL.into_iter().find(|kind| kind.tag() == tag);
        let kind = kind.ok_or(OperationError::Kind(tag))?;
        let source = reader.key_hash("source")?;
        let (mut fee, mut storage_limit) = (0, Some(0));
        if kind.is_of_manager() {
            fee = reader.tez("fee")?;
            reader.natural("counter")?;
            reader.natural("gas limit")?;
            storage_limit = reader.natural("storage limit")?;
        }
        let (transfer, revealed) = (None, None);
        let mut content = OperationContent { kind, source, fee, storage_limit, transfer, revealed };
        content.read_rest(reader)?;
        Ok(content)
    }

    fn read_rest(&mut self, reader: &mut Reader<'_>) -> Result<(), PayloadError> {
        match self.kind {
            OperationKind::Reveal => {
                self.revealed = Some(reader.public_key("public key")?);
                reader.proof()
            }
            OperationKind::Transaction => {
                self.transfer = Some(Transfer::read(reader)?);
                Ok(())
            }
            OperationKind::Origination => {
                reader.tez("balance")?;
                reader.optional("delegate", |reader| reader.key_hash("delegate"))?;
                reader.sized("code")?;
                reader.sized("storage").map(drop)
            }
            OperationKind::Delegation => {
                reader.optional("delegate", |reader| reader.key_hash("delegate")).map(drop)
            }
            OperationKind::RegisterGlobalConstant => reader.sized("value").map(drop),
            OperationKind::SetDepositsLimit => {
                reader.optional("limit", |reader| reader.tez("limit")).map(drop)
            }
            OperationKind::IncreasePaidStorage => {
                reader.integer("amount")?;
                reader.originated("destination").map(drop)
            }
            OperationKind::UpdateConsensusKey | OperationKind::UpdateCompanionKey => {
                reader.public_key("public key")?;
                reader.proof()
            }
            OperationKind::Ballot => {
                reader.i32("period")?;
                let _proposal: [u8; 32] = reader.array("proposal")?;
                reader.u8_up_to("ballot", 2).map(drop)
            }
            OperationKind::Proposals => {
                reader.i32("period")?;
                reader.hashes("proposals")
            }
        }
    }
}

impl Transfer {
    fn read(reader: &mut Reader<'_>) -> Result<Transfer, PayloadError> {
        let amount = reader.tez("amount")?;
        let to = reader.contract("destination")?;
        let call = reader.optional("parameters", |reader| {
            reader.entrypoint()?;
            reader.sized("parameters")
        })?;
        Ok(Transfer { amount, to, is_call: call.is_some() })
    }
}
