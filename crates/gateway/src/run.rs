//! The gateway put together, started, and stopped.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use daemon::connections::{Limits, ListenError, Listener};
use daemon::http::Http;
use daemon::monitor::Monitor;
use daemon::ports::when_free;
use daemon::report::Reporter;
use daemon::scrape::{register_own, register_readiness};
use daemon::{Fact, Health, Shutdown, Verdict};
use prometheus_client::registry::Registry;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tunnel::Service;
use tunnel::endpoint::{self, AuthorizedClient, Endpoint};

use crate::api::Api;
use crate::config::{Config, SignerConfig};
use crate::metrics::{Metrics, Readings};
use crate::monitor_api::MonitorApi;
use crate::scrape::scrape;
use crate::sessions::Sessions;
use crate::shell::Shell;
use crate::signers::Signers;
use crate::status::Status;
use crate::watch::watch;
use crate::witness::{Witness, WitnessFileError};

/// A gateway that runs.
#[derive(Debug)]
pub struct Gateway {
    listeners: JoinSet<()>,
    endpoint: JoinSet<()>,
    stop_endpoint: CancellationToken,
    shutdown: Shutdown,
    ssh: SocketAddr,
    http: Option<SocketAddr>,
    monitor: Option<SocketAddr>,
}

/// Why a gateway does not start. *Failed*.
#[derive(Debug, Error)]
pub enum RunError {
    /// A port cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The ssh port cannot be listened on.
    #[error(transparent)]
    Ssh(#[from] endpoint::ListenError),
    /// A shell's port cannot be listened on.
    #[error("cannot listen on {0} for a shell: {1}; is another program on that port?")]
    Shell(SocketAddr, io::Error),
    /// What was answered before cannot be read.
    #[error(transparent)]
    Witness(#[from] WitnessFileError),
    /// The system gave no address.
    #[error("the system refused: {0}")]
    System(#[from] io::Error),
}

/// For a signer that is waited for, and the last bytes of an answer.
const MARGIN: Duration = Duration::from_secs(3);

/// Everything that is bound, before anything is answered.
struct Bound {
    endpoint: Endpoint,
    all: Option<Listener>,
    ports: Vec<Listener>,
    shells: Vec<TcpListener>,
    monitor: Option<Listener>,
}

impl Gateway {
    /// Listens on every port; signers need not be there.
    ///
    /// # Errors
    /// When a port cannot be had.
    pub async fn start(config: Config, shutdown: Shutdown) -> Result<Gateway, RunError> {
        let bound = Bound::bind(&config).await?;
        for name in config.without_keys() {
            tracing::warn!(
                signer = name,
                "there are several signers, and this one's keys are not named in gateway.toml: until \
                 it was heard, signers after it are not asked for keys that it may have"
            );
        }
        let signers = Signers::new(&config.signers);
        let mut registry = Registry::default();
        register_own(&mut registry, "peel_gateway");
        let metrics = Arc::new(Metrics::register(&mut registry, &signers));
        let (refusals, health) = (bound.endpoint.refusals(), health(&signers));
        let readings = Readings { signers: signers.clone(), refusals };
        registry.register_collector(Box::new(readings));
        register_readiness(&mut registry, "peel_gateway", health.clone());
        let reporter = Reporter::new("gateway", health);
        let of_signers = signers.clone();
        let hosts = config.monitor_hosts.clone();
        let monitor = Monitor::new(Arc::new(registry), reporter, Health::default())
            .with_others(move |own| scrape(of_signers.clone(), own))
            .admitting(move |headers| hosts.check_viewer(headers).map_err(|why| why.to_string()));
        let api = Api {
            signers: signers.clone(),
            port: None,
            allow_list_known_keys: config.allow_list_known_keys,
            answer_limit: config.answer_limit,
            hosts: config.hosts.clone(),
            monitor,
            metrics,
            authentication: config.authentication.clone(),
            witness: Witness::open(config.state.as_deref())?,
        };
        let gateway = Gateway::serve(bound, &signers, &api, shutdown)?;
        tracing::info!(ssh = %gateway.ssh, signers = config.signers.len(), "listening");
        Ok(gateway)
    }

    fn serve(
        bound: Bound,
        signers: &Signers,
        api: &Api,
        shutdown: Shutdown,
    ) -> Result<Gateway, RunError> {
        let mut gateway = Gateway {
            listeners: JoinSet::new(),
            endpoint: JoinSet::new(),
            stop_endpoint: CancellationToken::new(),
            ssh: bound.endpoint.address()?,
            http: bound.all.as_ref().map(Listener::address).transpose()?,
            monitor: bound.monitor.as_ref().map(Listener::address).transpose()?,
            shutdown,
        };
        let stop = || gateway.shutdown.clone();
        if let Some(listener) = bound.all {
            gateway.listeners.spawn(listener.serve(Http(Arc::new(api.clone())), stop()));
        }
        for (signer, listener) in signers.iter().zip(bound.ports) {
            let api = Api { port: Some(signer.id), ..api.clone() };
            gateway.listeners.spawn(listener.serve(Http(Arc::new(api)), stop()));
        }
        for (signer, listener) in signers.iter().zip(bound.shells) {
            let shell = Shell { listener, signer: Arc::clone(signer) };
            gateway.listeners.spawn(shell.serve(stop()));
        }
        if let Some(listener) = bound.monitor {
            let status =
                Status { reporter: api.monitor.reporter().clone(), signers: signers.clone() };
            let monitor = MonitorApi::new(api.monitor.clone(), status);
            gateway.listeners.spawn(listener.serve(Http(Arc::new(monitor)), stop()));
        }
        gateway.listeners.spawn(api.witness.clone().keep(stop()));
        gateway.listeners.spawn(watch(signers.clone(), stop()));
        let health = api.monitor.reporter().health().clone();
        gateway.listeners.spawn(health.observe(stop()));
        let sessions = Sessions { signers: signers.clone(), witness: api.witness.clone() };
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

    /// Serves until shutdown, lets requests in flight end, then closes the connections of the signers.
    pub async fn run(mut self) {
        self.shutdown.requested().await;
        while self.listeners.join_next().await.is_some() {}
        self.stop_endpoint.cancel();
        while self.endpoint.join_next().await.is_some() {}
        tracing::info!("stopped");
    }
}

impl Bound {
    async fn bind(config: &Config) -> Result<Bound, RunError> {
        let limits = limits(config);
        let (mut ports, mut shells) = (Vec::new(), Vec::new());
        for signer in &config.signers {
            let address = SocketAddr::new(config.http_address(), signer.port.of(Service::Signing));
            ports.push(Listener::bind(address, limits).await?);
            shells.push(bind_shell(signer).await?);
        }
        let all = Listener::bind_if_named(config.http, limits).await?;
        let monitor = Listener::bind_if_named(config.monitor, limits).await?;
        let ssh = endpoint::Config {
            listen: config.ssh,
            host_key: config.host_key.clone(),
            clients: config.signers.iter().map(client).collect(),
            taken: config.taken_ports(),
            limits: endpoint::Limits::default(),
        };
        let bind = async || Endpoint::bind(ssh.clone()).await;
        let endpoint = when_free(ssh.listen, bind, endpoint::ListenError::is_taken).await?;
        Ok(Bound { endpoint, all, ports, shells, monitor })
    }
}

/// Each signer, and its sessions. Without any signer that can be asked nothing can be signed at all.
fn health(signers: &Signers) -> Health {
    let (signers, others) = (signers.clone(), signers.clone());
    let of_signers = move || {
        let mut facts: Vec<Fact> = signers.iter().map(|signer| signer.fact()).collect();
        facts.insert(0, of_all(&facts));
        facts
    };
    let of_sessions = move || others.iter().flat_map(|signer| signer.session_facts()).collect();
    Health::new(vec![Box::new(of_signers), Box::new(of_sessions)])
}

/// Whether a baker's request can come to a signature.
fn of_all(signers: &[Fact]) -> Fact {
    let can_be_asked = |fact: &Fact| {
        let is_partly = matches!(&*fact.state, "partly_ready" | "not_signing");
        is_partly || matches!(fact.verdict, Verdict::Good | Verdict::Unknown)
    };
    if signers.iter().any(can_be_asked) {
        return Fact::vital("signers", Ok(()));
    }
    let is_there = |fact: &&Fact| matches!(&*fact.state, "not_ready" | "silent");
    let line = match signers.iter().find(is_there) {
        Some(fact) => format!("no signer can sign; {}: {}", fact.subject, fact.line),
        None => "no signer is connected".to_owned(),
    };
    Fact::new("signers", "none", Verdict::Failed, line)
}

/// A stop lets every request have its answer, up to the configured limit.
fn limits(config: &Config) -> Limits {
    let limits = Limits::default();
    Limits { grace: limits.body + config.answer_limit + MARGIN, ..limits }
}

/// Always on the loopback: clients of a shell are on the gateway's host, or forward a port to it.
async fn bind_shell(signer: &SignerConfig) -> Result<TcpListener, RunError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, signer.port.of(Service::Shell)));
    let bind = async || TcpListener::bind(address).await;
    let bound = when_free(address, bind, daemon::ports::is_taken).await;
    bound.map_err(|error| RunError::Shell(address, error))
}

fn client(signer: &SignerConfig) -> AuthorizedClient {
    AuthorizedClient {
        id: signer.id,
        name: signer.name.clone(),
        key: signer.ssh_key.clone(),
        port: signer.port,
    }
}
