//! The gateway put together, started, and stopped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use daemon::connections::Listener;
use daemon::http::Http;
use daemon::monitor::Monitor;
use daemon::own_metrics::{register_own, register_readiness};
use daemon::ports::when_free;
use daemon::reload::{Changes, LastReload};
use daemon::report::Reporter;
use daemon::{Fact, Health, Shutdown, Verdict};
use prometheus_client::registry::Registry;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tunnel::endpoint::{self, Endpoint};

use crate::api::Api;
use crate::asker::Asker;
use crate::config::Config;
use crate::gather::Gather;
use crate::metrics::{Metrics, Readings};
use crate::monitor_api::MonitorApi;
use crate::reload::Reload;
use crate::run_error::RunError;
use crate::scrape::scrape;
use crate::sessions::Sessions;
use crate::shared_key::SharedKeys;
use crate::shared_metrics::{SharedMetrics, SharedReadings};
use crate::signer::Signer;
use crate::signer_tasks::{BoundPort, SignerTasks, bind_for_bakers, bind_shell, client, limits};
use crate::signers::Signers;
use crate::status::Status;
use crate::unasked::Unasked;
use crate::witness::Witness;

/// A gateway that runs.
#[derive(Debug)]
pub struct Gateway {
    listeners: JoinSet<()>,
    /// Answers that came too late to be needed.
    late: TaskTracker,
    /// Requested when the listeners have to end.
    stop_listeners: Shutdown,
    endpoint: JoinSet<()>,
    stop_endpoint: CancellationToken,
    shutdown: Shutdown,
    drain: Duration,
    ssh: SocketAddr,
    http: Option<SocketAddr>,
    monitor: Option<SocketAddr>,
}

/// Everything that is bound, before anything is answered.
struct Bound {
    endpoint: Endpoint,
    all: Option<Listener>,
    ports: Vec<BoundPort>,
    monitor: Option<Listener>,
}

impl Gateway {
    /// Listens on every port; signers need not be there.
    ///
    /// # Errors
    /// When a port cannot be had.
    pub async fn start(config: Config, shutdown: Shutdown) -> Result<Gateway, RunError> {
        let bound = Bound::bind(&config).await?;
        config.warn_of_unnamed_keys();
        let signers = Signers::new(config.signers.iter().map(Signer::new).map(Arc::new));
        let shared_keys = SharedKeys::new(&config.shared_keys);
        let last_reload = LastReload::default();
        let mut registry = Registry::default();
        register_own(&mut registry, "peel_gateway");
        last_reload.register(&mut registry, "peel_gateway");
        let metrics = Arc::new(Metrics::register(&mut registry, &signers));
        let refusals = bound.endpoint.refusals();
        let shared_metrics = SharedMetrics::register(&mut registry, &shared_keys);
        let unasked = Unasked::default();
        let health = health(&signers, &shared_keys, &unasked, (&last_reload, &shutdown));
        let readings = Readings { signers: signers.clone(), refusals };
        registry.register_collector(Box::new(readings));
        let readings = SharedReadings { keys: shared_keys.clone(), signers: signers.clone() };
        registry.register_collector(Box::new(readings));
        register_readiness(&mut registry, "peel_gateway", health.clone());
        let reporter = Reporter::new("gateway", health);
        let of_signers = signers.clone();
        let hosts = config.monitor_hosts.clone();
        let monitor = Monitor::new(Arc::new(registry), reporter, Health::default())
            .with_others(move |own| scrape(of_signers.clone(), own))
            .admitting(move |headers| hosts.check_viewer(headers).map_err(|why| why.to_string()));
        let witness = Witness::open(config.state.as_deref())?;
        let asker = Asker { answer_limit: config.answer_limit, metrics, witness };
        let gather = Gather {
            asker: asker.clone(),
            signers: signers.clone(),
            metrics: shared_metrics,
            late: TaskTracker::new(),
            shutdown: shutdown.clone(),
        };
        let api = Api {
            signers,
            port: None,
            allow_list_known_keys: config.allow_list_known_keys,
            asker,
            shared_keys,
            gather,
            hosts: config.hosts.clone(),
            monitor,
            unasked,
            authentication: config.authentication.clone(),
            shutdown,
        };
        let count = config.signers.len();
        let gateway = Gateway::serve(bound, config, &api, last_reload)?;
        tracing::info!(ssh = %gateway.ssh, signers = count, "listening");
        Ok(gateway)
    }

