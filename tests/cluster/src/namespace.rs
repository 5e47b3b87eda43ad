//! A namespace of the cluster for one test: a release of the chart, and its end.

use std::time::Duration;

use anyhow::Context;
use lab::wait;
use serde_json::Value;

use crate::helm::Helm;
use crate::kubectl::Kubectl;
use crate::node::Node;

/// A namespace that admits only pods of the `restricted` Pod Security Standard.
#[derive(Debug)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// The node it is on.
    pub node: &'static Node,
    /// As the administrator, in it.
    pub kubectl: Kubectl,
    /// As the administrator, in it.
    pub helm: Helm,
}

/// What finds the gateways' pods.
pub const GATEWAYS: &str = "app.kubernetes.io/name=peel-gateway,app.kubernetes.io/instance";
/// What pods may take to come, to be ready, and to go.
pub const SOON: Duration = Duration::from_secs(60);
/// The lines of a log that a failure shows.
const TAIL: &str = "--tail=80";

/// Runs the body of a test in a namespace of its own, which is deleted afterwards. When the test fails, what is in the
/// namespace is printed first: pods, events, logs.
///
/// # Errors
/// Those of `body`; when there is no Kubernetes.
pub fn in_namespace(
    name: &str,
    body: impl FnOnce(&Namespace) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let namespace = Namespace::new(name)?;
    let outcome = body(&namespace);
    if outcome.is_err() {
        namespace.explain();
    }
    outcome
}

impl Namespace {
    fn new(name: &str) -> anyhow::Result<Namespace> {
        let node = Node::started()?;
        let name = name.to_owned();
        let (kubectl, helm) = (node.kubectl(&name), node.helm(&name));
        let namespace = Namespace { name, node, kubectl, helm };
        namespace.create()?;
        Ok(namespace)
    }

    /// Makes it, after [`Namespace::delete`] again.
    ///
    /// # Errors
    /// When it is there already.
    pub fn create(&self) -> anyhow::Result<()> {
        self.kubectl.run(&["create", "namespace", &self.name])?;
        let enforce = "pod-security.kubernetes.io/enforce=restricted";
        self.kubectl.run(&["label", "namespace", &self.name, enforce])?;
        // Pods need it, and a controller makes it.
        wait::until("the namespace's service account", SOON, || {
            Ok(self.kubectl.run(&["get", "serviceaccount", "default"]).ok())
        })?;
        Ok(())
    }

    /// Deletes it and all that is in it, and waits for its end.
    ///
    /// # Errors
    /// When it does not end.
    pub fn delete(&self) -> anyhow::Result<()> {
        let words = ["delete", "namespace", &self.name, "--timeout=90s"];
        self.kubectl.run_within(Duration::from_secs(95), &words).map(drop)
    }

    /// The gateways' pods of a release, by name.
    ///
    /// # Errors
    /// When the API server cannot be asked.
    pub fn gateways(&self, release: &str) -> anyhow::Result<Vec<Value>> {
        self.kubectl.items(&["pods", "--selector", &format!("{GATEWAYS}={release}")])
    }

    /// Waits until so many of a release's gateways are ready, and there is no other of its pods.
    ///
    /// # Errors
    /// When it does not come to pass.
    pub fn wait_for_gateways(&self, release: &str, count: usize) -> anyhow::Result<()> {
        let what = format!("{count} gateways of {release} that are ready, and no other");
        wait::until(&what, SOON, || {
            let pods = self.gateways(release)?;
            let ready = pods.iter().filter(|pod| is_ready(pod)).count();
            Ok((ready == count && pods.len() == count).then_some(()))
        })
    }

    /// What a gateway answers on its monitoring port, by the API server's proxy.
    ///
    /// # Errors
    /// When the answer is no 200.
    pub fn monitor(&self, pod: &str, path: &str) -> anyhow::Result<String> {
        let name = &self.name;
        let url = format!("/api/v1/namespaces/{name}/pods/{pod}:9583/proxy/{path}");
        self.kubectl.run(&["get", "--raw", &url])
    }

    /// How many sessions a signer has at a gateway, for signing.
    ///
    /// # Errors
    /// When the gateway does not say, or does not know the signer.
    pub fn sessions(&self, pod: &str, signer: &str) -> anyhow::Result<usize> {
        let status = self.monitor(pod, "status")?;
        let status: Value = serde_json::from_str(&status)?;
        let signers = status.get("signers").and_then(Value::as_array).context("no signers")?;
        let one = signers.iter().find(|one| one.get("name") == Some(&Value::from(signer)));
        let one = one.with_context(|| format!("{pod} does not know {signer}: {status}"))?;
        let sessions = one.get("sessions").and_then(Value::as_array).context("no sessions")?;
        let is_signing = |one: &&Value| one.get("service") == Some(&Value::from("signing"));
        Ok(sessions.iter().filter(is_signing).count())
    }

    /// Waits until a signer has a session at a gateway.
    ///
    /// # Errors
    /// When it has none soon.
    pub fn wait_for_session(&self, pod: &str, signer: &str) -> anyhow::Result<()> {
        let what = format!("a session of {signer} at {pod}");
        let mut last = String::new();
        let waited = wait::until(&what, SOON, || match self.sessions(pod, signer) {
            Ok(count) => Ok((count > 0).then_some(())),
            Err(error) => {
                last = format!("{error:#}");
                Ok(None)
            }
        });
        waited.with_context(|| last)
    }

    /// Prints what there is to know when something went wrong.
    fn explain(&self) {
        let parts: [&[&str]; 5] = [
            &["get", "all,endpointslices", "--output", "wide"],
            &["describe", "pods"],
            &["get", "events", "--sort-by=.lastTimestamp"],
            &["logs", "--selector", "app.kubernetes.io/name=peel-gateway", "--prefix", TAIL],
            &["logs", "--selector", "app=baker", "--prefix", TAIL],
        ];
        for words in parts {
            let said = self.kubectl.run(words).unwrap_or_else(|error| format!("{error:#}"));
            println!("---- kubectl {} in {}\n{said}", words.join(" "), self.name);
        }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.explain();
        }
        // What is not gone soon is gone with the node.
        let words = ["delete", "namespace", &self.name, "--wait=false", "--ignore-not-found"];
        if let Err(error) = self.kubectl.run(&words) {
            println!("{error:#}");
        }
    }
}

/// Whether a pod says so.
#[must_use]
pub fn is_ready(pod: &Value) -> bool {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    let is_ready = |one: &Value| {
        one.get("type") == Some(&"Ready".into()) && one.get("status") == Some(&"True".into())
    };
    conditions.is_some_and(|all| all.iter().any(is_ready))
        && pod.pointer("/metadata/deletionTimestamp").is_none()
}

/// A resource's name.
#[must_use]
pub fn name(resource: &Value) -> &str {
    resource.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
}
