//! Promised: a signer that is killed, stopped, reloaded or upgraded under load signs again at once, and gives no level up.

use anyhow::ensure;
use boot::home::{Home, at_home};
use boot::usb::Which;

fn loses_no_mark(
    event: impl FnOnce(&mut Home) -> anyhow::Result<()>,
) -> anyhow::Result<lab::baker::Record> {
    let mut record = None;
    at_home(|home| {
        let votes = home.votes_during(event)?;
        let last = home.ledger(Which::Baking).witness().last();
        ensure!(
            last == votes.requests().last().map(|vote| vote.level),
            "{last:?} is not the last level"
        );
        record = Some(votes);
        Ok(())
    })?;
    record.ok_or_else(|| anyhow::anyhow!("no votes"))
}

#[test]
fn a_killed_signer_is_started_again() -> anyhow::Result<()> {
    loses_no_mark(|home| {
        home.shell()?.run("systemctl kill --signal=KILL peel-signer")?;
        home.wait_until_ready().map(drop)
    })
    .map(drop)
}

#[test]
fn a_stopped_signer_starts_again() -> anyhow::Result<()> {
    loses_no_mark(|home| {
        home.shell()?.run("systemctl stop peel-signer")?;
        home.shell()?.run("systemctl start peel-signer")?;
        home.wait_until_ready().map(drop)
    })
    .map(drop)
}

#[test]
fn a_reload_costs_nothing() -> anyhow::Result<()> {
    let votes = loses_no_mark(|home| home.shell()?.run("systemctl reload peel-signer").map(drop))?;
    ensure!(votes.failures().is_empty(), "{:?}", votes.failures());
    Ok(())
}

/// The package before is installed first, and then the present one, under load.
#[test]
fn an_upgrade_is_one_restart() -> anyhow::Result<()> {
    at_home(|home| home.install("before.deb"))?;
    let votes = loses_no_mark(|home| {
        let before = home.main_process()?;
        home.install("now.deb")?;
        home.wait_until_ready()?;
        ensure!(home.main_process()? != before, "it still runs the program before");
        Ok(())
    })?;
    println!("    the longest gap: {:.1?}", votes.longest_gap());
    Ok(())
}
