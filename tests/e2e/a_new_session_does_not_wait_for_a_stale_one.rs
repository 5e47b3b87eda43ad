//! Promised: a signer that comes back is used at once, although the gateway still believes in its
//! connection of before. Nothing that is stale keeps a port.

use std::time::{Duration, Instant};

use lab::baker::Plan;
use lab::net::{Line, in_test};

use crate::fixture::{FLOOR, Fixture, MOBILE, PERIOD, SOON, WIRED, first_signature_after, start};

#[test]
fn it_dies_on_a_silent_line_and_comes_back_over_the_other() -> anyhow::Result<()> {
    let name = "a_new_session_does_not_wait_for_a_stale_one::\
                it_dies_on_a_silent_line_and_comes_back_over_the_other";
    in_test(name, |internet| {
        let mut fixture = Fixture::open(internet, &[WIRED])?;
        let first = fixture.baker()?.finish()?;
        // The gateway does not hear of its death.
        internet.silence(Line::Wired)?;
        fixture.home.signer()?.kill()?;

        fixture.home.configure(&fixture.host_key, &[MOBILE], None)?;
        fixture.home.start()?;
        fixture.home.signer()?.wait_until_log_says("is up", SOON)?;
        let up = Instant::now();
        // The stale one is still there. It is given a second to show that it is alive: a copy of the signer would.
        fixture.cloud.wait_for_sessions(fixture.home.name, 2)?;
        // A kill gives up a level: the next baker begins beyond.
        let first_level = FLOOR + 100;
        let plan = Plan { period: PERIOD, first_level, ..Plan::new(fixture.home.url()?) };
        let baker = start(plan)?;
        let took = first_signature_after(&baker, up)?;
        let record = baker.finish()?;
        println!("a signature {} ms after the new link was up; {record}", took.as_millis());
        assert!(first.failures().is_empty() && record.failures().is_empty(), "{record}");
        assert!(took <= Duration::from_secs(2), "{took:?}");
        assert!(record.slowest() <= Some(Duration::from_secs(2)), "{record}");
        Ok(())
    })
}
