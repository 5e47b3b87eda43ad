//! Promised: a gateway that is destroyed and made again with the same host key has its signers back
//! 0.5 s after it listens.

use std::time::{Duration, Instant};

use lab::net::{Internet, in_test};

use crate::fixture::{BOTH_LINES, Cloud, Fixture, first_signature_after, lasts};

const OUTAGE: Duration = Duration::from_secs(2);

fn outage(
    internet: &Internet,
    make_again: impl Fn(&mut Fixture<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut fixture = Fixture::open(internet, &BOTH_LINES)?;
    let baker = fixture.baker()?;
    fixture.cloud.gateway.kill()?;
    lasts(OUTAGE);
    make_again(&mut fixture)?;
    let listens = Instant::now();
    let took = first_signature_after(&baker, listens)?;
    fixture.wait_for_both_lines()?;
    let record = baker.finish()?;
    println!("answers {} ms after it listened; {record}", took.as_millis());
    assert!(took <= Duration::from_secs(2), "{took:?}");
    Ok(())
}

#[test]
fn started_again() -> anyhow::Result<()> {
    in_test("a_gateway_made_again_with_its_host_key_is_found::started_again", |internet| {
        outage(internet, |fixture| fixture.cloud.start_again())
    })
}

#[test]
fn made_from_nothing_but_its_host_key() -> anyhow::Result<()> {
    let name =
        "a_gateway_made_again_with_its_host_key_is_found::made_from_nothing_but_its_host_key";
    in_test(name, |internet| {
        outage(internet, |fixture| {
            fixture.cloud = Cloud::new(&fixture.host_key, &[fixture.home.entry()])?;
            Ok(())
        })
    })
}