    fn serve(
        bound: Bound,
        config: Config,
        api: &Api,
        last_reload: LastReload,
    ) -> Result<Gateway, RunError> {
        let mut gateway = Gateway {
            listeners: JoinSet::new(),
            late: api.gather.late.clone(),
            stop_listeners: Shutdown::new(),
            endpoint: JoinSet::new(),
            stop_endpoint: CancellationToken::new(),
            shutdown: api.shutdown.clone(),
            drain: config.drain,
            ssh: bound.endpoint.address()?,
            http: bound.all.as_ref().map(Listener::address).transpose()?,
            monitor: bound.monitor.as_ref().map(Listener::address).transpose()?,
        };
        let signers = api.signers.clone();
        let stop = || gateway.stop_listeners.clone();
        if let Some(listener) = bound.all {
            gateway.listeners.spawn(listener.serve(Http(Arc::new(api.clone())), stop()));
        }
        if let Some(listener) = bound.monitor {
            let status = Status {
                reporter: api.monitor.reporter().clone(),
                signers: signers.clone(),
                shared_keys: api.shared_keys.clone(),
            };
            let monitor = MonitorApi::new(api.monitor.clone(), status);
            gateway.listeners.spawn(listener.serve(Http(Arc::new(monitor)), stop()));
        }
        gateway.listeners.spawn(api.asker.witness.clone().keep(stop()));
        let health = api.monitor.reporter().health().clone();
        gateway.listeners.spawn(health.observe(stop()));
        let mut tasks = SignerTasks::new(api.clone(), stop());
        tasks.follow(&signers, bound.ports);
        let changes = Changes::of(config.file.as_ref())?;
        let reload = Reload {
            next_id: config.signers.len(),
            config,
            signers: signers.clone(),
            shared_keys: api.shared_keys.clone(),
            tasks,
            authorized: bound.endpoint.authorized(),
            metrics: Arc::clone(&api.asker.metrics),
            shared_metrics: api.gather.metrics.clone(),
            last: last_reload,
        };
        gateway.listeners.spawn(reload.run(changes, stop()));
        let (witness, shared_keys) = (api.asker.witness.clone(), api.shared_keys.clone());
        let sessions = Sessions { signers, witness, shared_keys };
        let (session_handler, stop) = (Arc::new(sessions), gateway.stop_endpoint.clone());
        gateway.endpoint.spawn(bound.endpoint.serve(session_handler, stop));
        Ok(gateway)
    }

    /// Where signers dial.
    #[must_use]
    pub fn ssh(&self) -> SocketAddr {
        self.ssh
    }

    /// Where bakers ask for the key of any signer.
    #[must_use]
    pub fn http(&self) -> Option<SocketAddr> {
        self.http
    }

    /// Where monitoring asks.
    #[must_use]
    pub fn monitor(&self) -> Option<SocketAddr> {
        self.monitor
    }

    /// Serves until shutdown; answers for a while longer, if it is configured, though it is not ready any more; lets
    /// requests in flight end, then closes the connections of the signers.
    pub async fn run(mut self) {
        self.shutdown.requested().await;
        if !self.drain.is_zero() {
            tracing::info!(
                "not ready any more; bakers are answered for {} s longer",
                self.drain.as_secs()
            );
            sleep(self.drain).await;
        }
        self.stop_listeners.request();
        while self.listeners.join_next().await.is_some() {}
        self.late.close();
        self.late.wait().await;
        self.stop_endpoint.cancel();
        while self.endpoint.join_next().await.is_some() {}
        tracing::info!("stopped");
    }
}

