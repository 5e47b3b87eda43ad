//! The signer put together, started, and stopped.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use daemon::connections::{ListenError, UnixListenError};
use daemon::own_metrics::register_own;
use daemon::reload::{Changes, LastReload};
use daemon::{Health, Shutdown};
use prometheus_client::registry::Registry;
use signer_api::Hosts;
use thiserror::Error;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use watermark::{DiskError, Rules, Store, StoreFailure};

use crate::api::Api;
use crate::clock::{Clock, ClockWatch};
use crate::config::Config;
use crate::keyring::Keyring;
use crate::links::Links;
use crate::listeners::Listeners;
use crate::metrics::Metrics;
use crate::monitoring::{Monitoring, Sources};
use crate::network_manager::NetworkManager;
use crate::power;
use crate::reload::Reload;
use crate::workers::Workers;

/// A signer that runs.
#[derive(Debug)]
pub struct Signer {
    store: Arc<Store>,
    liveness: Health,
    workers: Workers,
    serving: JoinSet<()>,
    shutdown: Shutdown,
    http: Option<SocketAddr>,
    tcp_socket: Option<SocketAddr>,
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
    /// The unix socket cannot be listened on.
    #[error(transparent)]
    Unix(#[from] UnixListenError),
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

/// Returns when the computer has the power to sign: at once, unless it is on battery and that is down to
/// `stop_at_charge`. `waiting` is called every two seconds while it is waited for.
pub async fn await_charge(config: &Config, waiting: impl Fn()) {
    if let Some(power) = &config.power {
        power::await_charge(power, waiting).await;
    }
}

impl Signer {
    /// Opens the store, starts the workers and listens.
    ///
    /// # Errors
    /// When the store or a port cannot be had. A device need not be there.
    pub async fn start(mut config: Config, shutdown: Shutdown) -> Result<Signer, RunError> {
        let mut listeners = Listeners::open(&config).await?;
        let (http, monitor_address) = (listeners.http()?, listeners.monitor()?);
        let tcp_socket = listeners.tcp_socket()?;
        let clock = ClockWatch::start().await;
        let store = open_store(&config.store, rules(&config, &clock.state())).await?;
        let store = Arc::new(store);
        if let Some(socket) = config.sockets.as_ref().and_then(|sockets| sockets.unix.as_ref()) {
            listeners.open_unix_socket(socket).await?;
        }
        let mut registry = Registry::default();
        register_own(&mut registry, "peel_signer");
        let keys = config.keys.iter().map(|key| (key.name.as_str(), &key.policy));
        let metrics = Arc::new(Metrics::register(&mut registry, keys));
        let authentication = config.authentication.clone();
        let last_reload = LastReload::default();
        last_reload.register(&mut registry, "peel_signer");
        let changes = Changes::of(config.file.as_ref())?;
        let reload = Reload {
            file: config.file.take(),
            gateways: listeners.gateways.take(),
            last: last_reload.clone(),
        };
        let network_manager = NetworkManager::of(&config, listeners.metered.take());
        let sources = Sources::take(&mut config);
        let local = config.http.as_ref();
        let allow_list_known_keys = local.is_some_and(|http| http.allow_list_known_keys);
        let allow_to_prove_possession = local.is_some_and(|http| http.allow_to_prove_possession);
        let (keyring, workers) = Workers::start(config, &store, &metrics)?;
        warn_of_missing_watermarks(&keyring, &store);
        let links = listeners.links.clone();
        let of_links = links.as_ref().map(Links::liveness);
        let liveness = Health::new([workers.liveness()].into_iter().chain(of_links).collect());
        let parts = (&keyring, &store);
        let monitoring = Monitoring::new(
            sources,
            registry,
            parts,
            links,
            (clock, liveness.clone(), last_reload),
        );
        let monitor = monitoring.monitor.clone();
        let api = Api {
            keyring: keyring.clone(),
            store: Arc::clone(&store),
            metrics,
            authentication,
            allow_list_known_keys,
            allow_to_prove_possession,
            monitor: monitor.clone(),
            process: None,
            hosts: Hosts::Any,
        };
        let mut serving = listeners.serve(api, monitor, &shutdown);
        monitoring.watch(&mut serving, &shutdown);
        serving.spawn(reload.run(changes, shutdown.clone()));
        if let Some(network_manager) = network_manager {
            serving.spawn(network_manager.watch(shutdown.clone()));
        }
        tracing::info!(http = http.map(display), keys = keyring.0.len(), "listening");
        let monitor = monitor_address;
        Ok(Signer { store, liveness, workers, serving, shutdown, http, tcp_socket, monitor })
    }

    /// Where bakers on this machine ask.
    #[must_use]
    pub fn http(&self) -> Option<SocketAddr> {
        self.http
    }

    /// Where bakers ask in the binary protocol.
    #[must_use]
    pub fn tcp_socket(&self) -> Option<SocketAddr> {
        self.tcp_socket
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
        let died = tokio::select! {
            () = self.shutdown.requested() => false,
            () = self.workers.one_ends() => !self.shutdown.is_requested(),
        };
        self.shutdown.request();
        while self.serving.join_next().await.is_some() {}
        let (store, workers) = (Arc::clone(&self.store), self.workers);
        let closing = tokio::task::spawn_blocking(move || {
            workers.stop();
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

/// For another process to let the store go: a command that looks at it, or the signer before this one.
const STORE_WAIT: Duration = Duration::from_secs(5);
const STORE_PAUSE: Duration = Duration::from_millis(50);

/// Opens the store; one that is held is waited for, for a moment.
async fn open_store(path: &Path, rules: Rules) -> Result<Store, StoreFailure> {
    let end = Instant::now() + STORE_WAIT;
    loop {
        match Store::open(path, rules) {
            Err(StoreFailure::Disk(DiskError::Locked { .. })) if Instant::now() < end => {
                sleep(STORE_PAUSE).await;
            }
            opened => return opened,
        }
    }
}

/// A computer without a battery for its clock starts in the past, until it has asked the network for the time.
fn rules(config: &Config, clock: &Clock) -> Rules {
    let rules = config.rules;
    match clock {
        Clock::Synchronized => rules,
        Clock::Unknown(why) => {
            tracing::debug!("whether the clock is synchronised is not known: {why}");
            rules
        }
        Clock::NotSynchronized => {
            tracing::warn!(
                "the clock is not synchronised yet: levels a day further ahead than usual are signed"
            );
            Rules { level_bound: rules.level_bound.with_a_doubtful_clock(), ..rules }
        }
    }
}

fn warn_of_missing_watermarks(keyring: &Keyring, store: &Store) {
    let entries = store.entries();
    for entry in keyring.0.iter().filter(|entry| entry.key.policy.has_marks()) {
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

/// More than the slowest device takes to give up, and a slow disk for the last commit.
const STOP_LIMIT: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use futures_util::poll;
    use watermark::{LevelBound, Records};

    use super::*;
    use crate::starting;

    /// As "peel signer check" holds it, or a signer that is just ending.
    #[tokio::test(start_paused = true)]
    async fn a_store_that_is_held_for_a_moment_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("watermark.db");
        let held = Records::open_or_create(&path).unwrap();
        let opening = open_store(&path, LevelBound::NONE.into());
        tokio::pin!(opening);
        assert!(poll!(&mut opening).is_pending());
        let _no_start = starting::none();
        drop(held);
        opening.await.unwrap();
    }

    /// Its holder does not let go.
    #[tokio::test(start_paused = true)]
    async fn a_store_that_stays_held_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("watermark.db");
        let _held = Records::open_or_create(&path).unwrap();
        let started = Instant::now();
        let error = open_store(&path, LevelBound::NONE.into()).await.unwrap_err();
        assert!(matches!(error, StoreFailure::Disk(DiskError::Locked { .. })), "{error}");
        assert!((STORE_WAIT..2 * STORE_WAIT).contains(&started.elapsed()));
    }
}
