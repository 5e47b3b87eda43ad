//! Promised: a ConfigMap with a wrong signer is refused loudly, and the signers that were there go on.

use anyhow::{Context, ensure};
use cluster::bakers::Connections;
use cluster::namespace::{Namespace, SOON, in_namespace};
use serde_json::json;

use cluster::fixture::{FIRST_LEVEL, Fixture, baker};

const OK: &str = "peel_gateway_config_last_reload_successful";

#[test]
fn a_wrong_configmap_takes_no_signer_down() -> anyhow::Result<()> {
    in_namespace("wrong-configmap", |namespace| {
        let fixture = Fixture::open(namespace, 1)?;
        let (map, pod) = (fixture.release.full_name(), fixture.release.pod(0));
        let good = namespace.kubectl.text(&["configmap", &map], "/data/gateway.toml")?;
        let baker = baker(&fixture.release, &fixture.home, Connections::New, FIRST_LEVEL)?;

        // The same signer twice.
        let signer = good.split_once("[[signer]]").context("no signer in it")?.1;
        write(namespace, &map, &format!("{good}\n[[signer]]{signer}"))?;
        wait_for(namespace, &pod, &format!("{OK} 0"))?;
        let log = namespace.kubectl.run(&["logs", &pod])?;
        ensure!(log.contains("home"), "the log does not say what is wrong: {log}");
        let votes = baker.wait_for_votes(6)?;

        write(namespace, &map, &good)?;
        wait_for(namespace, &pod, &format!("{OK} 1"))?;
        println!("{votes}");
        ensure!(votes.lost().is_empty(), "{:?}", votes.lost());
        Ok(())
    })
}

fn write(namespace: &Namespace, map: &str, text: &str) -> anyhow::Result<()> {
    let patch = json!({ "data": { "gateway.toml": text } }).to_string();
    namespace.kubectl.run(&["patch", "configmap", map, "--patch", &patch]).map(drop)
}

fn wait_for(namespace: &Namespace, pod: &str, metric: &str) -> anyhow::Result<()> {
    lab::wait::until(metric, SOON, || {
        let metrics = namespace.monitor(pod, "metrics")?;
        Ok(metrics.lines().any(|line| line == metric).then_some(()))
    })
}
