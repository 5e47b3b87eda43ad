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

use std::collections::HashMap;
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
#[derive(Debug, Clone)]
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
    /// Its bytes cost money: it is used when no other uplink answers, and sends keepalives less often while
    /// another one is up.
    pub metered: bool,
}

/// The signer's end, ready to run.
#[derive(Debug)]
pub struct Home {
    config: Config,
    status: LinkStatus,
}

impl Home {
    /// All links, not dialled yet, and their status.
    #[must_use]
    pub fn new(config: Config) -> (Home, LinkStatus) {
        let reports = config.links().into_iter().map(|link| LinkReport {
            gateway: link.gateway_index,
            gateway_name: link.gateway.name.clone(),
            uplink: link.interface(),
            metered: link.is_metered(),
            service: link.service(),
            state: LinkState::Down,
            since: Instant::now(),
            error: None,
            ups: 0,
            round_trip: None,
            sent: 0,
            received: 0,
        });
        let status = LinkStatus::new(reports.collect());
        (Home { config, status: status.clone() }, status)
    }

    /// Keeps every link up until `stop`. Streams to the signing service are sent to `signing`, those to the shell
    /// are connected to the sshd. When the queue is full, a stream is refused.
    pub async fn run(self, signing: mpsc::Sender<Stream>, stop: CancellationToken) {
        let (changes, changed) = watch::channel(());
        let mut tasks = JoinSet::new();
        for driver in self.drivers(&signing) {
            tasks.spawn(driver.run(changed.clone(), stop.clone()));
        }
        drop((signing, changed));
        tokio::select! {
            () = async { while tasks.join_next().await.is_some() {} } => return,
            error = interfaces::watch_interfaces(&changes) => {
                tracing::warn!(%error, "the system does not announce changes of the network");
            }
        }
        while tasks.join_next().await.is_some() {}
    }

    fn drivers(&self, signing: &mpsc::Sender<Stream>) -> Vec<Driver> {
        let mut shared = HashMap::new();
        let links = self.config.links().into_iter().enumerate();
        let drivers = links.map(|(at, link)| {
            let of_gateway = shared.entry(link.gateway_index);
            let shared = of_gateway.or_insert_with(|| Shared::new(link.gateway));
            self.driver(at, link, shared, signing)
        });
        drivers.collect()
    }

    fn driver(
        &self,
        at: usize,
        link: LinkConfig<'_>,
        shared: &Shared,
        signing: &mpsc::Sender<Stream>,
    ) -> Driver {
        let (target, forward_lock) = match link.shell {
            None => (Target::Signing(signing.clone()), &shared.signing_lock),
            Some(sshd) => (Target::Shell(sshd), &shared.shell_lock),
        };
        let (service, timing) = (link.service(), timing(link.service(), link.is_metered()));
        Driver {
            link: Link::new(timing, RandomState::new().hash_one(at), Instant::now()),
            handshake: Handshake {
                identity: self.config.identity.clone(),
                gateway: link.gateway.clone(),
                metered: link.is_metered(),
                uplink: link.interface(),
                traffic: self.status.traffic(at),
                target,
                forward_lock: Arc::clone(forward_lock),
                is_check: false,
            },
            timing,
            interface: link.interface(),
            service,
            port: self.config.port.of(service),
            name: Arc::clone(&shared.name),
            status: self.status.updater(at),
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

/// A link that the configuration asks for.
#[derive(Debug, Clone, Copy)]
struct LinkConfig<'a> {
    /// In [`Config::gateways`].
    gateway_index: usize,
    gateway: &'a Gateway,
    uplink: Option<&'a Uplink>,
    /// The sshd, if the link serves the shell.
    shell: Option<SocketAddr>,
}

impl LinkConfig<'_> {
    fn service(&self) -> Service {
        if self.shell.is_some() { Service::Shell } else { Service::Signing }
    }

    fn interface(&self) -> Option<String> {
        self.uplink.map(|uplink| uplink.interface.clone())
    }

    fn is_metered(&self) -> bool {
        self.uplink.is_some_and(|uplink| uplink.metered)
    }
}

impl Config {
    /// One for each gateway, uplink and service.
    fn links(&self) -> Vec<LinkConfig<'_>> {
        let mut uplinks: Vec<Option<&Uplink>> = self.uplinks.iter().map(Some).collect();
        if uplinks.is_empty() {
            uplinks.push(None);
        }
        let mut links = Vec::new();
        for (gateway_index, gateway) in self.gateways.iter().enumerate() {
            for &uplink in &uplinks {
                let link = LinkConfig { gateway_index, gateway, uplink, shell: None };
                links.push(link);
                links.extend(self.shell.map(|sshd| LinkConfig { shell: Some(sshd), ..link }));
            }
        }
        links
    }
}

fn timing(service: Service, metered: bool) -> Timing {
    match service {
        Service::Signing if !metered => Timing::PROMPT,
        Service::Signing | Service::Shell => Timing::THRIFTY,
    }
}
