//! Promised: a gateway that is destroyed and made again with the same host key has its signers back
//! 0.5 s after it listens.

use std::time::{Duration, Instant};

use lab::net::{Internet, in_test};

use crate::stage::{BOTH_LINES, Cloud, Stage, first_signature_after, lasts};

const OUTAGE: Duration = Duration::from_secs(2);

fn outage(
    internet: &Internet,
    make_again: impl Fn(&mut Stage<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut stage = Stage::open(internet, &BOTH_LINES)?;
    let baker = stage.baker()?;
    stage.cloud.gateway.kill()?;
    lasts(OUTAGE);
    make_again(&mut stage)?;
    let listens = Instant::now();
    let took = first_signature_after(&baker, listens)?;
    stage.wait_for_both_lines()?;
    let record = baker.finish()?;
    println!("answers {} ms after it listened; {record}", took.as_millis());
    assert!(took <= Duration::from_secs(2), "{took:?}");
    Ok(())
}

#[test]
fn started_again() -> anyhow::Result<()> {
    in_test("a_gateway_made_again_with_its_host_key_is_found::started_again", |internet| {
        outage(internet, |stage| stage.cloud.start_again())
    })
}

#[test]
fn made_from_nothing_but_its_host_key() -> anyhow::Result<()> {
    let name =
        "a_gateway_made_again_with_its_host_key_is_found::made_from_nothing_but_its_host_key";
    in_test(name, |internet| {
        outage(internet, |stage| {
            stage.cloud = Cloud::new(&stage.host_key, &[stage.home.entry()])?;
            Ok(())
        })
    })
}
