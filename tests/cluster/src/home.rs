//! A signer at home, outside of the cluster.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use lab::home::{LEDGER_PATH, Listen, SignerHome, Tunnel};
use lab::openssh::Endpoint;
use lab::process::Daemon;
use serde_json::{Value, json};
use tezos::PublicKeyHash;
use tunnel::PublicKey;

use crate::node::{HOME, Node};
use crate::run::said;

/// A signer with one key.
#[derive(Debug)]
pub struct Home {
    node: &'static Node,
    name: String,
    port: u16,
    files: SignerHome,
    signer: Option<Daemon>,
    ledger: Option<Daemon>,
}

/// Nothing at or below it is signed.
pub const FLOOR: u32 = 999;

const LEDGER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9999);
/// Of the seed that the simulated Ledger has when it is given none, at [`LEDGER_PATH`].
const LEDGER_KEY: &str = "tz2Q3U8EbGayZzK2Vwap5JQJFmJEbwURe77o";
const START: Duration = Duration::from_secs(20);

impl Home {
    /// With a key in a file; its name and port at the gateway.
    ///
    /// # Errors
    /// When its files cannot be written.
    pub fn new(node: &'static Node, name: &str, port: u16) -> anyhow::Result<Home> {
        Home::of(node, name, port, SignerHome::new()?)
    }

    /// With a key in a simulated Ledger that answers as fast as a real one.
    ///
    /// # Errors
    /// When the Ledger does not start, or its key cannot be set up.
    pub fn with_ledger(node: &'static Node, name: &str, port: u16) -> anyhow::Result<Home> {
        let files = SignerHome::with_ledger(LEDGER, LEDGER_KEY.parse()?)?;
        let mut home = Home::of(node, name, port, files)?;
        let listen = LEDGER.to_string();
        let simulate = home.peel(&["ledger", "simulate", "--approve", "--listen", &listen])?;
        let ledger = home.ledger.insert(Daemon::start("the simulated Ledger", simulate)?);
        ledger.wait_until_log_says(&listen, START)?;
        let (level, transport) = (FLOOR.to_string(), format!("tcp://{listen}"));
        let words = ["--chain", "mainnet", "--level", &level, "--transport", &transport];
        let setup = home.peel(&[&["ledger", "setup", LEDGER_PATH], &words[..]].concat())?;
        said(setup, START)?;
        Ok(home)
    }

    fn of(node: &'static Node, name: &str, port: u16, files: SignerHome) -> anyhow::Result<Home> {
        let name = name.to_owned();
        Ok(Home { node, name, port, files, signer: None, ledger: None })
    }

    /// `peel` with these words, at home.
    ///
    /// # Errors
    /// When iproute2 is not here.
    pub fn peel(&self, words: &[&str]) -> anyhow::Result<Command> {
        let mut command = HOME.command(self.node.peel())?;
        command.args(words);
        Ok(command)
    }

    /// What it is called at the gateway.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> PublicKeyHash {
        self.files.key()
    }

    /// As the chart's values name it.
    #[must_use]
    pub fn entry(&self) -> Value {
        json!({
            "name": self.name,
            "sshPublicKey": self.files.ssh_public_key().to_string(),
            "port": self.port,
            "keys": [self.key().to_string()],
        })
    }

    /// Writes its configuration and makes its store.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn configure(
        &self,
        gateways: &[SocketAddr],
        host_key: &PublicKey,
        ssh: Option<SocketAddr>,
    ) -> anyhow::Result<()> {
        let endpoint = |address: &SocketAddr| Endpoint {
            address: *address,
            user: "signer".to_owned(),
            host_key: host_key.clone(),
        };
        let gateways = gateways.iter().map(endpoint).collect();
        let tunnel = Tunnel { port: self.port, ssh, gateways, uplinks: Vec::new() };
        self.files.configure(Listen::default(), Some(&tunnel))?;
        self.files.init_watermark(self.node.peel(), FLOOR)
    }

    /// Starts the signer.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&mut self) -> anyhow::Result<()> {
        self.signer = Some(self.files.start(HOME.command(self.node.peel())?)?);
        Ok(())
    }

    /// The signer that runs.
    ///
    /// # Errors
    /// Before [`Home::start`].
    pub fn signer(&mut self) -> anyhow::Result<&mut Daemon> {
        self.signer.as_mut().context("the signer was not started")
    }
}
