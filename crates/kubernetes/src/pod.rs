//! A pod of the chart.

use std::fmt;

use k8s_openapi::api::core::v1::{ContainerState, Pod, PodStatus};

/// A pod of a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayPod {
    /// Its name.
    pub name: String,
    /// The Helm release that it belongs to; empty when it does not say.
    pub release: String,
    /// The port of its `[monitor]`.
    pub monitor_port: u16,
    /// Whether it can be asked.
    pub state: PodState,
}

/// Whether a pod can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PodState {
    /// Its container runs.
    Running,
    /// It does not, for this reason, in the words of Kubernetes.
    Not(String),
}

/// A pod may have the name of one before it, and its container may have been started anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PodLife {
    id: Option<String>,
    restarts: i32,
}

pub(crate) const RELEASE: &str = "app.kubernetes.io/instance";
/// The name of the port in the chart.
const MONITOR: &str = "monitor";
const MONITOR_PORT: u16 = 9583;

impl GatewayPod {
    pub(crate) fn of(pod: &Pod) -> GatewayPod {
        let labels = pod.metadata.labels.as_ref();
        GatewayPod {
            name: pod.metadata.name.clone().unwrap_or_default(),
            release: labels.and_then(|it| it.get(RELEASE)).cloned().unwrap_or_default(),
            monitor_port: monitor_port(pod).unwrap_or(MONITOR_PORT),
            state: PodState::of(pod),
        }
    }
}

fn monitor_port(pod: &Pod) -> Option<u16> {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let mut ports = containers.flat_map(|container| container.ports.iter().flatten());
    let port = ports.find(|port| port.name.as_deref() == Some(MONITOR))?;
    u16::try_from(port.container_port).ok()
}

impl PodState {
    pub(crate) fn of(pod: &Pod) -> PodState {
        if pod.metadata.deletion_timestamp.is_some() {
            return PodState::Not("being deleted".to_owned());
        }
        let Some(status) = &pod.status else { return PodState::Not("not started".to_owned()) };
        let phase = status.phase.as_deref().unwrap_or("not started");
        match waits_for(status) {
            Some(reason) => PodState::Not(format!("{phase} ({reason})")),
            None if phase == "Running" => PodState::Running,
            None => PodState::Not(phase.to_owned()),
        }
    }
}

impl PodLife {
    pub(crate) fn of(pod: &Pod) -> PodLife {
        let status = pod.status.as_ref();
        let containers = status.iter().flat_map(|it| it.container_statuses.iter().flatten());
        PodLife {
            id: pod.metadata.uid.clone(),
            restarts: containers.map(|it| it.restart_count).sum(),
        }
    }

    /// What was done to it, if it is another one now.
    pub(crate) fn became(&self, now: &PodLife) -> Option<&'static str> {
        if self.id != now.id {
            return Some("made anew");
        }
        (self.restarts != now.restarts).then_some("started anew")
    }
}

/// The reason of the first container that does not run.
fn waits_for(status: &PodStatus) -> Option<String> {
    let containers = status.container_statuses.iter().flatten();
    containers.filter_map(|it| it.state.as_ref()).find_map(reason)
}

fn reason(state: &ContainerState) -> Option<String> {
    let waiting = state.waiting.as_ref().and_then(|it| it.reason.clone());
    let ended = state.terminated.as_ref().and_then(|it| it.reason.as_ref());
    waiting.or_else(|| ended.map(|reason| format!("its container has ended: {reason}")))
}

impl fmt::Display for PodState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PodState::Running => f.write_str("running"),
            PodState::Not(why) => f.write_str(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{ContainerStateWaiting, ContainerStatus};

    use super::*;

    fn pod(id: &str, restarts: i32, waiting: Option<&str>) -> Pod {
        let waiting = waiting.map(|reason| ContainerStateWaiting {
            reason: Some(reason.to_owned()),
            ..ContainerStateWaiting::default()
        });
        let container = ContainerStatus {
            restart_count: restarts,
            state: Some(ContainerState { waiting, ..ContainerState::default() }),
            ..ContainerStatus::default()
        };
        let mut pod = Pod::default();
        pod.metadata.uid = Some(id.to_owned());
        pod.status = Some(PodStatus {
            phase: Some("Running".to_owned()),
            container_statuses: Some(vec![container]),
            ..PodStatus::default()
        });
        pod
    }

    #[test]
    fn a_pod_that_was_replaced_under_its_name_is_noticed() {
        let before = PodLife::of(&pod("a", 0, None));
        for (now, became) in
            [(("a", 0), None), (("b", 0), Some("made anew")), (("a", 1), Some("started anew"))]
        {
            assert_eq!(before.became(&PodLife::of(&pod(now.0, now.1, None))), became, "{now:?}");
        }
    }

    #[test]
    fn a_pod_says_what_it_waits_for() {
        assert_eq!(PodState::of(&pod("a", 0, None)), PodState::Running);
        let waits = PodState::of(&pod("a", 7, Some("CrashLoopBackOff")));
        assert_eq!(waits.to_string(), "Running (CrashLoopBackOff)");
        assert_ne!(waits, PodState::Running);
    }
}
