//! Promised: a computer whose clock is off by a year signs all the same; marks neither fall nor run ahead, also when the clock is
//! right again.

use std::ops::RangeInclusive;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::ensure;
use boot::disk::Kept;
use boot::home::{Home, at_home};
use boot::machine::Clock;
use boot::power::Moment;

/// systemd goes no further back than to when it was built: nor does a computer without a clock.
#[test]
fn a_clock_that_is_a_year_behind_stops_nothing() -> anyhow::Result<()> {
    at_home(|home| signs_after_a_boot_with(home, Clock::Off("-1 year"), -366..=-1))
}

#[test]
fn a_clock_that_is_a_year_ahead_stops_nothing_and_neither_does_its_correction() -> anyhow::Result<()>
{
    at_home(|home| {
        signs_after_a_boot_with(home, Clock::Off("+1 year"), 364..=366)?;
        signs_after_a_boot_with(home, Clock::Right, -1..=1)
    })
}

const DAY: i64 = 24 * 60 * 60;

fn signs_after_a_boot_with(
    home: &mut Home,
    clock: Clock,
    days: RangeInclusive<i64>,
) -> anyhow::Result<()> {
    let cut = home.cut_under_load(Moment::Any, Kept::Nothing, clock)?;
    let shown: i64 = home.shell()?.run("date --utc +%s")?.parse()?;
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
    let off = (shown - now) / DAY;
    println!("    {clock:?}, {off} days off: {cut}");
    ensure!(days.contains(&off), "the computer's clock is off by {off} days");
    ensure!(cut.given_up <= 2, "{cut}");
    home.votes_during(|_| Ok(())).map(drop)
}
