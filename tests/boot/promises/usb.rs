//! Promised: whatever happens to the Ledger, when it is there again, unlocked and with its app open, it signs without a hand on
//! the computer; and meanwhile `/readyz` says that it cannot.

use std::time::Instant;

use anyhow::ensure;
use boot::home::{Home, at_home};
use boot::usb::Which;
use boot::votes::outage;

/// Under load: it is broken, then mended; the figure is from the mending to the next vote.
fn comes_back(
    breaks: impl FnOnce(&mut Home) -> anyhow::Result<()>,
    mends: impl FnOnce(&mut Home) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    at_home(|home| {
        let mut mended = Instant::now();
        let votes = home.votes_during(|home| {
            breaks(home)?;
            home.wait_until_not_ready()?;
            mends(home)?;
            mended = Instant::now();
            home.wait_until_ready().map(drop)
        })?;
        let first = votes
            .since(mended)
            .requests()
            .iter()
            .find(|vote| vote.outcome.is_signed())
            .map(|vote| vote.ended() - mended);
        println!(
            "    the next vote {first:.1?} after it was mended; the outage was {:.1?}",
            outage(&votes, mended)
        );
        Ok(())
    })
}

#[test]
fn a_ledger_that_is_unplugged_and_plugged_in_signs() -> anyhow::Result<()> {
    comes_back(|home| home.unplug(Which::Baking), |home| home.plug(Which::Baking))
}

#[test]
fn an_app_that_is_left_and_started_signs() -> anyhow::Result<()> {
    comes_back(|home| home.quit_app(Which::Baking), |home| home.open_app(Which::Baking))
}

#[test]
fn a_ledger_that_is_locked_and_unlocked_signs() -> anyhow::Result<()> {
    let lock = |home: &mut Home| {
        home.ledger(Which::Baking).lock();
        Ok(())
    };
    let unlock = |home: &mut Home| {
        home.ledger(Which::Baking).open_app();
        Ok(())
    };
    comes_back(lock, unlock)
}

#[test]
fn a_hub_that_resets_is_borne() -> anyhow::Result<()> {
    at_home(|home| {
        let votes = home.votes_during(|home| home.reset_hub(Which::Baking))?;
        println!("    the longest gap: {:.1?}", votes.longest_gap());
        Ok(())
    })
}

#[test]
fn a_second_ledger_with_another_seed_disturbs_nothing() -> anyhow::Result<()> {
    at_home(|home| {
        let votes = home.votes_during(|home| home.plug(Which::Other))?;
        ensure!(votes.failures().is_empty(), "{:?}", votes.failures());
        // With both there from the beginning, the right one is found.
        home.votes_during(|home| {
            home.shell()?.run("systemctl restart peel-signer")?;
            home.wait_until_ready().map(drop)
        })?;
        home.unplug(Which::Other)?;
        ensure!(
            home.ledger(Which::Other).witness().last().is_none(),
            "the other Ledger was asked to sign"
        );
        Ok(())
    })
}

#[test]
fn the_other_ledger_alone_signs_nothing() -> anyhow::Result<()> {
    comes_back(
        |home| {
            home.plug(Which::Other)?;
            home.unplug(Which::Baking)
        },
        |home| {
            home.unplug(Which::Other)?;
            home.plug(Which::Baking)
        },
    )
}
