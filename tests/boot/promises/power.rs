//! Promised: the mains may go at any moment, and when they are back it signs again without a hand on it: never a second time
//! at one mark, and with at most two levels given up. What the disk was told and had not flushed is lost, or a part of it is.

use std::env;

use anyhow::{Context, ensure};
use boot::disk::Kept;
use boot::home::at_home;
use boot::machine::Clock;
use boot::power::Moment;

/// How many cuts; 20 if this says nothing.
const CUTS: &str = "PEEL_BOOT_CUTS";

#[test]
fn no_power_cut_signs_twice_or_costs_more_than_two_levels() -> anyhow::Result<()> {
    let cuts = env::var(CUTS).unwrap_or_else(|_| "20".to_owned());
    let cuts: usize = cuts.parse().with_context(|| format!("{CUTS}: {cuts:?} is no number"))?;
    let kinds = [Moment::Flushing, Moment::Any].into_iter();
    let kinds = kinds.flat_map(|moment| [(moment, Kept::Some), (moment, Kept::Nothing)]).cycle();
    for (number, (moment, kept)) in (1..=cuts).zip(kinds) {
        at_home(|home| {
            let cut = home.cut_under_load(moment, kept, Clock::Right)?;
            println!("    cut {number} ({moment:?}, kept {kept:?}): {cut}");
            ensure!(cut.given_up <= 2, "{cut}");
            Ok(())
        })?;
    }
    Ok(())
}
