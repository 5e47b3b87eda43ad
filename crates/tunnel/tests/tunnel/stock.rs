//! The programs of Debian that the tunnel has to work with, as tests want them.

use std::fmt::Display;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use tempfile::TempDir;
use tunnel::{Identity, PublicKey};

use crate::ends::until;

/// The command that starts a program.
///
/// # Panics
/// When it is not installed: a test that was skipped would prove nothing.
pub(crate) fn program(name: &str, package: &str) -> Command {
    let found = ["/usr/bin", "/usr/sbin"].map(|folder| Path::new(folder).join(name));
    let found = found.iter().find(|path| path.exists());
    Command::new(found.unwrap_or_else(|| panic!("no {name} here: apt-get install {package}")))
}

/// A program that is ended, with all of its own, when this is dropped.
pub(crate) struct Program {
    child: Child,
    said: PathBuf,
}

impl Program {
    /// Starts it. What it says goes into a file of `folder`.
    pub(crate) fn start(mut command: Command, folder: &Folder) -> Program {
        let said = folder.new_path("said");
        let file = File::create(&said).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        Program { child: command.spawn().unwrap(), said }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.said).unwrap()).into_owned()
    }

    /// Waits until it ends by itself.
    pub(crate) async fn ends(&mut self) -> ExitStatus {
        let mut status = None;
        until("the program ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        for child in children(self.pid()) {
            signal("KILL", child);
        }
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The processes that a process has started.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let line = fs::read_to_string(path).unwrap_or_default();
    line.split_whitespace().map(|child| child.parse().unwrap()).collect()
}

/// Sends a signal. The shell has a `kill`; a small Debian has no other.
pub(crate) fn signal(name: &str, pid: u32) {
    let kill = format!("kill -{name} {pid}");
    Command::new("sh").args(["-c", &kill]).stderr(Stdio::null()).status().unwrap();
}

/// A folder for keys and what programs say; gone with the test.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    /// The path of a file that is not there yet.
    pub(crate) fn new_path(&self, name: &str) -> PathBuf {
        let count = fs::read_dir(self.0.path()).unwrap().count();
        self.0.path().join(format!("{name}{count}"))
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.new_path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// A key that ssh-keygen has made, as in `key("rsa", 4096)`; 0 bits are the usual number.
    pub(crate) fn key(&self, kind: &str, bits: u32) -> Key {
        let path = self.new_path("key");
        let mut command = program("ssh-keygen", "openssh-client");
        command.args(["-q", "-N", "", "-t", kind, "-f"]).arg(&path);
        if bits > 0 {
            command.args(["-b", &bits.to_string()]);
        }
        assert!(command.status().unwrap().success());
        Key { path }
    }
}

/// A key pair in files, as OpenSSH has it.
pub(crate) struct Key {
    pub(crate) path: PathBuf,
}

impl Key {
    pub(crate) fn public(&self) -> PublicKey {
        self.public_line().parse().unwrap()
    }

    pub(crate) fn public_line(&self) -> String {
        fs::read_to_string(self.path.with_extension("pub")).unwrap()
    }

    pub(crate) fn identity(&self) -> Identity {
        Identity::parse(&fs::read_to_string(&self.path).unwrap()).unwrap()
    }
}

/// How a stock ssh reaches an endpoint.
pub(crate) struct Destination {
    address: SocketAddr,
    known_hosts: PathBuf,
}

impl Destination {
    pub(crate) fn new(folder: &Folder, address: SocketAddr, host_key: &PublicKey) -> Destination {
        let line = format!("[{}]:{} {host_key}\n", address.ip(), address.port());
        Destination { address, known_hosts: folder.write("known_hosts", &line) }
    }

    /// What every call of ssh, and of what calls ssh, needs: nothing of this computer's settings.
    pub(crate) fn options(&self, key: &Key) -> Vec<String> {
        let mut options = vec!["-F".to_owned(), "none".to_owned()];
        let mut option = |name: &str, value: &dyn Display| {
            options.extend(["-o".to_owned(), format!("{name}={value}")]);
        };
        option("Port", &self.address.port());
        option("IdentityFile", &key.path.display());
        option("IdentitiesOnly", &"yes");
        option("IdentityAgent", &"none");
        option("UserKnownHostsFile", &self.known_hosts.display());
        option("GlobalKnownHostsFile", &"none");
        option("StrictHostKeyChecking", &"yes");
        option("BatchMode", &"yes");
        option("ExitOnForwardFailure", &"yes");
        options
    }

    /// `signer@HOST`.
    pub(crate) fn host(&self) -> String {
        format!("signer@{}", self.address.ip())
    }

    /// `ssh` with more arguments.
    pub(crate) fn ssh(&self, key: &Key, arguments: &[&str]) -> Command {
        let mut command = program("ssh", "openssh-client");
        command.args(self.options(key)).args(arguments).arg(self.host());
        command
    }

    /// `ssh -N -R port:target` for each of the pairs.
    pub(crate) fn forwarding(&self, key: &Key, forwards: &[(u16, SocketAddr)]) -> Command {
        let mut command = program("ssh", "openssh-client");
        command.args(self.options(key)).arg("-N");
        for (port, target) in forwards {
            command.arg("-R").arg(format!("{port}:{target}"));
        }
        command.arg(self.host());
        command
    }
}
