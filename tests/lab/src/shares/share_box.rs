//! A signer with a share, in a folder and a process of its own, and its line.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use shares::{Share, ShareFile};
use tempfile::TempDir;
use tezos::PublicKeyHash;
use tunnel::{Identity, PublicKey};

use super::{LEVEL, Relay, START, free};
use crate::process::Daemon;
use crate::secret;

/// A signer with a share.
#[derive(Debug)]
pub struct ShareBox {
    /// Its line to the gateway.
    pub line: Relay,
    /// Where a program beside it asks it.
    pub http: SocketAddr,
    peel: PathBuf,
    folder: TempDir,
    port: u16,
    identity: PublicKey,
    daemon: Option<Daemon>,
}

/// The file of a share, with its secret for everybody to read.
pub(super) fn text(share: &Share) -> String {
    ShareFile::unencrypted(share).to_text().to_string()
}

impl ShareBox {
    pub(super) fn new(
        peel: &Path,
        key: PublicKeyHash,
        (field, secret): (&str, &str),
        (ssh, port): (SocketAddr, u16),
        host_key: &PublicKey,
    ) -> anyhow::Result<ShareBox> {
        let (folder, line, http) = (tempfile::tempdir()?, Relay::to(ssh)?, free()?);
        let identity = Identity::generate("home")?;
        secret::write(&folder.path().join("identity"), &identity.to_openssh()?)?;
        secret::write(&folder.path().join("secret"), secret)?;
        let config = format!(
            "chains = [\"mainnet\"]\n[state]\ndirectory = \".\"\n[http]\nlisten = \"{http}\"\n\
             [level_bound]\nmargin = 2000000000\n\
             [[key]]\nname = \"consensus\"\n{field} = \"secret\"\npublic_key_hash = \"{key}\"\n\
             [tunnel]\nidentity = \"identity\"\nport = {port}\n\
             [[tunnel.gateway]]\naddress = \"{}\"\nhost_key = \"{host_key}\"\n",
            line.address()
        );
        fs::write(folder.path().join("signer.toml"), config)?;
        let (peel, identity) = (peel.to_owned(), identity.public());
        let one = ShareBox { line, http, peel, folder, port, identity, daemon: None };
        one.init_watermark()?;
        Ok(one)
    }

    fn init_watermark(&self) -> anyhow::Result<()> {
        let mut command = Command::new(&self.peel);
        command.args(["watermark", "init", "--level", &LEVEL.to_string(), "--config"]);
        command.arg(self.folder.path().join("signer.toml")).stdin(Stdio::null());
        let made = command.output()?;
        if !made.status.success() {
            bail!("no store was made: {}", String::from_utf8_lossy(&made.stderr));
        }
        Ok(())
    }

    /// As the gateway knows it: `box-1`, `box-2`.
    pub(super) fn block(&self, number: usize) -> String {
        let (key, port) = (&self.identity, self.port);
        format!("[[signer]]\nname = \"box-{number}\"\nssh_public_key = \"{key}\"\nport = {port}\n")
    }

    /// Starts it; returns when it can be asked, and its link is up.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(&mut self) -> anyhow::Result<()> {
        self.start_without_link()?;
        let daemon = self.daemon.as_mut().context("it was not started")?;
        daemon.wait_until_log_says(" is up", START)
    }

    /// Starts it; returns when it can be asked beside it, and its store is open.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start_without_link(&mut self) -> anyhow::Result<()> {
        let mut command = Command::new(&self.peel);
        command.args(["signer", "run", "--config"]).arg(self.folder.path().join("signer.toml"));
        let daemon = self.daemon.insert(Daemon::start("a signer", command)?);
        daemon.wait_until_log_says("listening", START)
    }

    /// SIGKILL: no time to write or to say anything.
    ///
    /// # Errors
    /// When it does not end.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.daemon.take().map_or(Ok(()), |mut daemon| daemon.kill())
    }

    /// A copy of its store as it is on disk. Not while it runs: such a copy can be of two moments, and no signer takes it.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub fn back_up(&self) -> anyhow::Result<TempDir> {
        let copy = tempfile::tempdir()?;
        self.copy_store(self.folder.path(), copy.path())?;
        Ok(copy)
    }

    /// Puts a backup back. Not while it runs.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub fn put_back(&self, backup: &TempDir) -> anyhow::Result<()> {
        self.copy_store(backup.path(), self.folder.path())
    }

    fn copy_store(&self, from: &Path, to: &Path) -> anyhow::Result<()> {
        for file in fs::read_dir(from)? {
            let file = file?;
            let name = file.file_name();
            let is_store = name.to_string_lossy().starts_with("watermark.db");
            if is_store && !name.to_string_lossy().ends_with("lock") {
                // SQLite's own files come and go.
                let _ = fs::copy(file.path(), to.join(name));
            }
        }
        Ok(())
    }

    /// What it has logged.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn log(&self) -> anyhow::Result<String> {
        self.daemon.as_ref().map_or(Ok(String::new()), Daemon::log)
    }
}
