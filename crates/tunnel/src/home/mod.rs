//! The signer's end: it dials, over every uplink at once, and always again.
//!
//! One [`Link`] for each gateway, uplink and service, each driven by a task of its own,
//! all up at once. A copy through the shell's connection never stands in a signature's way.

mod check;
mod connection;
mod dial;
mod driver;
mod error;
mod handler;
mod interfaces;
mod name;
mod status;

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::home::connection::{ForwardLock, Handshake};
use crate::home::driver::Driver;
use crate::home::handler::Target;
use crate::home::name::Name;
use crate::home::status::StatusUpdater;
use crate::link::{Link, Timing};
use crate::{Identity, PublicKey, Service, SignerPort, Stream};

pub use check::{Admission, CheckResult};
pub use error::LinkError;
pub use status::{LinkReport, LinkState, LinkStatus};

/// What the signer's end needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// The key that the signer proves.
    pub identity: Identity,
    /// The signer's port at the gateway.
    pub port: SignerPort,
    /// The sshd that is shown at port + 1000; none: no shell.
    pub shell: Option<SocketAddr>,
    /// Where to dial. At least one.
    pub gateways: Vec<Gateway>,
    /// The interfaces to dial over. Empty: the routes of the system decide.
    pub uplinks: Vec<Uplink>,
}

/// An ssh endpoint in the cloud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// For facts and metrics.
    pub name: String,
    /// `HOST:PORT`.
    pub address: String,
    /// The ssh user.
    pub user: String,
    /// The only host key that is taken for this gateway.
    pub host_key: PublicKey,
}

/// An interface to dial over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uplink {
    /// The network interface that connections are bound to.
    pub interface: String,
    /// Whether its bytes cost money: then it is used when no other uplink answers, and sends keepalives less often while
    /// another one is up. None: as [`MeteredInterfaces`] says at the time.
    pub metered: Option<bool>,
}

impl Uplink {
    fn is_metered(&self, interfaces: &BTreeSet<String>) -> bool {
        self.metered.unwrap_or_else(|| interfaces.contains(&self.interface))
    }
}

/// The signer's end, ready to run.
#[derive(Debug)]
pub struct Home {
    config: Config,
    status: LinkStatus,
    /// Not started yet: the links to each gateway.
    planned: Vec<(Gateway, Vec<Planned>)>,
    wanted: watch::Sender<Vec<Gateway>>,
    metered: watch::Sender<BTreeSet<String>>,
}

/// The interfaces whose bytes cost money, as far as the configuration does not say; none at first. Clones share them.
#[derive(Debug, Clone)]
pub struct MeteredInterfaces(watch::Sender<BTreeSet<String>>);

impl MeteredInterfaces {
    /// Replaces them. A link over an interface for which that is news dials anew, to tell the gateway.
    pub fn replace(&self, interfaces: BTreeSet<String>) {
        self.0.send_if_modified(|own| {
            let is_news = *own != interfaces;
            *own = interfaces;
            is_news
        });
    }
}

/// The gateways that are dialled, which can be replaced while the signer's end runs. Clones share them.
#[derive(Debug, Clone)]
pub struct Gateways(watch::Sender<Vec<Gateway>>);

impl Gateways {
    /// Replaces them; no two have one name. The links to a gateway that is the same as before stay as they are.
    pub fn replace(&self, gateways: Vec<Gateway>) {
        self.0.send_replace(gateways);
    }
}

/// A link that is to be driven, and where its state is shown.
#[derive(Debug)]
struct Planned {
    uplink: Option<Uplink>,
    /// The sshd, if the link serves the shell.
    shell: Option<SocketAddr>,
    status: StatusUpdater,
}

