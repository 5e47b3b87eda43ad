//! What a key may sign at all, before any watermark is looked at.

use std::collections::BTreeSet;

use tezos::{ChainId, KeyForm, Kind, OperationGroup, Payload, PublicKeyHash};

use crate::error::Refused;
use crate::operations::Operations;

/// The chains and kinds that a key may sign.
#[derive(Debug, Clone, Default)]
pub(crate) struct Policy {
    pub(crate) chains: BTreeSet<ChainId>,
    pub(crate) kinds: BTreeSet<Kind>,
    pub(crate) operations: Operations,
}

/// What a key may sign, by the way that it takes.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "moved once, on the way to a signature")]
pub(crate) enum Admitted {
    /// A block or vote, if the watermark store permits it.
    Payload(Payload),
    /// Operations of the key's account, at once.
    Operations(OperationGroup),
}

impl Policy {
    /// Whether it signs what has a mark.
    pub(crate) fn has_marks(&self) -> bool {
        !self.kinds.is_empty()
    }

    /// Parses `bytes` strictly, once, as what `key` may sign. What a later protocol may have written passes: of that
    /// the store decides.
    pub(crate) fn admit(&self, key: &PublicKeyHash, bytes: &[u8]) -> Result<Admitted, Refused> {
        let is_operation = bytes.first() == Some(&OperationGroup::MAGIC_BYTE);
        if is_operation && !self.operations.is_empty() {
            return Ok(Admitted::Operations(self.operations.admit(key, bytes)?));
        }
        let payload = Payload::parse_any_form(bytes, KeyForm::of(key))?;
        if !self.chains.contains(&payload.chain()) {
            return Err(Refused::Chain(payload.chain()));
        }
        if !self.kinds.contains(&payload.kind()) {
            return Err(Refused::Kind(payload.kind()));
        }
        Ok(Admitted::Payload(payload))
    }
}
