//! The gateway, outside of the machine.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use lab::cloud::{GatewayHome, Listen, Signer};
use lab::net::{CLOUD, Namespace};
use lab::process::Daemon;
use lab::wait;
use serde_json::Value;
use signer_api::client::SignerUrl;
use tezos::PublicKeyHash;
use tunnel::{Identity, PublicKey};

/// A gateway that runs.
#[derive(Debug)]
pub struct Gateway {
    files: GatewayHome,
    peel: PathBuf,
    daemon: Option<Daemon>,
    host_key: PublicKey,
}

/// The signer's name there.
pub const NAME: &str = "home";
/// Its port there.
pub const PORT: u16 = 8443;

const SSH: SocketAddr = SocketAddr::new(CLOUD, 58255);
const HTTP: SocketAddr = on_loopback(6732);
const MONITOR: SocketAddr = on_loopback(9583);
const START: Duration = Duration::from_secs(20);

const fn on_loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

impl Gateway {
    /// Its files, and an address that the machine reaches over both of its lines. It starts with its first signer.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn new(peel: &Path) -> anyhow::Result<Gateway> {
        // The namespace is this test's own.
        let address = format!("link set lo up\naddress replace {CLOUD}/32 dev lo\n");
        Namespace::here().ip(&address)?;
        let host_key = Identity::generate("gateway")?;
        let public = host_key.public();
        let listen = Listen { ssh: SSH, http: HTTP, monitor: MONITOR };
        let files = GatewayHome::new(host_key, listen, &[])?;
        Ok(Gateway { files, daemon: None, host_key: public, peel: peel.to_owned() })
    }

    /// Where signers dial, and the key that is shown there.
    #[must_use]
    pub fn endpoint(&self) -> (SocketAddr, &PublicKey) {
        (SSH, &self.host_key)
    }

    /// Authorises the machine's identity, and starts it.
    ///
    /// # Errors
    /// When the gateway does not take it.
    pub fn authorize(
        &mut self,
        ssh_public_key: PublicKey,
        key: PublicKeyHash,
    ) -> anyhow::Result<()> {
        let signer = Signer { name: NAME.to_owned(), ssh_public_key, port: PORT, keys: vec![key] };
        self.files.configure(&[signer])?;
        let daemon = self.daemon.insert(self.files.start(Command::new(&self.peel))?);
        daemon.wait_until_log_says("listening", START)
    }

    /// Where a baker asks for a key.
    ///
    /// # Errors
    /// When that is no URL.
    pub fn url(&self, key: PublicKeyHash) -> anyhow::Result<SignerUrl> {
        format!("http://{HTTP}/{key}").parse().context("the gateway's URL")
    }

    /// Waits until so many of its sessions with the signer serve signatures: one for each line.
    ///
    /// # Errors
    /// When there are others all the while.
    pub fn wait_for_sessions(&self, count: usize) -> anyhow::Result<()> {
        let what = format!("{count} sessions of the signer");
        wait::until(&what, SESSIONS_LIMIT, || Ok((sessions()? == count).then_some(())))
    }
}

/// From when a line is there, or is lost, until the gateway has its session, or has given it up.
const SESSIONS_LIMIT: Duration = Duration::from_secs(120);

/// As the gateway's `/status` lists them.
fn sessions() -> anyhow::Result<usize> {
    let status: Value = serde_json::from_str(&get("/status")?)?;
    let signers = status.get("signers").and_then(Value::as_array).context("no signers")?;
    let home = signers.iter().find(|signer| signer.get("name") == Some(&Value::from(NAME)));
    let sessions = home.and_then(|signer| signer.get("sessions")).and_then(Value::as_array);
    let is_signing = |session: &&Value| session.get("service") == Some(&Value::from("signing"));
    Ok(sessions.context("no sessions")?.iter().filter(is_signing).count())
}

fn get(path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect_timeout(&MONITOR, START)?;
    stream.set_read_timeout(Some(START))?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {MONITOR}\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.take(LONGEST_ANSWER).read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").context("no body")?;
    Ok(body.to_owned())
}

const LONGEST_ANSWER: u64 = 1 << 20;
