//! What is at home: a folder with a signer's files.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use tempfile::TempDir;
use tezos::{Curve, PublicKeyHash, SecretKey};
use tunnel::{Identity, PublicKey};

use crate::net::Line;
use crate::openssh::Endpoint;
use crate::process::Daemon;
use crate::secret;

/// A signer with one key, and its store, identity and configuration.
#[derive(Debug)]
pub struct SignerHome {
    folder: TempDir,
    key: PublicKeyHash,
    keeper: Keeper,
    identity: Identity,
}

/// Where the key is.
#[derive(Debug, Clone, Copy)]
enum Keeper {
    /// In the file `key`.
    File,
    /// In a Ledger behind a TCP port, at [`LEDGER_PATH`].
    Ledger(SocketAddr),
}

/// Curve and path of a key in a Ledger.
pub const LEDGER_PATH: &str = "secp256k1/0h/0h";

/// Where a signer dials, and what it shows there.
#[derive(Debug, Clone)]
pub struct Tunnel {
    /// Its port at the gateway.
    pub port: u16,
    /// Its sshd.
    pub ssh: Option<SocketAddr>,
    /// The endpoints to dial.
    pub gateways: Vec<Endpoint>,
    /// Over which lines, none: whatever route there is.
    pub uplinks: Vec<Uplink>,
}

/// A line as the configuration names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uplink {
    /// Which.
    pub line: Line,
    /// Its bytes cost money.
    pub metered: bool,
}

/// Where a signer may be asked without the tunnel; both optional.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Listen {
    /// The signing protocol.
    pub http: Option<SocketAddr>,
    /// Metrics and health.
    pub monitor: Option<SocketAddr>,
}

impl SignerHome {
    /// A new software key and a new identity; nothing is configured yet.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn new() -> anyhow::Result<SignerHome> {
        let mut randomness = [0; 32];
        getrandom::fill(&mut randomness)?;
        let key = SecretKey::generate(Curve::Ed25519, &randomness)?;
        let home = SignerHome::of(key.hash(), Keeper::File)?;
        let text = format!("unencrypted:{}\n", key.to_base58().as_str());
        secret::write(&home.folder.path().join("key"), &text)?;
        Ok(home)
    }

    /// With the key `key` at [`LEDGER_PATH`] of the Ledger at `ledger`, and a new identity.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn with_ledger(ledger: SocketAddr, key: PublicKeyHash) -> anyhow::Result<SignerHome> {
        SignerHome::of(key, Keeper::Ledger(ledger))
    }

    /// Another computer with the same key, and an identity and a store of its own.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn twin(&self) -> anyhow::Result<SignerHome> {
        let twin = SignerHome::of(self.key, self.keeper)?;
        if matches!(self.keeper, Keeper::File) {
            fs::copy(self.folder.path().join("key"), twin.folder.path().join("key"))?;
        }
        Ok(twin)
    }

    fn of(key: PublicKeyHash, keeper: Keeper) -> anyhow::Result<SignerHome> {
        let folder = tempfile::tempdir()?;
        let identity = Identity::generate("home")?;
        secret::write(&folder.path().join("identity"), &identity.to_openssh()?)?;
        Ok(SignerHome { folder, key, keeper, identity })
    }

    /// Writes `signer.toml`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn configure(&self, listen: Listen, tunnel: Option<&Tunnel>) -> anyhow::Result<()> {
        let text = listen.section() + &tunnel.map(Tunnel::section).unwrap_or_default();
        let text = format!(
            "chains = [\"mainnet\"]\n\n[state]\ndirectory = \".\"\n\n{}{text}",
            self.key_section()
        );
        Ok(fs::write(self.config(), text)?)
    }

    /// Adds sections to `signer.toml`, after [`SignerHome::configure`].
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(&self, sections: &str) -> anyhow::Result<()> {
        let text = fs::read_to_string(self.config())?;
        Ok(fs::write(self.config(), format!("{text}\n{sections}\n"))?)
    }

    /// The folder of its files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Makes the store with `peel watermark init`: nothing at or below `level` will be signed.
    ///
    /// # Errors
    /// When peel refuses; it wants [`SignerHome::configure`] first.
    pub fn init_watermark(&self, peel: &Path, level: u32) -> anyhow::Result<()> {
        let mut command = Command::new(peel);
        command.args(["watermark", "init", "--level", &level.to_string(), "--config"]);
        let output = command.arg(self.config()).stdin(Stdio::null()).output();
        let output = output.with_context(|| format!("{} cannot be started", peel.display()))?;
        if !output.status.success() {
            bail!("peel watermark init: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    /// Starts `peel signer run`; `peel` is the program in its place, of
    /// [`Namespace::command`](crate::net::Namespace::command).
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&self, mut peel: Command) -> anyhow::Result<Daemon> {
        peel.args(["signer", "run", "--config"]).arg(self.config());
        Daemon::start("the signer", peel)
    }

    fn key_section(&self) -> String {
        match self.keeper {
            Keeper::File => "[[key]]\nname = \"baker\"\nsecret_key_file = \"key\"\n".to_owned(),
            // With its hash: whoever makes the store need not reach the device.
            Keeper::Ledger(address) => format!(
                "[ledger]\ntransport = \"tcp://{address}\"\n\n[[key]]\nname = \"baker\"\n\
                 ledger = \"{LEDGER_PATH}\"\npublic_key_hash = \"{}\"\n",
                self.key
            ),
        }
    }

    /// Its configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("signer.toml")
    }

    /// The key it signs with.
    #[must_use]
    pub fn key(&self) -> PublicKeyHash {
        self.key
    }

    /// What a gateway has to know.
    #[must_use]
    pub fn ssh_public_key(&self) -> PublicKey {
        self.identity.public()
    }
}

