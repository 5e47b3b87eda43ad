//! Promised: when every line was lost and one comes back, there are answers 1 s later, and nothing was
//! signed twice meanwhile.

use std::time::{Duration, Instant};

use lab::baker::Plan;
use lab::net::{Internet, Line, in_test};

use crate::fixture::{BOTH_LINES, Fixture, PERIOD, SOON, first_signature_after, lasts, start};

const OUTAGE: Duration = Duration::from_secs(8);

type Change = fn(&Internet, Line) -> anyhow::Result<()>;

/// All lines go, and one of them comes back.
fn outage(internet: &Internet, cut: Change, mend: Change, returns: Line) -> anyhow::Result<()> {
    let fixture = Fixture::open(internet, &BOTH_LINES)?;
    let plan = Plan { period: PERIOD, tempts: true, ..Plan::new(fixture.home.url()?) };
    let baker = start(plan)?;
    for line in Line::ALL {
        cut(internet, line)?;
    }
    let lost_at = baker.so_far().signatures();
    lasts(OUTAGE);
    let lost = baker.so_far().signatures() - lost_at;
    assert!(lost <= 1, "{lost} signatures came over no line");
    mend(internet, returns)?;
    let back = Instant::now();
    let took = first_signature_after(&baker, back)?;
    baker.wait_for_signatures(10, SOON)?;
    // It is an error if there were two signatures at one mark.
    let record = baker.finish()?;
    println!("answers {} ms after {returns:?} was back; {record}", took.as_millis());
    assert!(took <= Duration::from_secs(3), "{took:?}");
    Ok(())
}

#[test]
fn the_main_line_comes_up() -> anyhow::Result<()> {
    in_test("both_lines_lost_and_one_returns::the_main_line_comes_up", |internet| {
        outage(internet, Internet::unplug, Internet::plug, Line::Wired)
    })
}

#[test]
fn the_metered_line_comes_up() -> anyhow::Result<()> {
    in_test("both_lines_lost_and_one_returns::the_metered_line_comes_up", |internet| {
        outage(internet, Internet::unplug, Internet::plug, Line::Mobile)
    })
}

#[test]
fn the_main_line_is_silent_no_more() -> anyhow::Result<()> {
    in_test("both_lines_lost_and_one_returns::the_main_line_is_silent_no_more", |internet| {
        outage(internet, Internet::silence, Internet::restore, Line::Wired)
    })
}

#[test]
fn the_metered_line_is_silent_no_more() -> anyhow::Result<()> {
    in_test("both_lines_lost_and_one_returns::the_metered_line_is_silent_no_more", |internet| {
        outage(internet, Internet::silence, Internet::restore, Line::Mobile)
    })
}
