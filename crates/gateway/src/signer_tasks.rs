//! What runs for each signer: its two ports, and what asks it how it is. Ports are served by their number, and whose
//! they are is looked up at each request, so that two signers can exchange theirs.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use daemon::Shutdown;
use daemon::connections::{Limits, ListenError, Listener};
use daemon::http::Http;
use daemon::ports::{is_taken, when_free};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tunnel::endpoint::{AuthorizedClient, SignerId};
use tunnel::{Service, SignerPort};

use crate::api::Api;
use crate::config::{Config, SignerConfig};
use crate::run_error::RunError;
use crate::shell::Shell;
use crate::signer::Signer;
use crate::signers::Signers;
use crate::watch::watch;

/// For a signer that is waited for, and the last bytes of an answer.
const MARGIN: Duration = Duration::from_secs(3);

/// What runs for signers.
#[derive(Debug)]
pub(crate) struct SignerTasks {
    /// What answers at a signer's port, once it is told which.
    api: Api,
    tasks: JoinSet<()>,
    ports: HashMap<SignerPort, Shutdown>,
    watched: HashMap<SignerId, Shutdown>,
    shutdown: Shutdown,
}

/// A signer's two ports, listened on and not served yet.
#[derive(Debug)]
pub(crate) struct BoundPort {
    port: SignerPort,
    signing: Listener,
    shell: TcpListener,
}

impl BoundPort {
    /// At the start, for a shell that is there: a port that is taken is waited for.
    pub(crate) async fn bind(
        config: &Config,
        port: SignerPort,
        shell: TcpListener,
    ) -> Result<BoundPort, RunError> {
        let signing = bind_for_bakers(config, signing_address(config, port)).await?;
        Ok(BoundPort { port, signing, shell })
    }

    /// While others are served: nothing is waited for.
    pub(crate) async fn bind_now(config: &Config, port: SignerPort) -> Result<BoundPort, RunError> {
        let address = shell_address(port);
        let shell = TcpListener::bind(address).await;
        let shell = shell.map_err(|error| RunError::Shell(address, error))?;
        let signing = listen_for_bakers(config, signing_address(config, port)).await?;
        Ok(BoundPort { port, signing, shell })
    }
}

/// A signer's shell, at the start: a port that is taken is waited for.
pub(crate) async fn bind_shell(port: SignerPort) -> Result<TcpListener, RunError> {
    let address = shell_address(port);
    let bind = async || TcpListener::bind(address).await;
    let shell = when_free(address, bind, is_taken).await;
    shell.map_err(|error| RunError::Shell(address, error))
}

/// A port for bakers, at the start: one that is taken is waited for.
pub(crate) async fn bind_for_bakers(
    config: &Config,
    address: SocketAddr,
) -> Result<Listener, ListenError> {
    let bind = async || listen_for_bakers(config, address).await;
    when_free(address, bind, ListenError::is_taken).await
}

/// A port for bakers, which a stand-in may have, too.
async fn listen_for_bakers(config: &Config, address: SocketAddr) -> Result<Listener, ListenError> {
    let limits = limits(config);
    match config.has_stand_in {
        true => Listener::bind_shared(address, limits),
        false => Listener::bind_now(address, limits).await,
    }
}

fn signing_address(config: &Config, port: SignerPort) -> SocketAddr {
    SocketAddr::new(config.http_address(), port.of(Service::Signing))
}

/// Always on the loopback: clients of a shell are on the gateway's host, or forward a port to it.
fn shell_address(port: SignerPort) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port.of(Service::Shell)))
}

impl SignerTasks {
    /// None yet.
    pub(crate) fn new(api: Api, shutdown: Shutdown) -> SignerTasks {
        let (tasks, ports, watched) = Default::default();
        SignerTasks { api, tasks, ports, watched, shutdown }
    }

    pub(crate) fn serves(&self, port: SignerPort) -> bool {
        self.ports.contains_key(&port)
    }

    /// Starts what these signers need, and ends what was there for others. `bound`: the ports that are not served yet.
    pub(crate) fn follow(&mut self, signers: &Signers, bound: Vec<BoundPort>) {
        let all = signers.all();
        for bound in bound {
            self.serve(signers, bound);
        }
        for signer in all.iter() {
            self.watch(signer);
        }
        end_others(&mut self.ports, |port| all.iter().any(|signer| signer.port == *port));
        end_others(&mut self.watched, |id| all.iter().any(|signer| signer.id == *id));
    }

    fn serve(&mut self, signers: &Signers, bound: BoundPort) {
        let BoundPort { port, signing, shell: listener } = bound;
        let stop = self.shutdown.child();
        let api = Api { port: Some(port), ..self.api.clone() };
        self.tasks.spawn(signing.serve(Http(Arc::new(api)), stop.clone()));
        let shell = Shell { listener, port, signers: signers.clone() };
        self.tasks.spawn(shell.serve(stop.clone()));
        self.ports.insert(port, stop);
    }

    fn watch(&mut self, signer: &Arc<Signer>) {
        if let Entry::Vacant(vacant) = self.watched.entry(signer.id) {
            let stop = vacant.insert(self.shutdown.child());
            self.tasks.spawn(watch(Arc::clone(signer), stop.clone()));
        }
    }

    /// Joins tasks that have ended; never returns while there is none.
    pub(crate) async fn reap(&mut self) {
        if self.tasks.join_next().await.is_none() {
            std::future::pending().await
        }
    }

    /// Returns when everything has ended; after shutdown only.
    pub(crate) async fn ended(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

fn end_others<K>(running: &mut HashMap<K, Shutdown>, goes_on: impl Fn(&K) -> bool) {
    running.retain(|key, stop| {
        let goes_on = goes_on(key);
        if !goes_on {
            stop.request();
        }
        goes_on
    });
}

/// A stop lets every request have its answer, up to the configured limit.
pub(crate) fn limits(config: &Config) -> Limits {
    let limits = Limits::default();
    Limits { grace: limits.body + config.answer_limit + MARGIN, ..limits }
}

/// What the ssh port knows of a signer.
pub(crate) fn client(signer: &SignerConfig) -> AuthorizedClient {
    AuthorizedClient {
        id: signer.id,
        name: signer.name.clone(),
        key: signer.ssh_key.clone(),
        port: signer.port,
    }
}
