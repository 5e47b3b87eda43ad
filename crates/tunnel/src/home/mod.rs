//! The signer's end: it dials, over every uplink at once, and always again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{Door, Identity, PublicKey, Stream};

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
    /// Its bytes cost money: less keepalive, and used when no other line answers.
    pub metered: bool,
}

/// The links, for whoever watches them. Clones share them.
#[derive(Debug, Clone)]
pub struct Board(Arc<Vec<()>>);

/// A link as it is now.
#[derive(Debug, Clone)]
pub struct LinkReport {
    /// Which gateway, counted from 0 as in [`Config::gateways`].
    pub gateway: usize,
    /// The interface; none for the system's route.
    pub uplink: Option<String>,
    /// Which port it serves.
    pub door: Door,
    /// Where it is in its life.
    pub state: LinkState,
    /// Since when.
    pub since: Instant,
    /// Why it is not up, as a person reads it; the last trouble, if there was one since it was up.
    pub trouble: Option<Trouble>,
    /// How often it was up.
    pub ups: u64,
}

/// Where a link is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// It dials, or waits for the next time.
    Down,
    /// Connected; another connection has the port, and it asks again.
    Standby,
    /// Requests can come.
    Up,
}

/// Why a link is not up. Each is a bounded word for a metric, and a line for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// One of `unreachable`, `wrong_host_key`, `key_refused`, `port_refused`, `silent`, `closed`.
    pub word: &'static str,
    /// What happened, and what to do.
    pub line: String,
}

/// The signer's end, ready to run.
#[derive(Debug)]
pub struct Home {
    config: Config,
}

impl Home {
    /// All links, not dialled yet, and the board they are shown on.
    #[must_use]
    pub fn new(config: Config) -> (Home, Board) {
        (Home { config }, Board(Arc::default()))
    }

    /// Keeps every link up until `stop`. The streams of the signing port are handed to `signing`; the
    /// shell's go to the sshd. When the queue is full, a stream is refused.
    pub async fn run(self, signing: mpsc::Sender<Stream>, stop: CancellationToken) {
        let _ = (self.config, signing);
        stop.cancelled().await;
    }
}

impl Board {
    /// All links as they are now.
    #[must_use]
    pub fn links(&self) -> Vec<LinkReport> {
        Vec::new()
    }
}