impl Bound {
    /// The ports for bakers last: a stand-in may have them, too, and then connections come to this process from when it
    /// listens there, while it may still wait for another port.
    async fn bind(config: &Config) -> Result<Bound, RunError> {
        let ssh = endpoint::Config {
            listen: config.ssh,
            host_key: config.host_key.clone(),
            clients: config.signers.iter().map(client).collect(),
            taken: config.taken_ports(),
            limits: endpoint::Limits::default(),
        };
        let bind = async || Endpoint::bind(ssh.clone()).await;
        let endpoint = when_free(ssh.listen, bind, endpoint::ListenError::is_taken).await?;
        let mut shells = Vec::new();
        for signer in &config.signers {
            shells.push(bind_shell(signer.port).await?);
        }
        let monitor = Listener::bind_if_named(config.monitor, limits(config)).await?;
        let mut ports = Vec::new();
        for (signer, shell) in config.signers.iter().zip(shells) {
            ports.push(BoundPort::bind(config, signer.port, shell).await?);
        }
        let all = match config.http {
            Some(address) => Some(bind_for_bakers(config, address).await?),
            None => None,
        };
        Ok(Bound { endpoint, all, ports, monitor })
    }
}

/// Each signer, and its sessions. Without any signer that can be asked nothing can be signed at all, and one that stops
/// is not to be asked any more.
fn health(
    signers: &Signers,
    shared_keys: &SharedKeys,
    unasked: &Unasked,
    (last_reload, shutdown): (&LastReload, &Shutdown),
) -> Health {
    let (signers, others, shared_keys) = (signers.clone(), signers.clone(), shared_keys.clone());
    let of_signers = move || {
        let of_each = signers.all().iter().map(|signer| signer.fact()).collect::<Vec<Fact>>();
        let of_shared = shared_keys.facts(&signers);
        let all = of_all(&of_each, &signers, (&of_shared, &shared_keys));
        [vec![all], of_each, of_shared].concat()
    };
    let of_sessions =
        move || others.all().iter().flat_map(|signer| signer.session_facts()).collect();
    let (last_reload, shutdown) = (last_reload.clone(), shutdown.clone());
    let of_process = move || vec![last_reload.fact(), of_stop(&shutdown)];
    let unasked = unasked.clone();
    let of_requests = move || vec![unasked.fact()];
    Health::new(vec![
        Box::new(of_signers),
        Box::new(of_requests),
        Box::new(of_sessions),
        Box::new(of_process),
    ])
}

fn of_stop(shutdown: &Shutdown) -> Fact {
    let is_asked = if shutdown.is_requested() {
        Err("a stop was asked for: bakers that are connected are still answered".to_owned())
    } else {
        Ok(())
    };
    Fact::vital("running", is_asked).logged_elsewhere()
}

/// Whether a baker's request can come to a signature: of a signer that has a whole key, or of enough that have shares.
fn of_all(
    of_each: &[Fact],
    signers: &Signers,
    (of_shared, shared_keys): (&[Fact], &SharedKeys),
) -> Fact {
    let can_be_asked = |fact: &Fact| {
        let is_partly = matches!(&*fact.state, "partly_ready" | "not_signing");
        is_partly || matches!(fact.verdict, Verdict::Good | Verdict::Unknown)
    };
    let has_shares_only =
        |name: &str| signers.named(name).is_some_and(|signer| shared_keys.are_all_keys_of(&signer));
    let of_whole = of_each.iter().filter(|fact| !has_shares_only(&fact.subject));
    if of_whole.clone().any(can_be_asked) || shared_keys.can_be_asked(signers) {
        return Fact::vital("signers", Ok(()));
    }
    let is_there = |fact: &&Fact| matches!(&*fact.state, "not_ready" | "silent");
    let line = match (of_each.iter().find(is_there), of_shared.first()) {
        (Some(fact), _) => format!("no signer can sign; {}: {}", fact.subject, fact.line),
        (None, Some(fact)) => fact.line.to_string(),
        (None, None) => "no signer is connected".to_owned(),
    };
    Fact::new("signers", "none", Verdict::Failed, line)
}
