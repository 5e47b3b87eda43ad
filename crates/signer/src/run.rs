//! The signer put together, started, and stopped.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use daemon::http::ListenError;
use daemon::monitor::Monitor;
use daemon::{Fact, Health, Shutdown};
use prometheus_client::registry::Registry;
use signer_api::Hosts;
use tezos::Curve;
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use watermark::{DiskError, LevelBound, Store, StoreFailure};

use crate::api::Api;
use crate::config::{Config, KeyConfig, Source};
use crate::device::{Device, LedgerDevice, LedgerKey, SoftwareKey, UpstreamKey};
use crate::dispatch::{Dispatch, InPlace};
use crate::key::Key;
use crate::keyring::{KeyEntry, Keyring};
use crate::links::Links;
use crate::listeners::Listeners;
use crate::metrics::Metrics;
use crate::queue::Queue;
use crate::readings;
use crate::verifier::Verifier;
use crate::worker::{Running, Worker};

/// A signer that runs.
#[derive(Debug)]
pub struct Signer {
    store: Arc<Store>,
    keyring: Keyring,
    liveness: Health,
    workers: Vec<Running>,
    verifier: Option<Verifier>,
    serving: JoinSet<()>,
    shutdown: Shutdown,
    http: Option<SocketAddr>,
    monitor: Option<SocketAddr>,
}

/// Why a signer does not start, or ended badly. *Failed*.
#[derive(Debug, Error)]
pub enum RunError {
    /// The store cannot be opened, or was not closed cleanly.
    #[error(transparent)]
    Store(#[from] StoreFailure),
    /// A port cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The system gave no thread, no signal handler or no address.
    #[error("the system refused: {0}")]
    System(#[from] io::Error),
    /// A worker ended by itself: a bug.
    #[error("a worker died; please report this with the log above")]
    WorkerDied,
    /// A device or the disk does not let go. The reservation stays, so nothing is signed twice.
    #[error(
        "a device or the disk does not answer: stopped without them; at most two levels are given up"
    )]
    Stuck,
}

impl Signer {
    /// Opens the store, starts the workers and listens.
    ///
    /// # Errors
    /// When the store or a port cannot be had. A device need not be there.
    pub async fn start(config: Config, shutdown: Shutdown) -> Result<Signer, RunError> {
        let listeners = Listeners::open(&config).await?;
        let (http, monitor_address) = (listeners.http()?, listeners.monitor()?);
        let store = Arc::new(open_store(&config).await?);
        let mut registry = Registry::default();
        let metrics = Arc::new(Metrics::register(&mut registry));
        let authorized = config.authorized.clone();
        let local = config.http.as_ref();
        let allow_list_known_keys = local.is_some_and(|http| http.allow_list_known_keys);
        let allow_to_prove_possession = local.is_some_and(|http| http.allow_to_prove_possession);
        let (keyring, workers, verifier) = start_workers(config, &store, &metrics)?;
        warn_of_missing_watermarks(&keyring, &store);
        readings::register(&mut registry, keyring.clone(), Arc::clone(&store));
        if let Some(links) = &listeners.links {
            links.register(&mut registry);
        }
        let health = health(&keyring, &store, listeners.links.clone());
        let liveness = liveness(&keyring);
        let monitor = Monitor::new(Arc::new(registry), health, liveness.clone());
        let api = Api {
            keyring: keyring.clone(),
            store: Arc::clone(&store),
            authorized,
            allow_list_known_keys,
            allow_to_prove_possession,
            monitor: monitor.clone(),
            process: None,
            hosts: Hosts::Any,
        };
        let serving = listeners.serve(api, monitor, &shutdown);
        tracing::info!(http = http.map(display), keys = keyring.0.len(), "listening");
        let monitor = monitor_address;
        Ok(Signer { store, keyring, liveness, workers, verifier, serving, shutdown, http, monitor })
    }

    /// Where bakers on this machine ask.
    #[must_use]
    pub fn http(&self) -> Option<SocketAddr> {
        self.http
    }

    /// Where monitoring asks.
    #[must_use]
    pub fn monitor(&self) -> Option<SocketAddr> {
        self.monitor
    }

    /// The facts that a restart could mend.
    #[must_use]
    pub fn liveness(&self) -> &Health {
        &self.liveness
    }

