//! The metrics that are read at each scrape.

use std::fmt;
use std::sync::Arc;

use daemon::scrape;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Registry;
use watermark::Store;

use crate::keyring::{KeyEntry, Keyring};
use crate::metrics::KeyLabels;

/// What is read at each scrape.
#[derive(Debug)]
struct Readings {
    keyring: Keyring,
    store: Arc<Store>,
}

/// Registers what is read from these at each scrape.
pub(crate) fn register(registry: &mut Registry, keyring: Keyring, store: Arc<Store>) {
    registry.register_collector(Box::new(Readings { keyring, store }));
}

impl Collector for Readings {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let ready = |entry: &KeyEntry| entry.can_sign(&self.store).is_ok().into();
        let help = "1: the key can sign now";
        scrape::gauges(&mut encoder, ("peel_signer_key_ready", help), self.per_key(ready))?;
        let unknown = |entry: &KeyEntry| entry.key.unknown_form().is_some().into();
        let help = "1: what the key signed last was of a form that this version does not know: update Peel";
        let name = "peel_signer_key_update_needed";
        scrape::gauges(&mut encoder, (name, help), self.per_key(unknown))?;
        let waiting =
            |entry: &KeyEntry| i64::try_from(entry.dispatch.waiting()).unwrap_or(i64::MAX);
        let help = "Requests that wait";
        scrape::gauges(&mut encoder, ("peel_signer_queue_length", help), self.per_key(waiting))?;
        let help = "1: the last write to the watermark store went well";
        let is_writable = self.store.failure().is_none().into();
        scrape::gauge(&mut encoder, ("peel_signer_store_writable", help), is_writable)
    }
}

impl Readings {
    fn per_key(&self, read: impl Fn(&KeyEntry) -> i64) -> impl Iterator<Item = (KeyLabels, i64)> {
        let labels = |entry: &KeyEntry| KeyLabels { key: entry.key.name.clone() };
        self.keyring.0.iter().map(move |entry| (labels(entry), read(entry)))
    }
}
