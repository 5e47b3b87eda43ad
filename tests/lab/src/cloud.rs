//! What is in the cloud: a folder with a gateway's files.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;
use tezos::PublicKeyHash;
use tunnel::{Identity, PublicKey};

use crate::openssh::Endpoint;
use crate::process::Daemon;
use crate::secret;

/// A gateway's host key and configuration. The cloud is made again by making another of it with the
/// same host key.
#[derive(Debug)]
pub struct GatewayHome {
    folder: TempDir,
    host_key: Identity,
    listen: Listen,
}

/// Where a gateway listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen {
    /// For signers.
    pub ssh: SocketAddr,
    /// For bakers, by key; each signer's port is on the same address.
    pub http: SocketAddr,
    /// Metrics and health.
    pub monitor: SocketAddr,
}

/// A signer as the gateway knows it.
#[derive(Debug, Clone)]
pub struct Signer {
    /// What it is called.
    pub name: String,
    /// The key of its identity.
    pub ssh_public_key: PublicKey,
    /// Its port here.
    pub port: u16,
    /// Its keys; empty: the gateway asks.
    pub keys: Vec<PublicKeyHash>,
}

impl GatewayHome {
    /// Writes `gateway.toml` and the host key.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn new(
        host_key: Identity,
        listen: Listen,
        signers: &[Signer],
    ) -> anyhow::Result<GatewayHome> {
        let folder = tempfile::tempdir()?;
        secret::write(&folder.path().join("host_key"), &host_key.to_openssh()?)?;
        let home = GatewayHome { folder, host_key, listen };
        home.configure(signers)?;
        Ok(home)
    }

    /// Writes `gateway.toml` again, for other signers.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn configure(&self, signers: &[Signer]) -> anyhow::Result<()> {
        let signers: String = signers.iter().map(Signer::section).collect();
        Ok(fs::write(self.config(), self.listen.sections() + &signers)?)
    }

    /// Starts `peel gateway run`; `peel` is the program in its place, of
    /// [`Namespace::command`](crate::net::Namespace::command).
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&self, mut peel: Command) -> anyhow::Result<Daemon> {
        peel.args(["gateway", "run", "--config"]).arg(self.config());
        Daemon::start("the gateway", peel)
    }

    /// Its configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("gateway.toml")
    }

    /// Where it listens.
    #[must_use]
    pub fn listen(&self) -> Listen {
        self.listen
    }

    /// How a signer at home, or an autossh box, reaches it at `address`.
    #[must_use]
    pub fn endpoint(&self, address: SocketAddr) -> Endpoint {
        Endpoint { address, user: "signer".to_owned(), host_key: self.host_key.public() }
    }
}

impl Listen {
    fn sections(self) -> String {
        let Listen { ssh, http, monitor } = self;
        format!(
            "[ssh]\nlisten = \"{ssh}\"\nhost_key = \"host_key\"\n\n\
             [http]\nlisten = \"{http}\"\n\n[monitor]\nlisten = \"{monitor}\"\n"
        )
    }
}

impl Signer {
    fn section(&self) -> String {
        let Signer { name, ssh_public_key, port, keys } = self;
        let mut text = format!(
            "\n[[signer]]\nname = \"{name}\"\nssh_public_key = \"{ssh_public_key}\"\nport = {port}\n"
        );
        if !keys.is_empty() {
            let keys: Vec<String> = keys.iter().map(|key| format!("\"{key}\"")).collect();
            text += &format!("keys = [{}]\n", keys.join(", "));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_is_written_as_a_user_writes_it() {
        let key = Identity::generate("").unwrap().public();
        let signer = |name: &str, port, keys| Signer {
            name: name.to_owned(),
            ssh_public_key: key.clone(),
            port,
            keys,
        };
        let listen = Listen {
            ssh: "10.9.0.1:58255".parse().unwrap(),
            http: "127.0.0.1:6732".parse().unwrap(),
            monitor: "127.0.0.1:9583".parse().unwrap(),
        };
        let baker = "tz1KqTpEZ7Yob7QbPE4Hy4Wo8fHG8LhKxZSx".parse().unwrap();
        let signers = [signer("home", 8443, vec![baker]), signer("other", 8444, Vec::new())];
        let home = GatewayHome::new(Identity::generate("").unwrap(), listen, &signers).unwrap();
        let expected = format!(
            r#"[ssh]
listen = "10.9.0.1:58255"
host_key = "host_key"

[http]
listen = "127.0.0.1:6732"

[monitor]
listen = "127.0.0.1:9583"

[[signer]]
name = "home"
ssh_public_key = "{key}"
port = 8443
keys = ["{baker}"]

[[signer]]
name = "other"
ssh_public_key = "{key}"
port = 8444
"#
        );
        assert_eq!(fs::read_to_string(home.config()).unwrap(), expected);
    }
}
