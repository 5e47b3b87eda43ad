//! The operator's computer: `peel ssh` and `kubectl port-forward` from there to a real sshd at home.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use lab::openssh::{KeyKind, KeyPair, Sshd, ssh_keygen};
use lab::process::Daemon;
use lab::{programs, wait};
use tempfile::TempDir;

use crate::namespace::Namespace;
use crate::node::HOME;
use crate::run::said;

/// A user with a key that the sshd at home lets in, and a list of known hosts.
#[derive(Debug)]
pub struct Workstation<'a> {
    namespace: &'a Namespace,
    folder: TempDir,
    key: KeyPair,
    sshd: Sshd,
}

/// The sshd beside the signer.
pub const SSHD: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 22);
/// For a connection and a short command.
const LIMIT: Duration = Duration::from_secs(30);

impl<'a> Workstation<'a> {
    /// Starts the sshd at home; `signer` is the name by which its host key is known.
    ///
    /// # Errors
    /// When it does not start.
    pub fn new(namespace: &'a Namespace, signer: &str) -> anyhow::Result<Workstation<'a>> {
        let folder = tempfile::tempdir()?;
        let key = ssh_keygen(KeyKind::Ed25519, &folder.path().join("identity"))?;
        let mut sshd = Sshd::new(HOME, SSHD, &[&key.public])?;
        sshd.start()?;
        let known = format!("{signer}.peel {}\n", sshd.endpoint().host_key);
        fs::write(folder.path().join("known_hosts"), known)?;
        symlink(namespace.node.peel(), folder.path().join("peel-ssh"))?;
        Ok(Workstation { namespace, folder, key, sshd })
    }

    /// `peel ssh` in the namespace, as the administrator.
    #[must_use]
    pub fn peel_ssh(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.namespace.node.peel());
        command.arg("ssh").args(["--namespace", &self.namespace.name]).args(words);
        command.env("KUBECONFIG", &self.namespace.kubectl.config).stdin(Stdio::null());
        command
    }

    /// Runs `command` in the shell of a signer by `peel ssh`; gives what it wrote.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn run_at_home(&self, signer: &str, words: &str) -> anyhow::Result<String> {
        let target = format!("{}@{signer}", self.sshd.endpoint().user);
        let options = self.options();
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        said(self.peel_ssh(&[&options[..], &[target.as_str(), words]].concat()), LIMIT)
    }

    /// The same by `kubectl port-forward` to the port of the shell, and ssh.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn run_by_port_forward(
        &self,
        pod: &str,
        shell: u16,
        words: &str,
    ) -> anyhow::Result<String> {
        let forward = ["port-forward", &format!("pod/{pod}"), &format!(":{shell}")];
        let forward =
            Daemon::start("kubectl port-forward", self.namespace.kubectl.command(&forward))?;
        let port = wait::until("the port of kubectl port-forward", LIMIT, || {
            let log = forward.log()?;
            let told = log.lines().find_map(|line| line.strip_prefix("Forwarding from 127.0.0.1:"));
            Ok(told.and_then(|rest| rest.split(' ').next()?.parse::<u16>().ok()))
        })?;
        let mut ssh = Command::new(programs::path("ssh")?);
        ssh.args(self.options()).args(["-o", "HostKeyAlias=home.peel", "-p", &port.to_string()]);
        ssh.arg(format!("{}@127.0.0.1", self.sshd.endpoint().user)).arg(words);
        said(ssh, LIMIT).with_context(|| forward.log().unwrap_or_default())
    }

    /// `scp -S peel-ssh` of a file to home.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn copy_home(&self, signer: &str, file: &Path, there: &Path) -> anyhow::Result<()> {
        let mut scp = Command::new(programs::path("scp")?);
        // The protocol that needs no sftp in sshd's configuration.
        scp.arg("-O").arg("-S").arg(self.folder.path().join("peel-ssh")).args(self.options());
        scp.arg(file);
        scp.arg(format!("{}@{signer}:{}", self.sshd.endpoint().user, there.display()));
        scp.env("KUBECONFIG", &self.namespace.kubectl.config);
        scp.env("PEEL_SSH", format!("--namespace {}", self.namespace.name));
        said(scp, LIMIT).map(drop)
    }

    /// A file in a folder that goes with the workstation.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Nothing of this machine's configuration.
    fn options(&self) -> Vec<String> {
        let known = self.folder.path().join("known_hosts");
        let words = ["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"];
        let mut words: Vec<String> = words.map(str::to_owned).into();
        words.extend(["-o".to_owned(), format!("UserKnownHostsFile={}", known.display())]);
        words.extend(["-o".to_owned(), "GlobalKnownHostsFile=/dev/null".to_owned()]);
        words.extend(["-i".to_owned(), self.key.private.display().to_string()]);
        words
    }
}
