//! The cloud: a gateway in a process of its own. Made again, it has the host key that it had.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use daemon::free_port;
use signer_api::client::SignerUrl;
use tezos::PublicKeyHash;
use tokio::net::TcpStream;
use tokio::time::sleep;
use tunnel::{Identity, PublicKey};

use crate::process::Process;

/// The gateway. Dropping it kills it.
pub(crate) struct Cloud {
    pub(crate) gateway: Process,
    pub(crate) ports: Ports,
    /// The signers' own ports, in their order; their shells' are 1000 above.
    signers: Vec<u16>,
    /// What the gateway proves itself with.
    pub(crate) host_key: PublicKey,
}

/// Where the gateway listens, on the loopback.
#[derive(Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) ssh: u16,
    /// For bakers.
    http: u16,
}

const START_LIMIT: Duration = Duration::from_secs(15);

impl Cloud {
    /// A host key, and a configuration that lets these signers in, and has `more`.
    pub(crate) fn new(
        within: &Path,
        signers: &[(&str, PublicKey)],
        more: &str,
    ) -> anyhow::Result<Cloud> {
        let (host_key, ports) = (Identity::generate("gateway")?, Ports::choose()?);
        let mut configuration = configuration(ports);
        let mut own = Vec::new();
        for (name, key) in signers {
            let port = free_port::choose()?;
            own.push(port);
            configuration += &format!(
                "[[signer]]\nname = \"{name}\"\nssh_public_key = \"{key}\"\nport = {port}\n"
            );
        }
        let gateway = Process::new("gateway", within, &host_key, &(configuration + more))?;
        Ok(Cloud { gateway, ports, signers: own, host_key: host_key.public() })
    }

    /// The port of the signer at this place.
    pub(crate) fn port_of(&self, signer: usize) -> anyhow::Result<u16> {
        self.signers.get(signer).copied().context("there is no such signer")
    }

    /// Starts the gateway; gives the moment from which it listens.
    pub(crate) async fn start(&mut self) -> anyhow::Result<Instant> {
        let started = Instant::now();
        self.gateway.start()?;
        while TcpStream::connect(loopback(self.ports.http)).await.is_err() {
            self.gateway.still_runs()?;
            if started.elapsed() > START_LIMIT {
                bail!("the gateway did not come up:\n{}", self.gateway.log());
            }
            sleep(Duration::from_millis(5)).await;
        }
        Ok(Instant::now())
    }

    /// What the baker is told to ask.
    pub(crate) fn url(&self, key: PublicKeyHash) -> anyhow::Result<SignerUrl> {
        Ok(format!("http://127.0.0.1:{}/{key}", self.ports.http).parse()?)
    }
}

impl Ports {
    /// They are free now; if another program takes one, the gateway says so.
    fn choose() -> anyhow::Result<Ports> {
        let (ssh, http) = (free_port::choose()?, free_port::choose()?);
        Ok(Ports { ssh, http })
    }
}

pub(crate) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn configuration(ports: Ports) -> String {
    let Ports { ssh, http } = ports;
    format!(
        r#"[ssh]
listen = "127.0.0.1:{ssh}"
host_key = "key"
[http]
listen = "127.0.0.1:{http}"
"#
    )
}
