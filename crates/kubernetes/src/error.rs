//! What can go wrong on the way, each with its cure.

use std::time::Duration;

use kube::client::{AuthError, UpgradeConnectionError};
use kube::config::KubeconfigError;
use thiserror::Error;

/// The configuration names no cluster that could be asked: misuse.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// There is no kubeconfig, and this is no pod.
    #[error(
        "no Kubernetes cluster is configured: {kubeconfig} is not there, and this is no pod; set KUBECONFIG, or reach a gateway without Kubernetes with --via USER@HOST"
    )]
    Missing {
        /// Where it was looked for.
        kubeconfig: String,
    },
    /// It has no such context.
    #[error("no context {name:?} in the kubeconfig; there {}", are(.there))]
    NoContext {
        /// The context that was asked for.
        name: String,
        /// Those there are.
        there: Vec<String>,
    },
    /// No context is the current one, and none was named.
    #[error("the kubeconfig has no current context; name one with --context: there {}", are(.there))]
    NoCurrentContext {
        /// Those there are.
        there: Vec<String>,
    },
    /// It cannot be read, or what it names cannot.
    #[error("the kubeconfig cannot be used: {0}")]
    Unusable(String),
}

/// The API server did not do what was asked of it.
#[derive(Debug, Error)]
pub enum ApiError {
    /// Nothing answers there.
    #[error(
        "the Kubernetes API at {server} is not reached: {why}; is the cluster up, and is it the right context?"
    )]
    Unreachable {
        /// Its address.
        server: String,
        /// The cause.
        why: String,
    },
    /// It does not say in time whether it will.
    #[error("the Kubernetes API at {server} does not answer within {} s; try again", .limit.as_secs())]
    TooSlow {
        /// Its address.
        server: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// It does not know who asks.
    #[error(
        "the Kubernetes API at {server} does not accept the credentials of the kubeconfig (401); log in to the cluster anew"
    )]
    Unauthorized {
        /// Its address.
        server: String,
    },
    /// The account may not do this.
    #[error(
        "forbidden: this account may not {verb} {resource} in the namespace {namespace:?} ({said}); bind it to this Role: {}",
        role(.namespace)
    )]
    Forbidden {
        /// What is done to the resource.
        verb: &'static str,
        /// The resource.
        resource: &'static str,
        /// Where.
        namespace: String,
        /// The server's own words.
        said: String,
    },
    /// A program of the kubeconfig that gives credentials, or a file that has them.
    #[error(
        "no credentials for the cluster from {program}: {why}; is it there, and are you logged in to the cluster?"
    )]
    Credentials {
        /// What should have given them.
        program: String,
        /// The cause.
        why: String,
    },
    /// Any other refusal.
    #[error("the Kubernetes API at {server} answers: {said}")]
    Refused {
        /// Its address.
        server: String,
        /// Its words.
        said: String,
    },
}

/// No pod of a gateway was found.
#[derive(Debug, Error)]
pub enum FindError {
    /// The API said no.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// No pod has the labels of the chart.
    #[error("no pod with the label {selector} in the namespace {namespace:?}{}", hint(.elsewhere))]
    None {
        /// The labels that were asked for.
        selector: String,
        /// Where they were looked for.
        namespace: String,
        /// Other namespaces that have such pods, as far as this account may look.
        elsewhere: Vec<String>,
    },
    /// Several releases of the chart are there, and none was named.
    #[error("several releases in the namespace {namespace:?}: {}; name one with --release", .releases.join(", "))]
    Releases {
        /// Where.
        namespace: String,
        /// Their names.
        releases: Vec<String>,
    },
}

/// A pod gave no answer.
#[derive(Debug, Error)]
pub enum AskError {
    /// No way to it.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// It is not there to answer.
    #[error("pod {pod} is {state}")]
    NotRunning {
        /// The pod.
        pod: String,
        /// What it is instead.
        state: String,
    },
    /// What came was no answer.
    #[error(
        "port {port} of pod {pod} gives no answer: {why}; is it a Peel of this version, with its [monitor] there?"
    )]
    NoAnswer {
        /// The pod.
        pod: String,
        /// Its port.
        port: u16,
        /// The cause.
        why: String,
    },
}

/// A port-forward ended otherwise than by the client's own will.
#[derive(Debug, Error)]
pub enum ForwardError {
    /// The pod was deleted or made anew meanwhile.
    #[error("pod {pod} is {state}: the connection went with it; run the command again")]
    PodGone {
        /// The pod.
        pod: String,
        /// What it is instead.
        state: String,
    },
    /// The node could not connect to the port.
    #[error("port {port} of pod {pod} is not reached: {said}")]
    Port {
        /// The pod.
        pod: String,
        /// Its port.
        port: u16,
        /// The node's words.
        said: String,
    },
    /// The port was closed before a byte came.
    #[error("port {port} of pod {pod} was closed at once: what it leads to is gone")]
    Silent {
        /// The pod.
        pod: String,
        /// Its port.
        port: u16,
    },
    /// The way through the API broke.
    #[error("the connection to pod {pod} broke: {why}; run the command again")]
    Broken {
        /// The pod.
        pod: String,
        /// The cause.
        why: String,
    },
}

