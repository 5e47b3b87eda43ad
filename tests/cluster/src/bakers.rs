//! Bakers in pods, and the votes they tell of.

use std::fmt;
use std::time::Duration;

use anyhow::Context;
use lab::wait;
use serde::{Deserialize, Serialize};

use crate::namespace::{Namespace, SOON};
use crate::node::PODS;

/// A vote that a baker asked for: a line of its log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Vote {
    /// What it is for.
    pub level: u32,
    /// From the question to the answer, with every attempt.
    pub took_ms: f64,
    /// How often it was asked again after a 502.
    pub asked_again: u32,
    /// Why there is no signature; none when there is one.
    pub error: Option<String>,
}

/// A vote is of use for about this long: a block comes every 6 s, and the votes of others are in it by then.
pub const OF_USE: Duration = Duration::from_millis(3500);

/// How a baker connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connections {
    /// A new one for each request, as octez does.
    New,
    /// One for all.
    Kept,
}

/// A pod that asks for two votes a second.
#[derive(Debug)]
pub struct BakerPod<'a> {
    namespace: &'a Namespace,
    name: String,
}

/// What a baker lived through.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Votes(pub Vec<Vote>);

impl Connections {
    fn word(self) -> &'static str {
        match self {
            Connections::New => "new",
            Connections::Kept => "kept",
        }
    }
}

impl BakerPod<'_> {
    /// Starts one that asks at `url`; the label lets it through the chart's NetworkPolicy.
    ///
    /// # Errors
    /// When the pod is refused.
    pub fn start<'a>(
        namespace: &'a Namespace,
        connections: Connections,
        url: &str,
        first_level: u32,
    ) -> anyhow::Result<BakerPod<'a>> {
        let (connections, first_level) = (connections.word(), first_level.to_string());
        let name = format!("baker-{connections}");
        let words = ["/baker", url, connections, &first_level];
        namespace.kubectl.apply(&manifest(&name, &words)?)?;
        Ok(BakerPod { namespace, name })
    }

    /// What it has lived through so far.
    ///
    /// # Errors
    /// When its log cannot be read.
    pub fn so_far(&self) -> anyhow::Result<Votes> {
        let log = self.namespace.kubectl.run(&["logs", &self.name])?;
        // The last line may be half there.
        let lines = log.lines().filter(|line| line.ends_with('}'));
        let votes = lines.map(|line| serde_json::from_str(line).with_context(|| line.to_owned()));
        Ok(Votes(votes.collect::<anyhow::Result<_>>()?))
    }

    /// Waits until it has `count` more votes than now, signed or not.
    ///
    /// # Errors
    /// When it has not within a minute.
    pub fn wait_for_votes(&self, count: usize) -> anyhow::Result<Votes> {
        let so_far = || self.so_far().unwrap_or_default();
        let goal = so_far().0.len() + count;
        let what = format!("{count} more votes of {}", self.name);
        wait::until(&what, SOON, || {
            let votes = so_far();
            Ok((votes.0.len() >= goal).then_some(votes))
        })
    }
}

impl Votes {
    /// Those without a signature, or with one that came too late to be of use.
    #[must_use]
    pub fn lost(&self) -> Vec<&Vote> {
        let limit = OF_USE.as_secs_f64() * 1000.0;
        self.0.iter().filter(|vote| vote.error.is_some() || vote.took_ms > limit).collect()
    }

    /// The signature that took longest.
    #[must_use]
    pub fn slowest(&self) -> Duration {
        let times = self.0.iter().filter(|vote| vote.error.is_none()).map(|vote| vote.took_ms);
        Duration::from_secs_f64(times.fold(0.0, f64::max) / 1000.0)
    }
}

impl fmt::Display for Votes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let again: u32 = self.0.iter().map(|vote| vote.asked_again).sum();
        write!(
            f,
            "{} votes, {} lost, slowest answer {:.0} ms, {again} asked again",
            self.0.len(),
            self.lost().len(),
            self.slowest().as_secs_f64() * 1000.0
        )
    }
}

fn manifest(name: &str, words: &[&str]) -> anyhow::Result<String> {
    let words = serde_json::to_string(words)?;
    Ok(format!(
        "apiVersion: v1
kind: Pod
metadata: {{ name: {name}, labels: {{ app: baker, peel-baker: \"true\" }} }}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 0
  automountServiceAccountToken: false
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    seccompProfile: {{ type: RuntimeDefault }}
  containers:
    - name: baker
      image: {PODS}
      command: {words}
      securityContext:
        allowPrivilegeEscalation: false
        capabilities: {{ drop: [ALL] }}
"
    ))
}
