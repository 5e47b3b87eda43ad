//! The signer's end: it dials, over every uplink at once, and always again.
//!
//! One [`Link`](crate::link::Link) for each gateway, uplink and door, each driven by a task of its own,
//! all up at once. A copy through the shell's connection never stands in a signature's way.

mod board;
mod check;
mod connection;
mod dial;
mod driver;
mod lines;
mod names;
mod trouble;

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::home::connection::{Target, Terms, Turns};
use crate::home::driver::Driver;
use crate::home::names::Name;
use crate::link::{Link, Timing};
use crate::{Door, Identity, PublicKey, Stream};

pub use board::{Board, LinkReport, LinkState, Trouble};
pub use check::{Admission, Try};

/// What the signer's end needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// Who the signer is.
    pub identity: Identity,
    /// The signer's port at the gateway.
    pub port: u16,
    /// The sshd that is shown at port + 1000; none: no shell.
    pub shell: Option<SocketAddr>,
    /// Where to dial. At least one.
    pub gateways: Vec<Gateway>,
    /// Over which lines. None: whatever route the system has.
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

/// A line to the internet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uplink {
    /// The network interface that connections are bound to.
    pub interface: String,
    /// Its bytes cost money: used when no other line answers, and asked less often whether it is there
    /// while another one is.
    pub metered: bool,
}

/// The signer's end, ready to run.
#[derive(Debug)]
pub struct Home {
    config: Config,
    board: Board,
}

impl Home {
    /// All links, not dialled yet, and the board they are shown on.
    #[must_use]
    pub fn new(config: Config) -> (Home, Board) {
        let reports = config.links().map(|(gateway, uplink, door)| LinkReport {
            gateway,
            uplink: uplink.map(|uplink| uplink.interface.clone()),
            metered: uplink.is_some_and(|uplink| uplink.metered),
            door,
            state: LinkState::Down,
            since: Instant::now(),
            trouble: None,
            ups: 0,
        });
        let board = Board::new(reports.collect());
        (Home { config, board: board.clone() }, board)
    }

    /// Keeps every link up until `stop`. The streams of the signing port are handed to `signing`; the
    /// shell's go to the sshd. When the queue is full, a stream is refused.
    pub async fn run(self, signing: mpsc::Sender<Stream>, stop: CancellationToken) {
        let (changes, changed) = watch::channel(());
        let mut tasks = JoinSet::new();
        for driver in self.drivers(&signing) {
            tasks.spawn(driver.run(changed.clone(), stop.clone()));
        }
        drop((signing, changed));
        tokio::select! {
            () = async { while tasks.join_next().await.is_some() {} } => return,
            error = lines::watch_lines(&changes) => {
                tracing::warn!(%error, "the system does not tell when a line changes");
            }
        }
        while tasks.join_next().await.is_some() {}
    }

    fn drivers(&self, signing: &mpsc::Sender<Stream>) -> Vec<Driver> {
        let name = |gateway: &Gateway| Arc::new(Mutex::new(Name::new(gateway.address.clone())));
        let names: Vec<_> = self.config.gateways.iter().map(name).collect();
        let turns: Vec<[Turns; 2]> =
            self.config.gateways.iter().map(|_| Default::default()).collect();
        let links = self.config.links().enumerate();
        let drivers = links.filter_map(|(at, (gateway, uplink, door))| {
            let metered = uplink.is_some_and(|uplink| uplink.metered);
            let timing = timing(door, metered);
            let target = match door {
                Door::Signing => Target::Signing(signing.clone()),
                Door::Shell => Target::Shell(self.config.shell?),
            };
            let [signing_turns, shell_turns] = turns.get(gateway)?;
            let turns = match door {
                Door::Signing => Arc::clone(signing_turns),
                Door::Shell => Arc::clone(shell_turns),
            };
            let terms = Terms {
                identity: self.config.identity.clone(),
                gateway: self.config.gateways.get(gateway)?.clone(),
                metered,
                target,
                turns,
                is_check: false,
            };
            Some(Driver {
                link: Link::new(timing, RandomState::new().hash_one(at), Instant::now()),
                terms,
                timing,
                interface: uplink.map(|uplink| uplink.interface.clone()),
                door,
                port: door.port(self.config.port)?,
                name: Arc::clone(names.get(gateway)?),
                entry: self.board.entry(at),
                is_relied_on: false,
                step: None,
                connection: None,
            })
        });
        drivers.collect()
    }
}

impl Config {
    /// Every link there is: gateway, uplink, door.
    fn links(&self) -> impl Iterator<Item = (usize, Option<&Uplink>, Door)> {
        let lines: Vec<Option<&Uplink>> = if self.uplinks.is_empty() {
            vec![None]
        } else {
            self.uplinks.iter().map(Some).collect()
        };
        let doors =
            Door::BOTH.into_iter().filter(|door| *door == Door::Signing || self.shell.is_some());
        let doors: Vec<Door> = doors.collect();
        (0..self.gateways.len()).flat_map(move |gateway| {
            let (lines, doors) = (lines.clone(), doors.clone());
            lines.into_iter().flat_map(move |line| {
                doors.clone().into_iter().map(move |door| (gateway, line, door))
            })
        })
    }
}

fn timing(door: Door, metered: bool) -> Timing {
    match door {
        Door::Signing if !metered => Timing::PROMPT,
        Door::Signing | Door::Shell => Timing::THRIFTY,
    }
}
