//! Promised: with two gateways, a rolling upgrade, a drained node, a deleted pod and a gateway killed with SIGKILL cost no
//! vote, but for one that the killed one was answering.
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

/// From when the gateway is gone until it listens again, the stand-in in its pod says "ask again". What can be lost is what was
/// being answered in that very moment.
#[test]
fn a_killed_gateway_costs_no_vote_but_one_that_it_was_answering() -> anyhow::Result<()> {
    in_namespace("killed", |namespace| {
        let fixture = Fixture::open(namespace, 2)?;
        for votes in fixture.votes_during(|| Event::Kill.happen(&fixture))? {
            let lost = votes.lost();
            let is_refused =
                |vote: &&Vote| vote.error.as_deref().is_some_and(|error| error.contains("refused"));
            ensure!(!lost.iter().any(is_refused), "{votes}: {lost:?}");
            ensure!(lost.len() <= KILLS, "{votes}: {lost:?}");
        }
        Ok(())
    })
}

/// Each of the two gateways is killed once.
const KILLS: usize = 2;
