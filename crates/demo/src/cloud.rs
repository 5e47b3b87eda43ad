//! The cloud: a gateway in a process of its own. Made again, it has the host key that it had.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use signer_api::client::SignerUrl;
use tezos::PublicKeyHash;
use tokio::net::TcpStream;
use tokio::time::sleep;
use tunnel::{Identity, PublicKey, Service, SignerPort};

use crate::process::Process;

/// The gateway. Dropping it kills it.
pub(crate) struct Cloud {
    pub(crate) gateway: Process,
    pub(crate) ports: Ports,
    /// What the gateway proves itself with.
    pub(crate) host_key: PublicKey,
}

/// Where the gateway listens, on the loopback.
#[derive(Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) ssh: u16,
    /// For bakers.
    http: u16,
    /// The signer's own; its shell's is 1000 above.
    pub(crate) signer: u16,
}

const START_LIMIT: Duration = Duration::from_secs(15);
const TRIES: usize = 100;

impl Cloud {
    /// A host key, and a configuration that lets one signer in.
    pub(crate) fn new(within: &Path, signer: &PublicKey) -> anyhow::Result<Cloud> {
        let (host_key, ports) = (Identity::generate("gateway")?, Ports::choose()?);
        let gateway = Process::new("gateway", within, &host_key, &configuration(ports, signer))?;
        Ok(Cloud { gateway, ports, host_key: host_key.public() })
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
        let free = || TcpListener::bind(loopback(0));
        let (ssh, http) = (free()?, free()?);
        for _ in 0..TRIES {
            let signer = free()?;
            let port = signer.local_addr()?.port();
            let Ok(own) = SignerPort::new(port) else { continue };
            if TcpListener::bind(loopback(own.of(Service::Shell))).is_ok() {
                let (ssh, http) = (ssh.local_addr()?.port(), http.local_addr()?.port());
                return Ok(Ports { ssh, http, signer: port });
            }
        }
        None.context("no two free ports that are 1000 apart")
    }
}

pub(crate) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn configuration(ports: Ports, signer: &PublicKey) -> String {
    let Ports { ssh, http, signer: port } = ports;
    format!(
        r#"[ssh]
listen = "127.0.0.1:{ssh}"
host_key = "key"
[http]
listen = "127.0.0.1:{http}"
[[signer]]
name = "home"
ssh_public_key = "{signer}"
port = {port}
"#
    )
}
