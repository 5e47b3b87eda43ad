//! Promised: the NetworkPolicy lets the labelled bakers to the bakers' ports, and no other pod. The node's network enforces
//! no policies, so it is its selectors that are asked here, by the API server itself.

use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use cluster::namespace::{in_namespace, name};
use serde_json::Value;

use cluster::fixture::Fixture;

#[test]
fn the_network_policy_selects_bakers_and_no_other_pod() -> anyhow::Result<()> {
    in_namespace("policy", |namespace| {
        let fixture = Fixture::open(namespace, 2)?;
        fixture.votes_during(|| Ok(()))?;
        namespace.kubectl.apply(OTHER)?;
        let policy = namespace.kubectl.json(&["networkpolicy", &fixture.release.full_name()])?;
        let select = |selector: &Value| -> anyhow::Result<BTreeSet<String>> {
            let labels = labels(selector)?;
            let pods = namespace.kubectl.items(&["pods", "--selector", &labels])?;
            Ok(pods.iter().map(|pod| name(pod).to_owned()).collect())
        };
        let guarded = select(policy.pointer("/spec/podSelector").context("no podSelector")?)?;
        let gateways: BTreeSet<String> = fixture.release.pods()?.into_iter().collect();
        ensure!(guarded == gateways, "guarded are {guarded:?}");

        let rules =
            policy.pointer("/spec/ingress").and_then(Value::as_array).context("no rules")?;
        let of_bakers = rules.iter().filter(|rule| has_port(rule, &"bakers".into()));
        let of_bakers: Vec<&Value> = of_bakers.collect();
        let [rule] = of_bakers.as_slice() else { anyhow::bail!("not one rule: {of_bakers:?}") };
        let peers = rule.get("from").and_then(Value::as_array).context("it is open to all")?;
        let [peer] = peers.as_slice() else { anyhow::bail!("not one peer: {peers:?}") };
        ensure!(peer.get("namespaceSelector").is_none(), "of other namespaces: {peer}");
        let let_in = select(peer.get("podSelector").context("no podSelector")?)?;
        ensure!(let_in == ["baker-kept", "baker-new"].map(str::to_owned).into(), "{let_in:?}");
        Ok(())
    })
}

/// A pod of the same namespace that is no baker; it need not run.
const OTHER: &str = "{ apiVersion: v1, kind: Pod, metadata: { name: other, labels: { app: other } }, \
    spec: { securityContext: { runAsNonRoot: true, runAsUser: 1, seccompProfile: { type: RuntimeDefault } }, \
    containers: [{ name: other, image: other, \
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: [ALL] } } }] } }";

fn has_port(rule: &Value, port: &Value) -> bool {
    let ports = rule.get("ports").and_then(Value::as_array);
    ports.is_some_and(|ports| ports.iter().any(|one| one.get("port") == Some(port)))
}

/// `a=b,c=d`.
fn labels(selector: &Value) -> anyhow::Result<String> {
    let labels = selector.get("matchLabels").and_then(Value::as_object);
    let labels = labels.with_context(|| format!("no labels in {selector}"))?.iter();
    let labels = labels.map(|(name, value)| Some(format!("{name}={}", value.as_str()?)));
    Ok(labels.collect::<Option<Vec<String>>>().context("labels that are no texts")?.join(","))
}
