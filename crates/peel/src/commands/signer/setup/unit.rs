//! The service of Debian's package: started when the folder is the package's own, and systemd runs.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

use crate::commands::signer::setup::plan::PACKAGED;

/// Whether there is a service that runs the signer of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    /// Of the package's own folder.
    Packaged,
    /// It is started by hand, or by a unit that is not the package's.
    Absent,
}

const UNIT: &str = "peel-signer.service";

impl Service {
    pub(super) fn of(folder: &Path) -> Service {
        let runs_systemd = Path::new("/run/systemd/system").exists();
        if folder == Path::new(PACKAGED.0) && runs_systemd && systemctl(&["cat"]).is_ok() {
            Service::Packaged
        } else {
            Service::Absent
        }
    }

    pub(super) fn is_active(self) -> bool {
        self == Service::Packaged && systemctl(&["is-active", "--quiet"]).is_ok()
    }

    /// Enables and starts it; of another folder, says how its signer is run.
    pub(super) fn start(self, config: &Path) -> anyhow::Result<()> {
        if self == Service::Absent {
            daemon::say!("\nStart it with \"peel signer run --config {}\".", config.display());
            return Ok(());
        }
        // A system whose root is read-only has it enabled.
        if systemctl(&["is-enabled", "--quiet"]).is_err() {
            systemctl(&["enable"])?;
        }
        systemctl(&["start"])?;
        daemon::say!(
            "service        {UNIT}: enabled, and started; \"peel status --watch\" shows how it is"
        );
        Ok(())
    }

    /// Has a service that runs take up what was changed: a second without signatures.
    pub(super) fn take_up(self, is_changed: bool) -> anyhow::Result<()> {
        if is_changed {
            systemctl(&["restart"])?;
        }
        let what = if is_changed { "started anew" } else { "running on" };
        daemon::say!("service        {UNIT}: {what}; \"peel status --watch\" shows how it is");
        Ok(())
    }
}

fn systemctl(words: &[&str]) -> anyhow::Result<()> {
    let run = Command::new("systemctl").args(words).arg(UNIT).output();
    let run = run.context("systemctl cannot be started")?;
    if run.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&run.stderr);
    bail!("systemctl {} {UNIT}: {}", words.join(" "), said.trim())
}
