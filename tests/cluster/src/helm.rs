//! The real Helm.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::kubectl::Kubectl;
use crate::run::said;

/// Helm in one namespace.
#[derive(Debug, Clone)]
pub struct Helm {
    pub(crate) program: PathBuf,
    pub(crate) kubectl: Kubectl,
}

/// For a release that waits for its pods.
const LIMIT: Duration = Duration::from_secs(120);

impl Helm {
    /// A command of it, to be started.
    #[must_use]
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.env("KUBECONFIG", &self.kubectl.config);
        command.args(["--namespace", &self.kubectl.namespace]).args(words).stdin(Stdio::null());
        command
    }

    /// Runs it; gives what it wrote.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn run(&self, words: &[&str]) -> anyhow::Result<String> {
        said(self.command(words), LIMIT)
    }

    /// `helm VERB RELEASE CHART` with these values and words: `install`, `upgrade`, `template`.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn release(
        &self,
        verb: &str,
        release: &str,
        values: &Value,
        words: &[&str],
    ) -> anyhow::Result<String> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("values.json");
        fs::write(&file, values.to_string())?;
        self.release_of(verb, release, &file, words)
    }

    /// The same with the values of a file.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn release_of(
        &self,
        verb: &str,
        release: &str,
        values: &Path,
        words: &[&str],
    ) -> anyhow::Result<String> {
        let (chart, values) = (chart(), values.display().to_string());
        let chart = chart.display().to_string();
        self.run(&[&[verb, release, &chart, "--values", &values], words].concat())
    }
}

/// The chart of the gateway.
#[must_use]
pub fn chart() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.unwrap_or(Path::new(".")).join("deploy/helm/peel-gateway")
}