impl Listen {
    fn section(self) -> String {
        let section = |name: &str, address: Option<SocketAddr>| match address {
            Some(address) => format!("\n[{name}]\nlisten = \"{address}\"\n"),
            None => String::new(),
        };
        section("http", self.http) + &section("monitor", self.monitor)
    }
}

impl Tunnel {
    fn section(&self) -> String {
        let mut text = format!("\n[tunnel]\nidentity = \"identity\"\nport = {}\n", self.port);
        if let Some(ssh) = self.ssh {
            text += &format!("ssh = \"{ssh}\"\n");
        }
        for Endpoint { address, user, host_key } in &self.gateways {
            text += &format!(
                "\n[[tunnel.gateway]]\naddress = \"{address}\"\nuser = \"{user}\"\n\
                 host_key = \"{host_key}\"\n"
            );
        }
        for Uplink { line, metered } in &self.uplinks {
            let interface = line.interface();
            text +=
                &format!("\n[[tunnel.uplink]]\ninterface = \"{interface}\"\nmetered = {metered}\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tunnel_is_written_as_a_user_writes_it() {
        let host_key: PublicKey = Identity::generate("").unwrap().public();
        let gateway = Endpoint {
            address: "10.9.0.1:58255".parse().unwrap(),
            user: "signer".to_owned(),
            host_key: host_key.clone(),
        };
        let tunnel = Tunnel {
            port: 8443,
            ssh: Some("127.0.0.1:22".parse().unwrap()),
            gateways: vec![gateway],
            uplinks: vec![Uplink { line: Line::Mobile, metered: true }],
        };
        let home = SignerHome::new().unwrap();
        home.configure(Listen::default(), Some(&tunnel)).unwrap();
        let expected = format!(
            r#"chains = ["mainnet"]

[state]
directory = "."

[[key]]
name = "baker"
secret_key_file = "key"

[tunnel]
identity = "identity"
port = 8443
ssh = "127.0.0.1:22"

[[tunnel.gateway]]
address = "10.9.0.1:58255"
user = "signer"
host_key = "{host_key}"

[[tunnel.uplink]]
interface = "wwan0"
metered = true
"#
        );
        assert_eq!(fs::read_to_string(home.config()).unwrap(), expected);
    }

    #[test]
    fn a_ledger_is_written_as_a_user_writes_it() {
        let key = "tz2Q3U8EbGayZzK2Vwap5JQJFmJEbwURe77o".parse().unwrap();
        let home = SignerHome::with_ledger("127.0.0.1:9999".parse().unwrap(), key).unwrap();
        home.configure(Listen::default(), None).unwrap();
        let expected = r#"chains = ["mainnet"]

[state]
directory = "."

[ledger]
transport = "tcp://127.0.0.1:9999"

[[key]]
name = "baker"
ledger = "secp256k1/0h/0h"
public_key_hash = "tz2Q3U8EbGayZzK2Vwap5JQJFmJEbwURe77o"
"#;
        assert_eq!(fs::read_to_string(home.config()).unwrap(), expected);
    }

    #[test]
    fn a_twin_has_the_same_key_and_another_identity() {
        let home = SignerHome::new().unwrap();
        let twin = home.twin().unwrap();
        let key = |home: &SignerHome| fs::read_to_string(home.folder.path().join("key")).unwrap();
        assert_eq!(key(&home), key(&twin));
        assert_ne!(home.ssh_public_key(), twin.ssh_public_key());
    }
}
