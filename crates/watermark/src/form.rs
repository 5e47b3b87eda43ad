//! Blocks and votes of a form that this version does not know.
//!
//! A protocol may write more into a block than the one before it. Its shell header, from which the mark is read, has
//! been the same for years, and every byte is in the digest: the rule holds for a block whose end is not understood
//! as for any other. Such a block is worth signing only if a protocol can have written it, which is when the
//! chain's protocol number is above that of the last block that was understood. From then on blocks of that number, and
//! above it, are signed in any form: a protocol may write both forms, and a false block of the known one must not stop
//! the true ones.

use tezos::{Block, Level, Payload};
use thiserror::Error;

/// What becomes of a payload of unknown form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownForms {
    /// A block is signed if its protocol number is above that of the last block of known form that the store saw on its
    /// chain, or was signed in an unknown form before; everything else is refused.
    #[default]
    AfterUpgrade,
    /// Refused.
    Refuse,
    /// Signed, as long as level and round stand where the known forms have them.
    Sign,
}

/// What was seen of the protocols of a chain. It says which form a block may have, and nothing of a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SeenProtocols {
    /// The last block of known form that was signed.
    pub known: Option<KnownBlock>,
    /// The lowest protocol number of which a block of unknown form was signed after an upgrade.
    pub upgraded_to: Option<u8>,
}

/// The last block of known form that was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KnownBlock {
    /// Its level.
    pub level: Level,
    /// The number of its protocol on the chain.
    pub protocol: u8,
}

/// Why a payload of unknown form is not signed, and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum UnknownFormWhy {
    /// The configuration says so.
    #[error("unknown_forms under [policy] says \"refuse\". Update Peel")]
    Policy,
    /// A later protocol may have put its level elsewhere.
    #[error("a vote of such a form is not signed, for its level may stand elsewhere. Update Peel")]
    Vote,
    /// The store cannot tell an upgrade.
    #[error(
        "the store has seen no block yet that it knew, and cannot tell that an upgrade has happened. Update Peel; if \
         there is none yet that knows it, see unknown_forms in docs/configuration.md"
    )]
    NoBlockSeen,
    /// There was none.
    #[error(
        "the last block that was understood was of protocol number {0}, and after an upgrade the number is higher. The \
         bytes are wrong, or Peel is to be updated"
    )]
    NoUpgrade(u8),
}

impl SeenProtocols {
    /// With what a payload shows that is signed now.
    pub(crate) fn after(self, payload: &Payload) -> SeenProtocols {
        let Some(Block { level, protocol, .. }) = payload.block().cloned() else { return self };
        if payload.unknown_form().is_none() {
            return SeenProtocols { known: Some(KnownBlock { level, protocol }), ..self };
        }
        let upgraded_to = Some(self.upgraded_to.map_or(protocol, |number| number.min(protocol)));
        SeenProtocols { upgraded_to, ..self }
    }

    /// Of two keys on one chain.
    pub(crate) fn merge(self, other: SeenProtocols) -> SeenProtocols {
        let numbers = [self.upgraded_to, other.upgraded_to].into_iter().flatten();
        SeenProtocols { known: self.known.max(other.known), upgraded_to: numbers.min() }
    }

    fn allow(&self, block: &Block) -> Result<(), UnknownFormWhy> {
        if self.upgraded_to.is_some_and(|number| number <= block.protocol) {
            return Ok(());
        }
        match self.known {
            None => Err(UnknownFormWhy::NoBlockSeen),
            Some(known) if known.protocol < block.protocol => Ok(()),
            Some(known) => Err(UnknownFormWhy::NoUpgrade(known.protocol)),
        }
    }
}

impl UnknownForms {
    /// Whether a payload of unknown form is signed; if not, why. `seen` is what was seen of the protocols of its chain.
    pub(crate) fn allow(
        self,
        payload: &Payload,
        seen: SeenProtocols,
    ) -> Result<(), UnknownFormWhy> {
        match (self, payload.block()) {
            (UnknownForms::Sign, _) => Ok(()),
            (UnknownForms::Refuse, _) => Err(UnknownFormWhy::Policy),
            (UnknownForms::AfterUpgrade, Some(block)) => seen.allow(block),
            (UnknownForms::AfterUpgrade, None) => Err(UnknownFormWhy::Vote),
        }
    }
}
