//! What a key may sign at all, before any watermark is looked at.

use std::collections::BTreeSet;

use tezos::{ChainId, KeyForm, Kind, Payload, PublicKeyHash};

use crate::error::Refused;

/// The chains and kinds that a key may sign.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    pub(crate) chains: BTreeSet<ChainId>,
    pub(crate) kinds: BTreeSet<Kind>,
}

impl Policy {
    /// Parses `bytes` strictly, once, as what `key` may sign. What a later protocol may have written passes: of that
    /// the store decides.
    pub(crate) fn admit(&self, key: &PublicKeyHash, bytes: &[u8]) -> Result<Payload, Refused> {
        let payload = Payload::parse_any_form(bytes, KeyForm::of(key))?;
        if !self.chains.contains(&payload.chain()) {
            return Err(Refused::Chain(payload.chain()));
        }
        if !self.kinds.contains(&payload.kind()) {
            return Err(Refused::Kind(payload.kind()));
        }
        Ok(payload)
    }
}
