//! The metrics that are read at each scrape.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use watermark::Store;

use crate::keyring::Keyring;
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
        let ready = |at: usize| {
            self.keyring.0.get(at).is_some_and(|entry| entry.can_sign(&self.store).is_ok()).into()
        };
        self.per_key(&mut encoder, "peel_signer_key_ready", "1: the key can sign now", ready)?;
        let waiting = |at: usize| {
            let queued = self.keyring.0.get(at).map(|entry| entry.dispatch.waiting());
            i64::try_from(queued.unwrap_or_default()).unwrap_or(i64::MAX)
        };
        self.per_key(&mut encoder, "peel_signer_queue_length", "Requests that wait", waiting)?;
        let good = ConstGauge::new(i64::from(self.store.failure().is_none()));
        let metric = encoder.encode_descriptor(
            "peel_signer_store_writable",
            "1: the last write to the watermark store went well",
            None,
            good.metric_type(),
        )?;
        good.encode(metric)
    }
}

impl Readings {
    fn per_key(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        name: &str,
        help: &str,
        read: impl Fn(usize) -> i64,
    ) -> Result<(), fmt::Error> {
        let kind = ConstGauge::new(0_i64).metric_type();
        let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
        for (at, entry) in self.keyring.0.iter().enumerate() {
            let labels = KeyLabels { key: entry.key.name.clone() };
            ConstGauge::new(read(at)).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
