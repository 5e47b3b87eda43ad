//! A stock sshd with the settings that boxes in the field have.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::geteuid;
use tempfile::TempDir;
use tunnel::PublicKey;

use super::{Endpoint, KeyKind, KeyPair, ssh_keygen};
use crate::net::Namespace;
use crate::process::Daemon;
use crate::{lone_root, programs};

/// An sshd with a host key of its own, which it keeps from one start to the next.
#[derive(Debug)]
pub struct Sshd {
    folder: TempDir,
    place: Namespace,
    address: SocketAddr,
    host_key: KeyPair,
    identity: User,
    daemon: Option<Daemon>,
}

/// The user that sshd runs as: the only one that can log in, but for root, which lets in every user.
#[derive(Debug)]
enum User {
    /// Root: it can become another user, which sshd does for every connection.
    Root,
    /// Root of a user namespace where nobody else exists: sshd wants to become another user and
    /// cannot. So it is run by nobody, who need not.
    NobodyElse,
    /// An ordinary user.
    Ordinary(String),
}

const START_LIMIT: Duration = Duration::from_secs(10);

impl Sshd {
    /// Prepares an sshd for `address` in `place` that lets in the owners of these keys.
    ///
    /// # Errors
    /// When no host key can be made.
    pub fn new(
        place: Namespace,
        address: SocketAddr,
        authorized: &[&PublicKey],
    ) -> anyhow::Result<Sshd> {
        let folder = tempfile::tempdir()?;
        let host_key = ssh_keygen(KeyKind::Ed25519, &folder.path().join("host_key"))?;
        let keys: String = authorized.iter().map(|key| format!("{key}\n")).collect();
        fs::write(folder.path().join("authorized_keys"), keys)?;
        fs::write(folder.path().join("sshd_config"), config(folder.path(), address))?;
        Ok(Sshd { folder, place, address, host_key, identity: User::here()?, daemon: None })
    }

    /// Starts it, and waits until it listens.
    ///
    /// # Errors
    /// When it does not.
    pub fn start(&mut self) -> anyhow::Result<()> {
        let mut command = self.identity.sshd(self.place)?;
        command.args(["-D", "-e", "-f"]).arg(self.folder.path().join("sshd_config"));
        let daemon = self.daemon.insert(Daemon::start("sshd", command)?);
        daemon.wait_until_log_says("Server listening on", START_LIMIT)
    }

    /// Ends it and every session of it at once, as when its machine is gone.
    ///
    /// # Errors
    /// When it does not end.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.daemon.take().map_or(Ok(()), |mut daemon| daemon.kill())
    }

    /// The running program; none before the start and after a kill.
    pub fn daemon(&mut self) -> Option<&mut Daemon> {
        self.daemon.as_mut()
    }

    /// How to reach it.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        let user = match &self.identity {
            User::Root => "root",
            User::NobodyElse => "nobody",
            User::Ordinary(name) => name,
        };
        let host_key = self.host_key.public.clone();
        Endpoint { address: self.address, user: user.to_owned(), host_key }
    }
}

/// Its shells have a home of their own: what the user who runs the tests has in ~/.bashrc may print, or change files.
fn config(folder: &Path, address: SocketAddr) -> String {
    let folder = folder.display();
    format!(
        "Port {port}\nListenAddress {ip}\nHostKey {folder}/host_key\n\
         AuthorizedKeysFile {folder}/authorized_keys\nStrictModes no\nUsePAM no\nPidFile none\n\
         GatewayPorts yes\nAllowTcpForwarding yes\nClientAliveInterval 10\nClientAliveCountMax 2\n\
         Subsystem sftp internal-sftp\nSetEnv HOME={folder}\n",
        port = address.port(),
        ip = address.ip(),
    )
}

impl User {
    fn here() -> anyhow::Result<User> {
        if !geteuid().is_root() {
            let output = Command::new("id").arg("-un").output()?;
            return Ok(User::Ordinary(String::from_utf8(output.stdout)?.trim().to_owned()));
        }
        Ok(if lone_root::is_here()? { User::NobodyElse } else { User::Root })
    }

    fn sshd(&self, place: Namespace) -> anyhow::Result<Command> {
        let sshd = programs::path("sshd")?;
        match self {
            User::Root => {
                // Where its children are locked up; a package's service makes it at its start.
                fs::DirBuilder::new().recursive(true).mode(0o755).create("/run/sshd")?;
                place.command(sshd)
            }
            User::NobodyElse => lone_root::command(place, sshd),
            User::Ordinary(_) => place.command(sshd),
        }
    }
}
