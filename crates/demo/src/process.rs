//! A daemon of ours in a process of its own, so that it can be killed for real.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail};
use tunnel::Identity;

/// A daemon and its folder. Dropping it kills it.
pub(crate) struct Process {
    /// The command of `peel` that it runs: `signer` or `gateway`.
    role: &'static str,
    folder: PathBuf,
    child: Option<Child>,
}

const KEY_FILE: &str = "key";

impl Process {
    /// Makes the folder, and writes an ssh key and a configuration that names it as `"key"`.
    pub(crate) fn new(
        role: &'static str,
        within: &Path,
        key: &Identity,
        configuration: &str,
    ) -> anyhow::Result<Process> {
        let folder = within.join(role);
        fs::create_dir(&folder)?;
        let owner_only = File::options().create_new(true).write(true).mode(0o600).clone();
        owner_only.open(folder.join(KEY_FILE))?.write_all(key.to_openssh()?.as_bytes())?;
        fs::write(folder.join(format!("{role}.toml")), configuration)?;
        Ok(Process { role, folder, child: None })
    }

    /// `peel signer run` or `peel gateway run`.
    pub(crate) fn start(&mut self) -> anyhow::Result<()> {
        let log = File::options().create(true).append(true).open(self.log_file())?;
        let child = Command::new(std::env::current_exe()?)
            .args([self.role, "run", "--config"])
            .arg(self.folder.join(format!("{}.toml", self.role)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("the {} cannot be started", self.role))?;
        self.child = Some(child);
        Ok(())
    }

    /// Fails when the process has ended by itself.
    pub(crate) fn still_runs(&mut self) -> anyhow::Result<()> {
        let Some(child) = &mut self.child else { return Ok(()) };
        match child.try_wait()? {
            Some(status) => bail!("the {} has ended ({status}):\n{}", self.role, self.log()),
            None => Ok(()),
        }
    }

    /// SIGKILL: no time to write or to say anything.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What it has logged, with its name.
    pub(crate) fn log(&self) -> String {
        let text = fs::read_to_string(self.log_file()).unwrap_or_default();
        format!("--- log of the {}\n{text}", self.role)
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("log")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // On the way out: one that is gone already is just as good.
        let _ = self.kill();
    }
}
