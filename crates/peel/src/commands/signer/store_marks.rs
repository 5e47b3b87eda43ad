//! The marks of a store that no signer has.

use signer::Config;
use tezos::{ChainId, Level, PublicKeyHash};
use watermark::{Entry, Refusal};

/// What the store says while no signer has it.
pub(super) struct StoreMarks(Vec<Entry>);

impl StoreMarks {
    pub(super) fn new(entries: Vec<Entry>) -> StoreMarks {
        StoreMarks(entries)
    }

    /// The chains for which the key has no watermark.
    pub(super) fn missing(&self, key: PublicKeyHash, config: &Config) -> Vec<String> {
        let missing = config.chains.iter().filter(|chain| self.entry(key, **chain).is_none());
        missing.map(|chain| Refusal::NoWatermark { key, chain: *chain }.to_string()).collect()
    }

    /// The highest level that is closed or signed.
    pub(super) fn reached(&self, key: PublicKeyHash, chain: ChainId) -> Option<Level> {
        self.entry(key, chain)?.reached()
    }

    fn entry(&self, key: PublicKeyHash, chain: ChainId) -> Option<&Entry> {
        self.0.iter().find(|own| own.key == key && own.chain == chain)
    }
}
