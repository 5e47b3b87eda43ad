//! The workers of the signer, started, watched and stopped.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use daemon::Fact;
use futures_util::future::select_all;
use tezos::Curve;
use tokio::runtime::Handle;
use watermark::Store;

use crate::config::{Config, KeyConfig, Source};
use crate::device::{Device, LedgerDevice, LedgerKey, ShareKey, SoftwareKey, UpstreamKey};
use crate::dispatch::{Dispatch, InPlace};
use crate::facts::Look;
use crate::key::{Key, KeyShare};
use crate::keyring::{KeyEntry, Keyring};
use crate::metrics::Metrics;
use crate::queue::Queue;
use crate::signature_log::SignatureLog;
use crate::verifier::Verifier;
use crate::worker::Worker;
use crate::worker_thread::WorkerThread;

/// The workers that have a thread.
#[derive(Debug)]
pub(crate) struct Workers {
    threads: Vec<WorkerThread>,
    queues: Queues,
    verifier: Option<Verifier>,
}

/// By the name of the worker's first key.
type Queues = Vec<(String, Arc<Queue>)>;

struct Builder<'a> {
    store: &'a Arc<Store>,
    metrics: &'a Arc<Metrics>,
    signature_log: SignatureLog,
    keyring: Keyring,
    workers: Workers,
}

/// Longer than looking for a device and asking it for a signature take, both at their limits.
const STUCK_AFTER: Duration = Duration::from_secs(60);

impl Workers {
    /// One thread for all keys of the Ledger, one for each upstream key; none for a key in memory.
    pub(crate) fn start(
        config: Config,
        store: &Arc<Store>,
        metrics: &Arc<Metrics>,
    ) -> io::Result<(Keyring, Workers)> {
        let workers = Workers { threads: Vec::new(), queues: Vec::new(), verifier: None };
        let signature_log = config.signature_log;
        let keyring = Keyring::default();
        let mut builder = Builder { store, metrics, signature_log, keyring, workers };
        let mut on_ledger: Vec<(Arc<Key>, LedgerKey)> = Vec::new();
        for KeyConfig { name, public_key_hash, policy, source } in config.keys {
            let key = |expected| Key::new(name.clone(), expected, policy.clone());
            match source {
                Source::Ledger(ledger_key) => {
                    on_ledger.push((Arc::new(key(public_key_hash)), ledger_key));
                }
                Source::Software(secret) => {
                    let key = Arc::new(key(Some(secret.hash())));
                    let device = SoftwareKey { key: Arc::clone(&key), secret };
                    builder.add_in_place(key, Box::new(device))?;
                }
                Source::Share(share) => {
                    let (group, index) = (share.group().clone(), share.index());
                    let key = key(Some(group.public_key().hash()));
                    let key = Arc::new(key.with_share(KeyShare { group, index }));
                    let device = ShareKey { key: Arc::clone(&key), share };
                    builder.add_in_place(key, Box::new(device))?;
                }
                Source::Upstream(url) => {
                    let key = Arc::new(key(Some(url.key)));
                    let device = UpstreamKey::new(Arc::clone(&key), url, Handle::current());
                    builder.spawn(&[key], Box::new(device))?;
                }
            }
        }
        if !on_ledger.is_empty() {
            let keys: Vec<Arc<Key>> = on_ledger.iter().map(|(key, _)| Arc::clone(key)).collect();
            builder.spawn(&keys, Box::new(LedgerDevice::new(config.ledger, on_ledger)))?;
        }
        Ok((builder.keyring, builder.workers))
    }

    /// Returns when a thread ends; never, if there is none.
    pub(crate) async fn one_ends(&mut self) {
        if self.threads.is_empty() {
            return std::future::pending().await;
        }
        drop(select_all(self.threads.iter_mut().map(|thread| &mut thread.ended)).await);
    }

    /// Each worker has come round lately. One that has not is stuck in its device: a restart mends it.
    pub(crate) fn liveness(&self) -> Look {
        let queues = self.queues.clone();
        Box::new(move || {
            let facts = queues.iter().map(|(name, queue)| {
                let idle = queue.last_beat().elapsed();
                let stuck = || format!("not seen for {} s", idle.as_secs());
                let state = if idle < STUCK_AFTER { Ok(()) } else { Err(stuck()) };
                Fact::vital("worker", state).about(name.clone())
            });
            facts.collect()
        })
    }

    /// Lets every worker finish what waits, and joins its thread.
    pub(crate) fn stop(self) {
        self.queues.iter().for_each(|(_, queue)| queue.close());
        self.verifier.iter().for_each(Verifier::end);
        // A thread that panicked has said so on standard error.
        self.threads.into_iter().for_each(|thread| drop(thread.join()));
    }
}

impl Builder<'_> {
    fn spawn(&mut self, keys: &[Arc<Key>], device: Box<dyn Device>) -> io::Result<()> {
        let queue = Arc::new(Queue::new(device.kinds_in_order()));
        let name = keys.first().map_or_else(String::new, |key| key.name.clone());
        for key in keys {
            let (key, dispatch) = (Arc::clone(key), Dispatch::Thread(Arc::clone(&queue)));
            self.keyring.0.push(KeyEntry { key, dispatch });
        }
        let thread = self.worker(device, None).start(Arc::clone(&queue), &format!("sign-{name}"));
        self.workers.threads.push(thread?);
        self.workers.queues.push((name, queue));
        Ok(())
    }

    /// A key in memory needs no thread; a tz4 signature takes longer to be verified than to be made.
    fn add_in_place(&mut self, key: Arc<Key>, device: Box<dyn Device>) -> io::Result<()> {
        let is_slow = key.hash().is_some_and(|hash| hash.curve() == Curve::Bls);
        let verifier = if is_slow { Some(self.verifier()?) } else { None };
        let worker = self.worker(device, verifier);
        let dispatch = Dispatch::InPlace(Arc::new(InPlace::new(worker)));
        self.keyring.0.push(KeyEntry { key, dispatch });
        Ok(())
    }

    /// The one for all keys. Its thread is one more to be joined.
    fn verifier(&mut self) -> io::Result<Verifier> {
        if let Some(verifier) = &self.workers.verifier {
            return Ok(verifier.clone());
        }
        let (verifier, thread) = Verifier::start()?;
        self.workers.threads.push(thread);
        Ok(self.workers.verifier.insert(verifier).clone())
    }

    fn worker(&self, device: Box<dyn Device>, verifier: Option<Verifier>) -> Worker {
        let (store, metrics) = (Arc::clone(self.store), Arc::clone(self.metrics));
        Worker { device, store, metrics, verifier, signature_log: self.signature_log.clone() }
    }
}
