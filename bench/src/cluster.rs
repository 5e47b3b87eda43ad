//! Measures what `docs/performance.md` says of the gateway in Kubernetes: the image as it is shipped, the chart, and a real
//! node (`tests/cluster`).

use std::fs;
use std::time::Instant;

use anyhow::Context;
use cluster::bakers::{Connections, Votes};
use cluster::events::Event;
use cluster::fixture::{FIRST_LEVEL, Fixture, PORT, RELEASE, baker};
use cluster::home::Home;
use cluster::namespace::{Namespace, in_namespace};
use cluster::node::{self, Node};
use cluster::release::Release;
use lab::openssh::Endpoint;
use lab::process;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::report::{self, Row};
use crate::tunnel::crowd::{Crowd, Member, await_all};

const CROWDS: [u16; 3] = [1, 100, 1_000];
const MEGABYTE: f64 = 1e6;
const IMAGE_LIMIT: f64 = 20.0;

/// Everything of the table, one row after the other.
pub(crate) fn cluster() -> anyhow::Result<()> {
    let mut rows = vec![image()?, first_signature()?];
    for replicas in [1, 2] {
        for event in Event::ALL {
            rows.push(votes(event, replicas)?);
        }
    }
    for count in CROWDS {
        rows.push(memory(count)?);
    }
    report::write("cluster", &rows)
}

fn image() -> anyhow::Result<Row> {
    let bytes = u32::try_from(fs::metadata(Node::started()?.image())?.len())?;
    let size = f64::from(bytes) / MEGABYTE;
    Ok(Row {
        what: "the image, as an archive for amd64".to_owned(),
        promise: format!("under {IMAGE_LIMIT:.0} MB"),
        beside: None,
        measured: format!("{size:.1} MB"),
        kept: size < IMAGE_LIMIT,
    })
}

/// The signer is configured before, for an address that is known before.
fn first_signature() -> anyhow::Result<Row> {
    let mut took = None;
    in_namespace("first-signature", |namespace| {
        let mut home = Home::with_ledger(namespace.node, "home", PORT)?;
        let release = Release::new(namespace, RELEASE, 1)?;
        let started = Instant::now();
        let addresses = release.install(&release.values(&[&home])?)?;
        home.configure(&addresses, &release.host_key.public(), None)?;
        home.start()?;
        release.wait_until_ready()?;
        let baker = baker(&release, &home, Connections::New, FIRST_LEVEL)?;
        baker.so_far()?;
        took = Some(started.elapsed());
        Ok(())
    })?;
    let took = took.context("nothing was measured")?.as_secs_f64();
    Ok(Row {
        what: "from `helm install` to the first three votes of a baker's pod".to_owned(),
        promise: "none: what it takes".to_owned(),
        beside: None,
        measured: format!("{took:.1} s"),
        kept: true,
    })
}

fn votes(event: Event, replicas: usize) -> anyhow::Result<Row> {
    println!("\n{}, {replicas} gateways", event.name());
    let mut votes = None;
    in_namespace("votes", |namespace| {
        let fixture = Fixture::open(namespace, replicas)?;
        votes = Some(fixture.votes_during(|| event.happen(&fixture))?);
        // The next one has the same name.
        namespace.delete()
    })?;
    let [new, kept] = votes.context("nothing was measured")?;
    let lost = new.lost().len() + kept.lost().len();
    let gateways = if replicas == 1 { "one gateway" } else { "two gateways" };
    Ok(Row {
        what: format!("{}, {gateways}, two votes a second from each of two bakers", event.name()),
        promise: if replicas == 1 { "none: why there are two" } else { "no vote lost" }.to_owned(),
        beside: None,
        measured: format!("{}; {}", said("new connections", &new), said("a kept one", &kept)),
        kept: replicas == 1 || lost == 0,
    })
}

fn said(connections: &str, votes: &Votes) -> String {
    format!(
        "{connections}: {} of {} lost, slowest answer {:.2} s",
        votes.lost().len(),
        votes.0.len(),
        votes.slowest().as_secs_f64()
    )
}

/// Of the pod's program, once every signer has answered through it.
fn memory(count: u16) -> anyhow::Result<Row> {
    println!("\n{count} signers at one pod");
    let mut resident = 0;
    in_namespace(&format!("crowd-{count}"), |namespace| {
        resident = with_crowd(namespace, count)?;
        Ok(())
    })?;
    let megabytes = f64::from(u32::try_from(resident)?) * 1024.0 / MEGABYTE;
    Ok(Row {
        what: format!("memory of a gateway's pod, signers connected: {count}"),
        promise: "none: what to reserve".to_owned(),
        beside: None,
        measured: format!("{megabytes:.0} MB"),
        kept: true,
    })
}

fn with_crowd(namespace: &Namespace, count: u16) -> anyhow::Result<u64> {
    daemon::open_files::raise();
    let members: Vec<Member> = (0..count).map(Member::new).collect::<Result<_, _>>()?;
    let release = Release::new(namespace, RELEASE, 1)?;
    let mut values = release.values(&[])?;
    let signers = values.get_mut("signers").context("no signers")?;
    *signers = members.iter().map(entry).collect();
    let addresses = release.install(&values)?;
    let to = Endpoint {
        address: *addresses.first().context("no address")?,
        user: "signer".to_owned(),
        host_key: release.host_key.public(),
    };
    let runtime = Runtime::new()?;
    let crowd = Crowd::dial(&runtime, &members, &to);
    release.wait_until_ready()?;
    let ip = namespace.kubectl.text(&["service", &release.full_name()], "/spec/clusterIP")?;
    await_all(&runtime, format!("{ip}:6732").parse()?, &members)?;
    let memory = process::memory(node::process(&namespace.kubectl, &release.pod(0))?)?;
    crowd.leave(&runtime);
    Ok(memory.resident)
}

/// As the chart's values name it.
fn entry(member: &Member) -> Value {
    let known = member.known();
    let keys: Vec<String> = known.keys.iter().map(ToString::to_string).collect();
    json!({
        "name": known.name,
        "sshPublicKey": known.ssh_public_key.to_string(),
        "port": known.port,
        "keys": keys,
    })
}