impl Home {
    /// All links, not dialled yet, and their status.
    #[must_use]
    pub fn new(config: Config) -> (Home, LinkStatus) {
        let status = LinkStatus::default();
        let plan = |gateway: &Gateway| (gateway.clone(), config.plan(gateway, &status));
        let planned = config.gateways.iter().map(plan).collect();
        let wanted = watch::Sender::new(config.gateways.clone());
        let metered = watch::Sender::default();
        (Home { config, status: status.clone(), planned, wanted, metered }, status)
    }

    /// What is metered where the configuration does not say.
    #[must_use]
    pub fn metered_interfaces(&self) -> MeteredInterfaces {
        MeteredInterfaces(self.metered.clone())
    }

    /// The gateways that are dialled.
    #[must_use]
    pub fn gateways(&self) -> Gateways {
        Gateways(self.wanted.clone())
    }

    /// Keeps every link up until `stop`. Streams to the signing service are sent to `signing`, those to the shell
    /// are connected to the sshd. When the queue is full, a stream is refused.
    pub async fn run(self, signing: mpsc::Sender<Stream>, stop: CancellationToken) {
        let (changes, changed) = watch::channel(());
        let mut wanted = self.wanted.subscribe();
        let Home { config, status, planned, wanted: _wanted, metered } = self;
        let mut links = Links {
            config,
            status,
            signing,
            changed,
            metered: metered.subscribe(),
            stop: stop.clone(),
            running: HashMap::new(),
            tasks: JoinSet::new(),
        };
        for (gateway, planned) in planned {
            links.start(gateway, planned);
        }
        let announcing = async {
            let error = interfaces::watch_interfaces(&changes).await;
            tracing::warn!(%error, "the system does not announce changes of the network");
            std::future::pending::<()>().await;
        };
        tokio::pin!(announcing);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = &mut announcing => {}
                Some(_) = links.tasks.join_next() => {}
                Ok(()) = wanted.changed() => {
                    let gateways = wanted.borrow_and_update().clone();
                    links.follow(gateways);
                }
            }
        }
        while links.tasks.join_next().await.is_some() {}
    }
}

/// The links that run.
struct Links {
    config: Config,
    status: LinkStatus,
    signing: mpsc::Sender<Stream>,
    /// Notified of changes of the network.
    changed: watch::Receiver<()>,
    metered: watch::Receiver<BTreeSet<String>>,
    stop: CancellationToken,
    /// By the name of the gateway.
    running: HashMap<String, (Gateway, CancellationToken)>,
    tasks: JoinSet<()>,
}

impl Links {
    /// Ends the links to gateways that are not wanted any more, and starts those to new ones.
    fn follow(&mut self, wanted: Vec<Gateway>) {
        let status = &self.status;
        self.running.retain(|name, (gateway, stop)| {
            let stays = wanted.contains(gateway);
            if !stays {
                stop.cancel();
                status.remove(name);
            }
            stays
        });
        for gateway in wanted {
            if !self.running.contains_key(&gateway.name) {
                let planned = self.config.plan(&gateway, &self.status);
                self.start(gateway, planned);
            }
        }
    }

    fn start(&mut self, gateway: Gateway, planned: Vec<Planned>) {
        let (shared, stop) = (Shared::new(&gateway), self.stop.child_token());
        for link in planned {
            let driver = self.driver(&gateway, link, &shared);
            self.tasks.spawn(driver.run(self.changed.clone(), stop.clone()));
        }
        self.running.insert(gateway.name.clone(), (gateway, stop));
    }

