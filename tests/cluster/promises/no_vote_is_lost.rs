//! Promised: with two gateways, a rolling upgrade, a drained node and a deleted pod cost no vote; a gateway killed with
//! SIGKILL costs those that are asked of it until it listens again, for about a second.
//!
//! Two bakers ask all the while, two votes a second each: one as octez-baker does, one over a connection that it keeps. A
//! vote is lost when it has no signature within 3.5 s (`bakers::OF_USE`), or when any failure but a 502 ends it: octez asks
//! again after a 502 only (`RetryClient` in `src/lib_rpc_http/RPC_client_unix.ml`).

use anyhow::ensure;
use cluster::bakers::Vote;
use cluster::events::Event;
use cluster::fixture::Fixture;
use cluster::namespace::in_namespace;

fn costs_no_vote(name: &str, event: Event) -> anyhow::Result<()> {
    in_namespace(name, |namespace| {
        let fixture = Fixture::open(namespace, 2)?;
        for votes in fixture.votes_during(|| event.happen(&fixture))? {
            ensure!(votes.lost().is_empty(), "{votes}: {:?}", votes.lost());
        }
        Ok(())
    })
}

#[test]
fn a_rolling_upgrade_costs_no_vote() -> anyhow::Result<()> {
    costs_no_vote("upgrade", Event::RollingUpgrade)
}

#[test]
fn a_drained_node_costs_no_vote() -> anyhow::Result<()> {
    costs_no_vote("drain", Event::Drain)
}

#[test]
fn a_deleted_pod_costs_no_vote() -> anyhow::Result<()> {
    costs_no_vote("deleted", Event::Delete)
}

/// No other program of the pod could answer for it: its address refuses connections until the kubelet has seen its end (it
/// looks once a second) and has started it again, or kube-proxy sends bakers elsewhere. octez asks once. What is left to
/// promise is how long that lasts, and that the other gateway's votes are signed all the while.
#[test]
fn a_killed_gateway_costs_no_vote_but_those_asked_of_it_until_it_listens_again()
-> anyhow::Result<()> {
    in_namespace("killed", |namespace| {
        let fixture = Fixture::open(namespace, 2)?;
        for votes in fixture.votes_during(|| Event::Kill.happen(&fixture))? {
            let lost = votes.lost();
            ensure!(lost.len() <= REFUSED, "{votes}: {lost:?}");
            let is_refused = |vote: &&Vote| {
                let error = vote.error.as_deref().unwrap_or_default();
                ["refused", "reset", "closed"].iter().any(|word| error.contains(word))
            };
            ensure!(lost.iter().all(is_refused), "{votes}: {lost:?}");
        }
        Ok(())
    })
}

/// Of a baker that asks twice a second, with two gateways killed one after the other, and up to two and a half seconds until
/// each listens again on a busy machine.
const REFUSED: usize = 2 * 5;