    /// Serves until shutdown is requested, then finishes what was begun, writes the exact marks and
    /// lets the store go.
    ///
    /// # Errors
    /// When a worker died or the store could not be closed cleanly.
    pub async fn run(mut self) -> Result<(), RunError> {
        let (threads, ended): (Vec<_>, Vec<_>) =
            self.workers.into_iter().map(|worker| (worker.thread, worker.ended)).unzip();
        let died = tokio::select! {
            () = self.shutdown.requested() => false,
            () = any(ended) => !self.shutdown.is_requested(),
        };
        self.shutdown.request();
        while self.serving.join_next().await.is_some() {}
        self.keyring.0.iter().filter_map(|entry| entry.dispatch.queue()).for_each(Queue::close);
        let store = Arc::clone(&self.store);
        let verifier = self.verifier;
        let closing = tokio::task::spawn_blocking(move || {
            verifier.iter().for_each(Verifier::end);
            // A worker that panicked has said so on standard error.
            threads.into_iter().for_each(|thread| drop(thread.join()));
            store.close()
        });
        match tokio::time::timeout(STOP_LIMIT, closing).await {
            Ok(Ok(closed)) => closed?,
            Ok(Err(_)) => return Err(RunError::WorkerDied),
            Err(_) => return Err(RunError::Stuck),
        }
        tracing::info!("stopped; the marks on disk are exact");
        if died { Err(RunError::WorkerDied) } else { Ok(()) }
    }
}

/// Returns when the first of them resolves; never, if there is none.
async fn any(ended: Vec<oneshot::Receiver<()>>) {
    if ended.is_empty() {
        return std::future::pending().await;
    }
    let mut waits = JoinSet::new();
    for one in ended {
        waits.spawn(async { drop(one.await) });
    }
    drop(waits.join_next().await);
}

/// One thread for all keys of the Ledger, one for each upstream key; none for a key in memory.
fn start_workers(
    config: Config,
    store: &Arc<Store>,
    metrics: &Arc<Metrics>,
) -> Result<(Keyring, Vec<Running>, Option<Verifier>), RunError> {
    let mut builder = KeyringBuilder {
        store,
        metrics,
        keyring: Keyring::default(),
        workers: Vec::new(),
        verifier: None,
    };
    let mut on_ledger: Vec<(Arc<Key>, LedgerKey)> = Vec::new();
    for KeyConfig { name, public_key_hash, policy, source } in config.keys {
        let key = |expected| Arc::new(Key::new(name.clone(), expected, policy.clone()));
        match source {
            Source::Ledger(ledger_key) => on_ledger.push((key(public_key_hash), ledger_key)),
            Source::Software(secret) => {
                builder.add_in_place(key(Some(secret.hash())), SoftwareKey(secret))?;
            }
            Source::Upstream(url) => {
                let key = key(Some(url.key));
                builder.spawn(vec![key], Box::new(UpstreamKey::new(url, Handle::current())))?;
            }
        }
    }
    if !on_ledger.is_empty() {
        let (keys, ledger_keys) = on_ledger.into_iter().unzip();
        builder.spawn(keys, Box::new(LedgerDevice::new(config.ledger, ledger_keys)))?;
    }
    Ok((builder.keyring, builder.workers, builder.verifier))
}

struct KeyringBuilder<'a> {
    store: &'a Arc<Store>,
    metrics: &'a Arc<Metrics>,
    keyring: Keyring,
    workers: Vec<Running>,
    verifier: Option<Verifier>,
}

impl KeyringBuilder<'_> {
    fn spawn(&mut self, keys: Vec<Arc<Key>>, device: Box<dyn Device>) -> io::Result<()> {
        let queue = Arc::new(Queue::new(device.kinds_in_order()));
        let name = keys.first().map_or("worker".to_owned(), |key| format!("sign-{}", key.name));
        for (place, key) in keys.iter().enumerate() {
            let (key, dispatch) = (Arc::clone(key), Dispatch::Thread(Arc::clone(&queue)));
            self.keyring.0.push(KeyEntry { key, place, dispatch });
        }
        self.workers.push(self.worker(keys, device, None).start(queue, &name)?);
        Ok(())
    }

    /// A key in memory needs no thread; a tz4 signature takes longer to be verified than to be made.
    fn add_in_place(&mut self, key: Arc<Key>, device: SoftwareKey) -> io::Result<()> {
        let is_slow = device.0.public_key().curve() == Curve::Bls;
        let verifier = if is_slow { Some(self.verifier()?) } else { None };
        let worker = self.worker(vec![Arc::clone(&key)], Box::new(device), verifier);
        let dispatch = Dispatch::InPlace(Arc::new(InPlace::new(worker)));
        self.keyring.0.push(KeyEntry { key, place: 0, dispatch });
        Ok(())
    }

    /// The one for all keys. Its thread is one more to be joined.
    fn verifier(&mut self) -> io::Result<Verifier> {
        if let Some(verifier) = &self.verifier {
            return Ok(verifier.clone());
        }
        let (verifier, running) = Verifier::start()?;
        self.workers.push(running);
        Ok(self.verifier.insert(verifier).clone())
    }

    fn worker(
        &self,
        keys: Vec<Arc<Key>>,
        device: Box<dyn Device>,
        verifier: Option<Verifier>,
    ) -> Worker {
        let (store, metrics) = (Arc::clone(self.store), Arc::clone(self.metrics));
        Worker { keys, device, store, metrics, verifier }
    }
}

