//! Promised: from an empty namespace to a signature with `helm install` and one edited file, under the `restricted` Pod
//! Security Standard.

use std::time::Instant;

use anyhow::ensure;
use cluster::bakers::Connections;
use cluster::home::Home;
use cluster::namespace::in_namespace;
use cluster::release::Release;

use cluster::fixture::{FIRST_LEVEL, Fixture, PORT, RELEASE, baker};

#[test]
fn the_first_signature_comes_from_an_empty_namespace() -> anyhow::Result<()> {
    in_namespace("first-signature", |namespace| {
        let mut home = Home::with_ledger(namespace.node, "home", PORT)?;
        let release = Release::new(namespace, RELEASE, 1)?;
        let values = release.values(&[&home])?;
        let started = Instant::now();
        let addresses = release.install(&values)?;
        home.configure(&addresses, &release.host_key.public(), None)?;
        home.start()?;
        release.wait_until_ready()?;
        let baker = baker(&release, &home, Connections::New, FIRST_LEVEL)?;
        println!("{:.1} s from \"helm install\" to three votes", started.elapsed().as_secs_f64());
        let votes = baker.so_far()?;
        ensure!(votes.lost().is_empty(), "{:?}", votes.lost());
        Ok(())
    })
}

/// Of every test: its pods run in a namespace that enforces it. Here is shown that it is enforced.
#[test]
fn a_pod_that_is_not_restricted_is_not_admitted() -> anyhow::Result<()> {
    const POD: &str = "{ apiVersion: v1, kind: Pod, metadata: { name: open }, \
                       spec: { containers: [{ name: open, image: open }] } }";
    in_namespace("restricted", |namespace| {
        let refused = namespace.kubectl.apply(POD).err().map(|error| error.to_string());
        let refused = refused.unwrap_or_default();
        ensure!(refused.contains("violates PodSecurity \"restricted"), "{refused}");
        Ok(())
    })
}

#[test]
fn helm_test_asks_every_signer() -> anyhow::Result<()> {
    in_namespace("helm-test", |namespace| {
        let mut fixture = Fixture::open(namespace, 2)?;
        let test = || namespace.helm.run(&["test", RELEASE, "--logs", "--timeout", "60s"]);
        let said = test()?;
        println!("{said}");
        ensure!(said.contains(fixture.home.name()), "no word of the signer: {said}");
        fixture.home.signer()?.kill()?;
        fixture.release.wait_until_not_ready()?;
        ensure!(test().is_err(), "a signer that cannot be asked was not noticed");
        Ok(())
    })
}
