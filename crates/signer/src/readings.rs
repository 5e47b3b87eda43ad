//! The metrics that are read at each scrape.

use std::fmt;
use std::sync::Arc;

use daemon::scrape;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet};
use prometheus_client::registry::Registry;
use tezos::Kind;
use watermark::Store;

use crate::key::{Key, LastSignature};
use crate::keyring::{CannotSign, KeyEntry, Keyring};
use crate::metrics::KeyLabels;

/// What is read at each scrape.
#[derive(Debug)]
struct Readings {
    keyring: Keyring,
    store: Arc<Store>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    key: String,
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    key: String,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChainLabels {
    key: String,
    chain: String,
}

/// Registers what is read from these at each scrape.
pub(crate) fn register(registry: &mut Registry, keyring: Keyring, store: Arc<Store>) {
    registry.register_collector(Box::new(Readings { keyring, store }));
}

impl Collector for Readings {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        self.encode_keys(&mut encoder)?;
        self.encode_states(&mut encoder)?;
        self.encode_signatures(&mut encoder)?;
        self.encode_marks(&mut encoder)?;
        let help = "1: the last write to the watermark store went well";
        let is_writable = i64::from(self.store.failure().is_none());
        scrape::gauge(&mut encoder, ("peel_signer_store_writable", help), is_writable)
    }
}

impl Readings {
    fn encode_keys(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let ready = |entry: &KeyEntry| entry.can_sign(&self.store).is_ok().into();
        let help = "1: the key can sign now";
        scrape::gauges(encoder, ("peel_signer_key_ready", help), self.per_key(ready))?;
        let unknown = |entry: &KeyEntry| entry.key.unknown_form().is_some().into();
        let help = "1: what the key signed last was of a form that this version does not know: update Peel";
        let name = "peel_signer_key_update_needed";
        scrape::gauges(encoder, (name, help), self.per_key(unknown))?;
        let waiting =
            |entry: &KeyEntry| i64::try_from(entry.dispatch.waiting()).unwrap_or(i64::MAX);
        let help = "Requests that wait";
        scrape::gauges(encoder, ("peel_signer_queue_length", help), self.per_key(waiting))?;
        let connects =
            self.keyring.0.iter().map(|entry| (labels(&entry.key), entry.key.connects()));
        let help = "How often the key's device was connected to";
        scrape::counters(encoder, ("peel_signer_device_connects", help), connects)
    }

    /// Each state of each key, 1 for the one that it is in.
    fn encode_states(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let of_key = |entry: &KeyEntry| {
            let (key, now) = (entry.key.name.clone(), state(entry, &self.store));
            let states = ["ready"].into_iter().chain(CannotSign::states());
            states.map(move |state| {
                (StateLabels { key: key.clone(), state }, i64::from(state == now))
            })
        };
        let help = "1: the state that the key's device, mark and all is in";
        let states = self.keyring.0.iter().flat_map(of_key);
        scrape::gauges(encoder, ("peel_signer_device_state", help), states)
    }

    /// Of each kind that a key signs; 0 before the first signature since the start.
    fn encode_signatures(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let level = |last: LastSignature| f64::from(u32::from(last.mark.level));
        let help = "The level of the last signature";
        scrape::gauges(encoder, ("peel_signer_last_level", help), self.per_kind(level))?;
        let round = |last: LastSignature| f64::from(u32::from(last.mark.round));
        let help = "The round of the last signature";
        scrape::gauges(encoder, ("peel_signer_last_round", help), self.per_kind(round))?;
        let help = "When the last signature was made, in seconds since 1970";
        let name = "peel_signer_last_signature_timestamp_seconds";
        scrape::gauges(encoder, (name, help), self.per_kind(|last| last.at))
    }

    fn encode_marks(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let entries = self.store.entries();
        let of_key = |entry: &KeyEntry| {
            let key = Arc::clone(&entry.key);
            let own = entries.iter().filter(move |own| Some(own.key) == key.hash());
            let key = Arc::clone(&entry.key);
            own.map(move |own| (Arc::clone(&key), own.chain, own.reached()))
        };
        let marks: Vec<_> = self.keyring.0.iter().flat_map(of_key).collect();
        let chain_labels = |key: &Key, chain: tezos::ChainId| ChainLabels {
            key: key.name.clone(),
            chain: chain.name().map_or_else(|| chain.to_string(), str::to_owned),
        };
        let reached = marks.iter().map(|(key, chain, reached)| {
            (chain_labels(key, *chain), reached.map_or(0, |level| u32::from(level).into()))
        });
        let help = "Up to this level everything is signed or closed";
        scrape::gauges(
            encoder,
            ("peel_signer_watermark_level", help),
            reached.collect::<Vec<(_, i64)>>(),
        )?;
        let on_device = marks.iter().filter_map(|(key, chain, _)| {
            Some((chain_labels(key, *chain), i64::from(u32::from(key.device_level(*chain)?))))
        });
        let help = "The high watermark on the key's Ledger";
        scrape::gauges(encoder, ("peel_signer_device_watermark_level", help), on_device)
    }

    fn per_key(&self, read: impl Fn(&KeyEntry) -> i64) -> impl Iterator<Item = (KeyLabels, i64)> {
        self.keyring.0.iter().map(move |entry| (labels(&entry.key), read(entry)))
    }

    fn per_kind(
        &self,
        read: impl Fn(LastSignature) -> f64 + Copy,
    ) -> impl Iterator<Item = (KindLabels, f64)> {
        self.keyring.0.iter().flat_map(move |entry| {
            let key = Arc::clone(&entry.key);
            entry.key.policy.kinds.iter().map(move |kind: &Kind| {
                let labels = KindLabels { key: key.name.clone(), kind: kind.name() };
                (labels, key.last_signature(*kind).map_or(0.0, read))
            })
        })
    }
}

fn labels(key: &Key) -> KeyLabels {
    KeyLabels { key: key.name.clone() }
}

fn state(entry: &KeyEntry, store: &Store) -> &'static str {
    entry.can_sign(store).map_or_else(|why| why.state, |()| "ready")
}