    fn driver(&self, gateway: &Gateway, link: Planned, shared: &Shared) -> Driver {
        let (target, forward_lock) = match link.shell {
            None => (Target::Signing(self.signing.clone()), &shared.signing_lock),
            Some(sshd) => (Target::Shell(sshd), &shared.shell_lock),
        };
        let service = link.service();
        let interface = link.interface();
        let is_metered = link.is_metered(&self.metered.borrow());
        link.status.change(|report| report.metered = is_metered);
        let timing = timing(service, is_metered);
        Driver {
            link: Link::new(
                timing,
                RandomState::new().hash_one(service.to_string()),
                Instant::now(),
            ),
            handshake: Handshake {
                identity: self.config.identity.clone(),
                gateway: gateway.clone(),
                metered: is_metered,
                uplink: interface.clone(),
                traffic: link.status.traffic(),
                target,
                forward_lock: Arc::clone(forward_lock),
                is_check: false,
            },
            timing,
            uplink: link.uplink,
            metered: self.metered.clone(),
            interface,
            service,
            port: self.config.port.of(service),
            name: Arc::clone(&shared.name),
            status: link.status,
            is_relied_on: false,
            step: None,
            connection: None,
        }
    }
}

/// What the links to one gateway share.
struct Shared {
    name: Arc<Mutex<Name>>,
    signing_lock: ForwardLock,
    shell_lock: ForwardLock,
}

impl Shared {
    fn new(gateway: &Gateway) -> Shared {
        let name = Arc::new(Mutex::new(Name::new(gateway.address.clone())));
        Shared { name, signing_lock: ForwardLock::default(), shell_lock: ForwardLock::default() }
    }
}

impl Planned {
    fn service(&self) -> Service {
        service(self.shell)
    }

    fn interface(&self) -> Option<String> {
        self.uplink.as_ref().map(|uplink| uplink.interface.clone())
    }

    fn is_metered(&self, interfaces: &BTreeSet<String>) -> bool {
        self.uplink.as_ref().is_some_and(|uplink| uplink.is_metered(interfaces))
    }
}

/// What a link serves: the shell, if there is an sshd.
fn service(shell: Option<SocketAddr>) -> Service {
    if shell.is_some() { Service::Shell } else { Service::Signing }
}

impl Config {
    /// The uplinks; one of whatever route the system has, if none is named.
    fn routes(&self) -> Vec<Option<&Uplink>> {
        let uplinks: Vec<Option<&Uplink>> = self.uplinks.iter().map(Some).collect();
        if uplinks.is_empty() { vec![None] } else { uplinks }
    }

    /// The links to a gateway: one for each uplink and service. Each is shown in `status`.
    fn plan(&self, gateway: &Gateway, status: &LinkStatus) -> Vec<Planned> {
        let services = [Some(None), self.shell.map(Some)];
        let mut planned = Vec::new();
        for uplink in self.routes() {
            for shell in services.into_iter().flatten() {
                let report = LinkReport::new(gateway, uplink, service(shell));
                let (uplink, status) = (uplink.cloned(), status.add(report));
                planned.push(Planned { uplink, shell, status });
            }
        }
        planned
    }
}

fn timing(service: Service, metered: bool) -> Timing {
    match service {
        Service::Signing if !metered => Timing::PROMPT,
        Service::Signing | Service::Shell => Timing::THRIFTY,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{sleep, timeout};

    use super::*;

    /// At a port where nothing listens.
    fn home() -> (Home, LinkStatus) {
        let gateway = Gateway {
            name: "cloud".to_owned(),
            address: "127.0.0.1:1".to_owned(),
            user: "signer".to_owned(),
            host_key: Identity::generate("").unwrap().public(),
        };
        Home::new(Config {
            identity: Identity::generate("").unwrap(),
            port: SignerPort::new(8443).unwrap(),
            shell: None,
            gateways: vec![gateway],
            uplinks: Vec::new(),
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_that_is_driven_comes_round_and_one_whose_task_is_gone_does_not() {
        let (home, status) = home();
        let idle = || status.links()[0].turned.elapsed();
        let (signing, _streams) = mpsc::channel(1);
        let running = home.run(signing, CancellationToken::new());
        timeout(Duration::from_secs(600), running).await.unwrap_err();
        assert!(idle() < Duration::from_secs(30), "{:?}", idle());
        sleep(Duration::from_secs(60)).await;
        assert!(idle() >= Duration::from_secs(60), "{:?}", idle());
    }
}
