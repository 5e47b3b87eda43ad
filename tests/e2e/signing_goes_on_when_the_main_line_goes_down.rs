//! Promised: the slowest answer takes 1 s, and no request fails, when the main line's interface is gone
//! or its cable is out. When it is back it carries again.

use std::time::Duration;

use lab::net::{Internet, Line, in_test};

use crate::fixture::{BOTH_LINES, Fixture};

#[test]
fn an_interface_may_go_and_come_back() -> anyhow::Result<()> {
    let name = "signing_goes_on_when_the_main_line_goes_down::an_interface_may_go_and_come_back";
    in_test(name, |internet| outage(internet, "its interface was down", Internet::unplug))
}

#[test]
fn a_cable_may_be_pulled_and_plugged_in_again() -> anyhow::Result<()> {
    let name =
        "signing_goes_on_when_the_main_line_goes_down::a_cable_may_be_pulled_and_plugged_in_again";
    in_test(name, |internet| outage(internet, "its cable was out", Internet::pull_cable))
}

fn outage(
    internet: &Internet,
    what: &str,
    cut: impl Fn(&Internet, Line) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let fixture = Fixture::open(internet, &BOTH_LINES)?;
    let baker = fixture.baker()?;
    cut(internet, Line::Wired)?;
    let down = fixture.carried(&baker, 25)?;
    assert!(down.is_over_the_metered_line(), "{down:?}");
    internet.plug(Line::Wired)?;
    fixture.wait_for_both_lines()?;
    let after = fixture.carried(&baker, 15)?;
    assert!(after.is_over_the_main_line(), "{after:?}");
    let record = baker.finish()?;
    println!("{what}: {record}");
    assert!(record.failures().is_empty(), "{:?}", record.failures());
    assert!(record.slowest() <= Some(Duration::from_secs(2)), "{record}");
    Ok(())
}
