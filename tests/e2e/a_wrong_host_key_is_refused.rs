//! Promised: a server at the gateway's address with another host key gets no session; the signer
//! says so where its operator looks, and connects by itself when the right gateway is back.

use std::time::Duration;

use lab::net::in_test;
use lab::wait;
use tunnel::Identity;

use crate::fixture::{BOTH_LINES, Cloud, Fixture, SOON, lasts};

const LOUD: &str = "WRONG HOST KEY";

#[test]
fn an_impostor_gets_no_session_and_is_denounced() -> anyhow::Result<()> {
    let name = "a_wrong_host_key_is_refused::an_impostor_gets_no_session_and_is_denounced";
    in_test(name, |internet| {
        let mut fixture = Fixture::open(internet, &BOTH_LINES)?;
        fixture.cloud.gateway.kill()?;
        let impostor = Cloud::new(&Identity::generate("impostor")?, &[fixture.home.entry()])?;
        let denounced = || {
            let (status, facts) = fixture.home.monitoring("/readyz")?;
            let is_named = fixture.home.both_links("error", ",reason=\"wrong_host_key\"")?;
            Ok((status == 503 && facts.contains(LOUD) && is_named).then_some(()))
        };
        wait::until("the impostor is denounced", SOON, denounced)?;
        fixture.home.signer()?.wait_until_log_says(LOUD, SOON)?;
        // Some more attempts over each line.
        lasts(Duration::from_secs(2));
        assert_eq!(impostor.sessions(fixture.home.name)?, 0);
        let was_up_once = fixture.home.both_links("ups_total", "")?;
        assert!(was_up_once, "it was up with the impostor");

        drop(impostor);
        fixture.cloud.start_again()?;
        fixture.wait_for_both_lines()?;
        let is_ready = || Ok((fixture.home.monitoring("/readyz")?.0 == 200).then_some(()));
        wait::until("the signer is ready", SOON, is_ready)?;
        fixture.baker()?.finish()?;
        Ok(())
    })
}