/// For another process to let the store go: a command that looks at it, or the signer before this one.
const STORE_WAIT: Duration = Duration::from_secs(5);
const STORE_PAUSE: Duration = Duration::from_millis(50);

/// Opens the store; one that is held is waited for, for a moment.
async fn open_store(config: &Config) -> Result<Store, StoreFailure> {
    let (bound, end) = (level_bound(config), Instant::now() + STORE_WAIT);
    loop {
        match Store::open(&config.store, bound) {
            Err(StoreFailure::Disk(DiskError::Locked { .. })) if Instant::now() < end => {
                sleep(STORE_PAUSE).await;
            }
            opened => return opened,
        }
    }
}

/// A computer without a battery for its clock starts in the past, until it has asked the network for the time.
fn level_bound(config: &Config) -> LevelBound {
    let timesyncd = Path::new("/run/systemd/timesync");
    if !timesyncd.exists() || timesyncd.join("synchronized").exists() {
        return config.level_bound;
    }
    tracing::warn!(
        "the clock is not synchronised yet: levels a day further ahead than usual are signed"
    );
    config.level_bound.with_a_doubtful_clock()
}

fn warn_of_missing_watermarks(keyring: &Keyring, store: &Store) {
    let entries = store.entries();
    for entry in &keyring.0 {
        let Some(hash) = entry.key.hash() else { continue };
        for chain in &entry.key.policy.chains {
            if !entries.iter().any(|known| known.key == hash && known.chain == *chain) {
                let key = entry.key.name.as_str();
                tracing::warn!(
                    key,
                    "no watermark for {hash} on {chain}: nothing will be signed until \
                     \"peel watermark init\" has made one"
                );
            }
        }
    }
}

/// The store's last write, each key's device, and the tunnel.
fn health(keyring: &Keyring, store: &Arc<Store>, links: Option<Links>) -> Health {
    let (store, marks) = (Arc::clone(store), Arc::clone(store));
    let of_store = move || {
        let state = store.failure().map_or(Ok(()), |error| Err(error.to_string()));
        vec![Fact::vital("watermark_store".to_owned(), state)]
    };
    let keyring = keyring.clone();
    let of_keys = move || {
        let facts = keyring
            .0
            .iter()
            .map(|entry| Fact::vital(format!("key_{}", entry.key.name), entry.can_sign(&marks)));
        facts.collect()
    };
    let of_tunnel = move || links.iter().map(Links::fact).collect();
    Health::new(vec![Box::new(of_store), Box::new(of_keys), Box::new(of_tunnel)])
}

/// More than the slowest device takes to give up, and a slow disk for the last commit.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// Each worker has come round lately. One that has not is stuck in its device: a restart mends it.
fn liveness(keyring: &Keyring) -> Health {
    let keyring = keyring.clone();
    let of_workers = move || {
        let first_keys = keyring.0.iter().filter(|entry| entry.place == 0);
        let threads = first_keys.filter_map(|entry| Some((entry, entry.dispatch.queue()?)));
        let facts = threads.map(|(entry, queue)| {
            let idle = queue.last_beat().elapsed();
            let stuck = || format!("not seen for {} s", idle.as_secs());
            let state = if idle < STUCK_AFTER { Ok(()) } else { Err(stuck()) };
            Fact::vital(format!("worker_{}", entry.key.name), state)
        });
        facts.collect()
    };
    Health::new(vec![Box::new(of_workers)])
}

/// Longer than looking for a device and asking it for a signature take, both at their limits.
const STUCK_AFTER: Duration = Duration::from_secs(60);
