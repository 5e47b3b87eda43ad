//! Promised: with two gateways, a baker is sent to the one that has a signer.

use anyhow::{Context, ensure};
use cluster::bakers::Connections;
use cluster::home::Home;
use cluster::namespace::{in_namespace, is_ready};
use cluster::release::Release;

use cluster::fixture::{FIRST_LEVEL, PORT, RELEASE, baker};

#[test]
fn a_baker_is_sent_to_no_gateway_without_a_signer() -> anyhow::Result<()> {
    in_namespace("one-of-two", |namespace| {
        let mut home = Home::new(namespace.node, "home", PORT)?;
        let release = Release::new(namespace, RELEASE, 2)?;
        let addresses = release.install(&release.values(&[&home])?)?;
        let first = addresses.get(..1).context("no address")?;
        home.configure(first, &release.host_key.public(), None)?;
        home.start()?;
        namespace.wait_for_session(&release.pod(0), home.name())?;
        let pod = |number| namespace.kubectl.json(&["pod", &release.pod(number)]);
        lab::wait::until("a gateway that is ready", cluster::namespace::SOON, || {
            Ok(is_ready(&pod(0)?).then_some(()))
        })?;
        let votes = baker(&release, &home, Connections::New, FIRST_LEVEL)?.wait_for_votes(20)?;
        println!("{votes}");
        ensure!(!is_ready(&pod(1)?), "a gateway without a signer is ready");
        ensure!(votes.lost().is_empty(), "{:?}", votes.lost());
        let asked_again = votes.0.iter().filter(|vote| vote.asked_again > 0).count();
        ensure!(asked_again == 0, "{asked_again} votes met a gateway without a signer");
        Ok(())
    })
}
