//! Promised: a host key that other users of the pod can read is explained with the value to set.

use anyhow::ensure;
use cluster::home::Home;
use cluster::namespace::{SOON, in_namespace};
use cluster::release::Release;
use serde_json::json;

use cluster::fixture::{PORT, RELEASE};

#[test]
fn a_secret_that_others_can_read_is_explained() -> anyhow::Result<()> {
    in_namespace("open-secret", |namespace| {
        let home = Home::new(namespace.node, "home", PORT)?;
        let release = Release::new(namespace, RELEASE, 1)?;
        let manifest = release.values(&[&home])?;
        let manifest = namespace.helm.release("template", RELEASE, &manifest, &[])?;
        // What Kubernetes takes when a manifest says nothing.
        ensure!(manifest.contains("defaultMode: 0440"), "{manifest}");
        namespace.kubectl.apply(&manifest.replace("defaultMode: 0440", "defaultMode: 0644"))?;
        let pod = release.pod(0);
        let log = lab::wait::until("the gateway's complaint", SOON, || {
            let log = namespace.kubectl.run(&["logs", &pod]).unwrap_or_default();
            Ok(log.contains("can be read by others").then_some(log))
        })?;
        println!("{}", json!(log.lines().last()));
        ensure!(log.contains("defaultMode: 0440"), "no cure in {log}");
        Ok(())
    })
}
