//! The signer's end: it dials, over every uplink at once, and always again.
//!
//! One [`Link`](crate::link::Link) for each gateway, uplink and service, each driven by a task of its own,
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

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::home::connection::{ForwardLock, Handshake};
use crate::home::driver::Driver;
use crate::home::handler::Target;
use crate::home::name::Name;
use crate::link::{Link, Timing};
use crate::{Identity, PublicKey, Service, Stream};

pub use check::{Admission, CheckResult};
pub use error::LinkError;
pub use status::{LinkReport, LinkState, LinkStatus};

/// What the signer's end needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// The key that the signer proves.
    pub identity: Identity,
    /// The signer's port at the gateway.
    pub port: u16,
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
        let reports = config.links().map(|(gateway, uplink, service)| LinkReport {
            gateway,
            uplink: uplink.map(|uplink| uplink.interface.clone()),
            metered: uplink.is_some_and(|uplink| uplink.metered),
            service,
            state: LinkState::Down,
            since: Instant::now(),
            error: None,
            ups: 0,
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
        let name = |gateway: &Gateway| Arc::new(Mutex::new(Name::new(gateway.address.clone())));
        let names: Vec<_> = self.config.gateways.iter().map(name).collect();
        let forward_locks: Vec<[ForwardLock; 2]> =
            self.config.gateways.iter().map(|_| Default::default()).collect();
        let links = self.config.links().enumerate();
        let drivers = links.filter_map(|(at, (gateway, uplink, service))| {
            let metered = uplink.is_some_and(|uplink| uplink.metered);
            let timing = timing(service, metered);
            let target = match service {
                Service::Signing => Target::Signing(signing.clone()),
                Service::Shell => Target::Shell(self.config.shell?),
            };
            let [signing_lock, shell_lock] = forward_locks.get(gateway)?;
            let forward_lock = match service {
                Service::Signing => Arc::clone(signing_lock),
                Service::Shell => Arc::clone(shell_lock),
            };
            let handshake = Handshake {
                identity: self.config.identity.clone(),
                gateway: self.config.gateways.get(gateway)?.clone(),
                metered,
                target,
                forward_lock,
                is_check: false,
            };
            Some(Driver {
                link: Link::new(timing, RandomState::new().hash_one(at), Instant::now()),
                handshake,
                timing,
                interface: uplink.map(|uplink| uplink.interface.clone()),
                service,
                port: service.port(self.config.port)?,
                name: Arc::clone(names.get(gateway)?),
                status: self.status.updater(at),
                is_relied_on: false,
                step: None,
                connection: None,
            })
        });
        drivers.collect()
    }
}

impl Config {
    /// Every link there is: gateway, uplink, service.
    fn links(&self) -> impl Iterator<Item = (usize, Option<&Uplink>, Service)> {
        let uplinks: Vec<Option<&Uplink>> = if self.uplinks.is_empty() {
            vec![None]
        } else {
            self.uplinks.iter().map(Some).collect()
        };
        let services = Service::BOTH
            .into_iter()
            .filter(|service| *service == Service::Signing || self.shell.is_some());
        let services: Vec<Service> = services.collect();
        (0..self.gateways.len()).flat_map(move |gateway| {
            let (uplinks, services) = (uplinks.clone(), services.clone());
            uplinks.into_iter().flat_map(move |uplink| {
                services.clone().into_iter().map(move |service| (gateway, uplink, service))
            })
        })
    }
}

fn timing(service: Service, metered: bool) -> Timing {
    match service {
        Service::Signing if !metered => Timing::PROMPT,
        Service::Signing | Service::Shell => Timing::THRIFTY,
    }
}
