//! Promised: `helm upgrade` adds a signer, changes it and takes it away, without a reconnect of another signer and without a
//! restart of a pod.

use anyhow::{Context, ensure};
use cluster::home::Home;
use cluster::namespace::in_namespace;
use serde_json::Value;

use cluster::fixture::{Fixture, PORT};

#[test]
fn a_signer_added_by_helm_upgrade_touches_no_other() -> anyhow::Result<()> {
    in_namespace("added", |namespace| {
        let mut fixture = Fixture::open(namespace, 1)?;
        let release = &fixture.release;
        let pod = release.pod(0);
        let uid = namespace.kubectl.text(&["pod", &pod], "/metadata/uid")?;
        let bookmark = fixture.home.signer()?.bookmark()?;
        let since = since(&namespace.monitor(&pod, "status")?)?;

        let mut office = Home::new(namespace.node, "office", PORT + 1)?;
        release.upgrade(&release.values(&[&fixture.home, &office])?)?;
        office.configure(&fixture.addresses, &release.host_key.public(), None)?;
        office.start()?;
        namespace.wait_for_session(&pod, office.name())?;
        let wait = |metric: &str| {
            lab::wait::until(metric, cluster::namespace::SOON, || {
                let metrics = namespace.monitor(&pod, "metrics")?;
                Ok(metrics.lines().any(|line| line == metric).then_some(()))
            })
        };
        wait("peel_gateway_config_last_reload_successful 1")?;

        release.upgrade(&fixture.values)?;
        lab::wait::until("the end of the second signer", cluster::namespace::SOON, || {
            let status = namespace.monitor(&pod, "status")?;
            Ok((!status.contains("\"office\"")).then_some(()))
        })?;
        let same = namespace.kubectl.text(&["pod", &pod], "/metadata/uid")?;
        ensure!(same == uid, "the pod was made again");
        let same = self::since(&namespace.monitor(&pod, "status")?)?;
        ensure!(same == since, "the first signer connected again: {since:?}, then {same:?}");
        let log = fixture.home.signer()?.log_after(bookmark)?;
        ensure!(!log.contains("connected"), "{log}");
        Ok(())
    })
}

/// Since when the sessions of the first signer are there.
fn since(status: &str) -> anyhow::Result<Vec<Value>> {
    let status: Value = serde_json::from_str(status)?;
    let sessions = status.pointer("/signers/0/sessions").and_then(Value::as_array);
    let sessions = sessions.context("no sessions")?.iter();
    Ok(sessions.filter_map(|session| session.get("since").cloned()).collect())
}
