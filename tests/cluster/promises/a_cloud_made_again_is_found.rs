//! Promised: delete everything, install again with the same host key, and the signer comes back by itself.

use std::time::Instant;

use anyhow::ensure;
use cluster::bakers::Connections;
use cluster::namespace::in_namespace;

use cluster::fixture::{FIRST_LEVEL, Fixture, baker};

/// Above what the baker before can have asked for.
const LATER: u32 = FIRST_LEVEL + 200;

#[test]
fn a_namespace_made_again_with_its_host_key_is_found() -> anyhow::Result<()> {
    in_namespace("made-again", |namespace| {
        let fixture = Fixture::open(namespace, 1)?;
        baker(&fixture.release, &fixture.home, Connections::New, FIRST_LEVEL)?;
        namespace.delete()?;
        namespace.create()?;
        let started = Instant::now();
        let addresses = fixture.release.install(&fixture.values)?;
        ensure!(addresses == fixture.addresses, "another address: {addresses:?}");
        fixture.release.wait_until_ready()?;
        println!("ready {:.1} s after \"helm install\"", started.elapsed().as_secs_f64());
        let baker = baker(&fixture.release, &fixture.home, Connections::New, LATER)?;
        let votes = baker.so_far()?;
        ensure!(votes.lost().is_empty(), "{:?}", votes.lost());
        Ok(())
    })
}
