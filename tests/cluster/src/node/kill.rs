//! SIGKILL to a pod's program, as when the node's memory runs out.

use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use lab::process::{Pid, Signal, send};
use lab::programs;

use crate::kubectl::Kubectl;
use crate::run::said;

const LIMIT: Duration = Duration::from_secs(10);

/// Kills the first process of a pod's first container.
///
/// # Errors
/// When it does not run.
pub fn kill(kubectl: &Kubectl, pod: &str) -> anyhow::Result<()> {
    send(process(kubectl, pod)?, Signal::KILL)
}

/// The first process of a pod's first container, as the node numbers it.
///
/// # Errors
/// When it does not run.
pub fn process(kubectl: &Kubectl, pod: &str) -> anyhow::Result<Pid> {
    let id = kubectl.text(&["pod", pod], "/status/containerStatuses/0/containerID")?;
    let id = id.strip_prefix("containerd://").with_context(|| id.clone())?.to_owned();
    let mut command = Command::new(programs::path("ctr")?);
    command.args(["--namespace", "k8s.io", "tasks", "list"]);
    let tasks = said(command, LIMIT)?;
    let task = tasks.lines().find(|line| line.starts_with(&id));
    let process = task.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    process.and_then(Pid::from_raw).with_context(|| format!("no process of {pod} in\n{tasks}"))
}
