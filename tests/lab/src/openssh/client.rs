//! OpenSSH's client, alone or with autossh around it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use tunnel::PublicKey;

use super::{Endpoint, KeyKind, KeyPair, ssh_keygen};
use crate::net::Namespace;
use crate::{programs, secret};

/// A user with a key, and a list of the known hosts.
#[derive(Debug)]
pub struct Client {
    folder: TempDir,
    key: KeyPair,
}

/// `-R <port>:<to>`: what the endpoint listens on, and where its connections come out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forward {
    /// The port at the endpoint.
    pub port: u16,
    /// As the client sees it.
    pub to: SocketAddr,
}

/// autossh's own default of 600 s is longer than any test; boxes in the field have this one.
pub const AUTOSSH_POLL: Duration = Duration::from_secs(15);

impl Client {
    /// A user with a new key.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn new(kind: KeyKind) -> anyhow::Result<Client> {
        let folder = tempfile::tempdir()?;
        let key = ssh_keygen(kind, &folder.path().join("identity"))?;
        Ok(Client { folder, key })
    }

    /// What an endpoint has to know.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.key.public
    }

    /// The file of its private key.
    #[must_use]
    pub fn private_key(&self) -> &Path {
        &self.key.private
    }

    /// `ssh` to the endpoint, with nothing of this machine's configuration, and with options,
    /// forwards or a command still to come.
    ///
    /// # Errors
    /// When ssh is not here.
    pub fn ssh(&self, place: Namespace, to: &Endpoint) -> anyhow::Result<Command> {
        let mut command = place.command(programs::path("ssh")?)?;
        self.dial(&mut command, to)?;
        Ok(command)
    }

    /// `ssh -N` that holds the forwards or ends.
    ///
    /// # Errors
    /// When ssh is not here.
    pub fn ssh_reverse(
        &self,
        place: Namespace,
        to: &Endpoint,
        forwards: &[Forward],
    ) -> anyhow::Result<Command> {
        let mut command = self.ssh(place, to)?;
        reverse(&mut command, forwards);
        Ok(command)
    }

    /// autossh around the same, as an existing box runs it: with its two monitor forwards, looked at
    /// every [`AUTOSSH_POLL`].
    ///
    /// # Errors
    /// When autossh is not here.
    pub fn autossh_reverse(
        &self,
        place: Namespace,
        to: &Endpoint,
        forwards: &[Forward],
    ) -> anyhow::Result<Command> {
        let mut command = place.command(programs::path("autossh")?)?;
        command.env("AUTOSSH_PATH", programs::path("ssh")?);
        command.env("AUTOSSH_POLL", AUTOSSH_POLL.as_secs().to_string());
        // It would give up for good if the very first connection failed within 30 s.
        command.env("AUTOSSH_GATETIME", "0");
        command.env("AUTOSSH_LOGFILE", "/dev/stderr").env("AUTOSSH_LOGLEVEL", "7");
        self.dial(&mut command, to)?;
        reverse(&mut command, forwards);
        Ok(command)
    }

    fn dial(&self, command: &mut Command, to: &Endpoint) -> anyhow::Result<()> {
        let (ip, port) = (to.address.ip(), to.address.port());
        let known = self.folder.path().join(format!("known_hosts_{ip}_{port}"));
        secret::write(&known, &format!("[{ip}]:{port} {}\n", to.host_key))?;
        command.args(["-F", "none", "-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes"]);
        command.args(["-o", "BatchMode=yes", "-o", "GlobalKnownHostsFile=/dev/null", "-o"]);
        command.arg(format!("UserKnownHostsFile={}", known.display()));
        command.arg("-i").arg(&self.key.private).args(["-p", &port.to_string()]);
        command.arg(format!("{}@{ip}", to.user));
        Ok(())
    }
}

fn reverse(command: &mut Command, forwards: &[Forward]) {
    command.args(["-o", "ExitOnForwardFailure=yes", "-N", "-T"]);
    for Forward { port, to } in forwards {
        command.args(["-R", &format!("{port}:{to}")]);
    }
}
