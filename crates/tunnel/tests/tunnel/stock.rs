//! The programs of Debian that the tunnel has to work with, as tests want them.

use std::fmt::{Display, Write};
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

    pub(crate) fn kill(&mut self) {
        let children = children(self.pid());
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // After it: autossh would start another.
        for child in children {
            signal("KILL", child);
        }
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
        self.kill();
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

/// The processes that hold the socket that listens on a port.
pub(crate) fn listeners(port: u16) -> Vec<u32> {
    const LISTENS: &str = "0A";
    let suffix = format!(":{port:04X}");
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let rows = rows.filter(|row| row[1].ends_with(&suffix) && row[3] == LISTENS);
    let sockets: Vec<String> = rows.map(|row| format!("socket:[{}]", row[9])).collect();
    let processes = fs::read_dir("/proc").unwrap();
    let processes = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let holds = |pid: &u32| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let mut links = files.filter_map(|file| fs::read_link(file.path()).ok());
        links.any(|link| sockets.iter().any(|socket| link == Path::new(socket)))
    };
    processes.filter(holds).collect()
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

/// A stock sshd with the settings of the usual cloud. It runs as the user of the test.
pub(crate) struct Sshd {
    pub(crate) address: SocketAddr,
    pub(crate) program: Program,
    config: PathBuf,
}

impl Sshd {
    /// The user that logs in: only root could be another one.
    pub(crate) fn user() -> String {
        let name = Command::new("id").arg("-un").output().unwrap().stdout;
        String::from_utf8(name).unwrap().trim().to_owned()
    }

    /// Knows `client`, and shows itself with `host_keys`. `more` are lines of sshd_config(5),
    /// where the first of a kind counts.
    pub(crate) fn start(
        folder: &Folder,
        address: SocketAddr,
        client: &PublicKey,
        host_keys: &[&Key],
        more: &str,
    ) -> Sshd {
        let authorized = folder.write("authorized_keys", &format!("{client}\n"));
        let mut config = format!(
            "{more}ListenAddress {address}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\n\
             UsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\nGatewayPorts yes\n\
             AllowTcpForwarding yes\nClientAliveInterval 10\nClientAliveCountMax 2\n\
             LogLevel VERBOSE\n",
            authorized.display()
        );
        for key in host_keys {
            writeln!(config, "HostKey {}", key.path.display()).unwrap();
        }
        let config = folder.write("sshd_config", &config);
        Sshd { address, program: Sshd::run(&config, folder), config }
    }

    /// Kills it with everything of it, and starts it anew.
    pub(crate) fn start_again(&mut self, folder: &Folder) {
        self.program.kill();
        self.program = Sshd::run(&self.config, folder);
    }

    fn run(config: &Path, folder: &Folder) -> Program {
        // Debian's service makes it; sshd does not start as root without.
        let _ = fs::create_dir_all("/run/sshd");
        let mut command = program("sshd", "openssh-server");
        command.args(["-D", "-e", "-f"]).arg(config);
        Program::start(command, folder)
    }
}
