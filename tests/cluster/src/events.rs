//! What happens to gateways while bakers ask.

use std::time::Duration;

use anyhow::ensure;
use lab::wait;
use serde_json::{Value, json};

use crate::fixture::Fixture;
use crate::namespace::Namespace;
use crate::node;

/// For an event with two gateways that come and go.
const LIMIT: Duration = Duration::from_secs(120);

/// Something that happens to every gateway of a release, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// `helm upgrade` to another pod template.
    RollingUpgrade,
    /// `kubectl drain` of the node, and `uncordon`. There is one node: what is evicted cannot come elsewhere, so that with
    /// two gateways the PodDisruptionBudget keeps the second.
    Drain,
    /// `kubectl delete pod`.
    Delete,
    /// SIGKILL to the program.
    Kill,
}

impl Event {
    /// All of them.
    pub const ALL: [Event; 4] = [Event::RollingUpgrade, Event::Drain, Event::Delete, Event::Kill];

    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Event::RollingUpgrade => "rolling upgrade",
            Event::Drain => "node drained",
            Event::Delete => "pod deleted",
            Event::Kill => "pod killed with SIGKILL",
        }
    }

    /// Lets it happen; returns when every gateway is ready again, and has the signer.
    ///
    /// # Errors
    /// When they do not come back.
    pub fn happen(self, fixture: &Fixture<'_>) -> anyhow::Result<()> {
        let namespace = fixture.release.namespace;
        match self {
            Event::RollingUpgrade => upgrade(namespace, fixture)?,
            Event::Drain => drain(namespace, fixture)?,
            Event::Delete => each(fixture, |pod| {
                namespace.kubectl.run_within(LIMIT, &["delete", "pod", pod]).map(drop)
            })?,
            Event::Kill => each(fixture, |pod| kill(namespace, pod))?,
        }
        settle(fixture)
    }
}

fn settle(fixture: &Fixture<'_>) -> anyhow::Result<()> {
    fixture.release.wait_until_ready()?;
    fixture.release.wait_for_sessions(&fixture.home)
}

/// One after the other, each when the one before is back.
fn each(fixture: &Fixture<'_>, happens: impl Fn(&str) -> anyhow::Result<()>) -> anyhow::Result<()> {
    for pod in fixture.release.pods()? {
        happens(&pod)?;
        settle(fixture)?;
    }
    Ok(())
}

fn upgrade(namespace: &Namespace, fixture: &Fixture<'_>) -> anyhow::Result<()> {
    let mut values = fixture.values.clone();
    if let Some(values) = values.as_object_mut() {
        values.insert("podAnnotations".into(), json!({ "turn": "2" }));
    }
    fixture.release.upgrade(&values)?;
    let set = format!("statefulset/{}", fixture.release.full_name());
    namespace.kubectl.run_within(LIMIT, &["rollout", "status", &set, "--timeout=110s"]).map(drop)
}

fn drain(namespace: &Namespace, fixture: &Fixture<'_>) -> anyhow::Result<()> {
    let gateways = "--pod-selector=app.kubernetes.io/name=peel-gateway";
    let words = ["drain", "node", gateways, "--delete-emptydir-data", "--timeout=25s"];
    let drained = namespace.kubectl.run_within(LIMIT, &words);
    namespace.kubectl.run(&["uncordon", "node"])?;
    if fixture.addresses.len() < 2 {
        return drained.map(drop);
    }
    let refused = drained.err().map(|error| error.to_string()).unwrap_or_default();
    ensure!(refused.contains("disruption budget"), "both pods went: {refused}");
    Ok(())
}

fn kill(namespace: &Namespace, pod: &str) -> anyhow::Result<()> {
    let before = restarts(namespace, pod)?;
    node::kill(&namespace.kubectl, pod)?;
    wait::until("the container's restart", LIMIT, || {
        Ok((restarts(namespace, pod)? > before).then_some(()))
    })
}

fn restarts(namespace: &Namespace, pod: &str) -> anyhow::Result<u64> {
    let pod = namespace.kubectl.json(&["pod", pod])?;
    let count = pod.pointer("/status/containerStatuses/0/restartCount").and_then(Value::as_u64);
    Ok(count.unwrap_or_default())
}