impl FindError {
    /// Whether the command line has to say more.
    #[must_use]
    pub fn is_misuse(&self) -> bool {
        matches!(self, FindError::Releases { .. })
    }
}

impl ConfigError {
    pub(crate) fn of(error: &KubeconfigError) -> ConfigError {
        ConfigError::Unusable(in_one_line(error))
    }
}

/// What was asked of the API, for its errors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) server: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) verb: &'static str,
    pub(crate) resource: &'static str,
}

impl Asked<'_> {
    /// In the words of this page.
    pub(crate) fn failed(self, error: kube::Error) -> ApiError {
        let server = self.server.to_owned();
        let why = in_one_line(&error);
        if let kube::Error::Api(status) = &error {
            return self.refused(status.code, &status.message);
        }
        if let kube::Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(status)) =
            &error
        {
            return self.refused(status.as_u16(), status.as_str());
        }
        if matches!(error, kube::Error::Auth(_)) {
            let why = without_credentials(&error);
            return ApiError::Credentials { program: "the kubeconfig".to_owned(), why };
        }
        if let kube::Error::Service(cause) = &error {
            return ApiError::Unreachable { server, why: in_one_line(&**cause) };
        }
        ApiError::Refused { server, said: why }
    }

    pub(crate) fn too_slow(self, limit: Duration) -> ApiError {
        ApiError::TooSlow { server: self.server.to_owned(), limit }
    }

    fn refused(self, code: u16, said: &str) -> ApiError {
        let said = if said.is_empty() { format!("HTTP {code}") } else { clean(said) };
        match code {
            401 => ApiError::Unauthorized { server: self.server.to_owned() },
            403 => ApiError::Forbidden {
                verb: self.verb,
                resource: self.resource,
                namespace: self.namespace.to_owned(),
                said,
            },
            _ => ApiError::Refused { server: self.server.to_owned(), said },
        }
    }
}

/// Why a kubeconfig gave no credentials: in the words of the program that should have, if it failed.
pub(crate) fn without_credentials(error: &kube::Error) -> String {
    let kube::Error::Auth(cause) = error else { return in_one_line(error) };
    let AuthError::AuthExecRun { out, .. } = cause else { return in_one_line(cause) };
    let said = clean(&String::from_utf8_lossy(&out.stderr));
    if said.is_empty() { out.status.to_string() } else { format!("{}: {said}", out.status) }
}

/// All that `peel ssh` and `peel status` ask for, as "kubectl apply -f -" reads it. A port-forward over WebSocket is a GET;
/// servers from 1.35 on ask for the verb "create" all the same.
fn role(namespace: &str) -> String {
    format!(
        "{{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {{name: peel-ssh, namespace: {namespace}}}, rules: [{{apiGroups: [\"\"], resources: [pods], verbs: [get, list]}}, {{apiGroups: [\"\"], resources: [pods/portforward], verbs: [get, create]}}]}}"
    )
}

fn are(names: &[String]) -> String {
    match names {
        [] => "is none".to_owned(),
        [one] => format!("is {one}"),
        several => format!("are {}", several.join(", ")),
    }
}

fn hint(elsewhere: &[String]) -> String {
    if elsewhere.is_empty() {
        return "; name the gateway's namespace with --namespace".to_owned();
    }
    format!("; name another with --namespace: {}", elsewhere.join(", "))
}

/// An error and its causes; what was said already is left out.
pub(crate) fn in_one_line(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        cause = error.source();
    }
    clean(&line)
}

/// Text of another program, in one line of bounded length.
fn clean(text: &str) -> String {
    let text: String = text.chars().take(LONGEST).collect();
    text.split(|c: char| c.is_control() || c == ' ')
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

const LONGEST: usize = 600;

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Asked<'_> =
        Asked { server: "https://k", namespace: "cloud", verb: "list", resource: "pods" };

    #[test]
    fn forbidden_names_verb_resource_namespace_and_a_role() {
        let said = "pods is forbidden: User \"eve\" cannot list\nresource \"pods\"";
        let line = ASKED.refused(403, said).to_string();
        for word in [
            "may not list pods in the namespace \"cloud\"",
            "cannot list resource",
            "kind: Role",
            "namespace: cloud}",
            "pods/portforward",
        ] {
            assert!(line.contains(word), "{word} is not in {line}");
        }
        assert_eq!(line.lines().count(), 1);
    }

    #[test]
    fn a_namespace_without_the_chart_is_named_with_those_that_have_it() {
        let none = |elsewhere: &[&str]| FindError::None {
            selector: "a=b".to_owned(),
            namespace: "default".to_owned(),
            elsewhere: elsewhere.iter().map(|&name| name.to_owned()).collect(),
        };
        assert!(none(&[]).to_string().ends_with("name the gateway's namespace with --namespace"));
        assert!(none(&["peel", "x"]).to_string().ends_with("with --namespace: peel, x"));
    }
}
