//! Blocks and votes of a form that this version does not know.
//!
//! A protocol may write more into a block than the one before it. Its shell header, from which the mark is read, has
//! been the same for years, and every byte is in the digest: the rule holds for a block whose end is not understood
//! as for any other. Such a block is worth signing only if a protocol can have written it, which is when the
//! chain's protocol number is above that of the last block that was understood.

use tezos::{Block, Kind, Level, Payload};

use crate::refusal::Refusal;

/// What becomes of a payload of unknown form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownForms {
    /// A block is signed if its protocol number is above that of the last block of known form that the store saw on its
    /// chain; everything else is refused.
    #[default]
    AfterUpgrade,
    /// Refused.
    Refuse,
    /// Signed, as long as level and round stand where the known forms have them.
    Sign,
}

/// The last block of known form that was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KnownBlock {
    /// Its level.
    pub level: Level,
    /// The number of its protocol on the chain.
    pub protocol: u8,
}

impl KnownBlock {
    /// None for a payload that is no block, or is of unknown form.
    pub(crate) fn of(payload: &Payload) -> Option<KnownBlock> {
        let block = payload.block().filter(|_| payload.unknown_form().is_none())?;
        Some(KnownBlock { level: block.level, protocol: block.protocol })
    }
}

impl UnknownForms {
    /// Why a payload is refused for its form, if so. `known` is the last block of known form on its chain.
    pub(crate) fn refusal(self, payload: &Payload, known: Option<KnownBlock>) -> Option<Refusal> {
        let why = payload.unknown_form()?;
        let is_upgraded =
            |block: &Block| known.is_some_and(|known| known.protocol < block.protocol);
        let is_signed = match self {
            UnknownForms::AfterUpgrade => payload.block().is_some_and(is_upgraded),
            UnknownForms::Refuse => false,
            UnknownForms::Sign => true,
        };
        if is_signed {
            return None;
        }
        let (kind, mark, why) = (payload.kind(), payload.mark(), why.clone());
        let known = known.filter(|_| kind == Kind::Block).map(|known| known.protocol);
        Some(Refusal::UnknownForm { kind, mark, why, known })
    }
}
