//! The real kubectl.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use crate::run::{said, with_input};

/// kubectl with a configuration, in a namespace.
#[derive(Debug, Clone)]
pub struct Kubectl {
    /// All of Kubernetes in one program.
    pub(crate) program: PathBuf,
    /// Where the API server is, and as whom it is asked.
    pub config: PathBuf,
    pub(crate) namespace: String,
}

/// For one command that waits for nothing in the cluster.
const LIMIT: Duration = Duration::from_secs(30);
/// For the end of `kubectl wait`, beyond its own limit.
const MORE: Duration = Duration::from_secs(5);

impl Kubectl {
    /// A command of it, to be started.
    #[must_use]
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("kubectl").env("KUBECONFIG", &self.config);
        command.args(["--namespace", &self.namespace]).args(words).stdin(Stdio::null());
        command
    }

    /// Runs it; gives what it wrote.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn run(&self, words: &[&str]) -> anyhow::Result<String> {
        self.run_within(LIMIT, words)
    }

    /// The same, for what takes its time.
    ///
    /// # Errors
    /// When it fails, or has not ended within `limit`.
    pub fn run_within(&self, limit: Duration, words: &[&str]) -> anyhow::Result<String> {
        said(self.command(words), limit)
    }

    /// `kubectl get … --output json`.
    ///
    /// # Errors
    /// When there is no such thing.
    pub fn json(&self, words: &[&str]) -> anyhow::Result<Value> {
        let text = self.run(&[&["get", "--output", "json"], words].concat())?;
        serde_json::from_str(&text).with_context(|| text.clone())
    }

    /// All that `kubectl get …` finds.
    ///
    /// # Errors
    /// When the API server cannot be asked.
    pub fn items(&self, words: &[&str]) -> anyhow::Result<Vec<Value>> {
        let list = self.json(words)?;
        Ok(list.get("items").and_then(Value::as_array).cloned().unwrap_or_default())
    }

    /// `kubectl apply` of this text.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub fn apply(&self, manifest: &str) -> anyhow::Result<String> {
        self.send(manifest, &["apply"])
    }

    /// A command that reads a manifest: `apply`, `create --dry-run=server`, …
    ///
    /// # Errors
    /// When the API server refuses it.
    pub fn send(&self, manifest: &str, words: &[&str]) -> anyhow::Result<String> {
        let mut command = self.command(&[words, &["--filename", "-"]].concat());
        with_input(&mut command, manifest)?;
        said(command, LIMIT)
    }

    /// `kubectl wait --for=condition=…`.
    ///
    /// # Errors
    /// When it does not come to pass within `limit`.
    pub fn wait_for(&self, condition: &str, limit: Duration, what: &[&str]) -> anyhow::Result<()> {
        let condition = format!("--for={condition}");
        let timeout = format!("--timeout={}s", limit.as_secs());
        let words = [&["wait", &condition, &timeout], what].concat();
        self.run_within(limit + MORE, &words).map(drop)
    }

    /// A value at a place of a resource, as a text.
    ///
    /// # Errors
    /// When it is not there.
    pub fn text(&self, what: &[&str], place: &str) -> anyhow::Result<String> {
        let value = self.json(what)?;
        let found = value.pointer(place).and_then(Value::as_str);
        Ok(found.with_context(|| format!("no {place} in {value}"))?.to_owned())
    }
}
