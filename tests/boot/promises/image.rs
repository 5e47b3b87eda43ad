//! Promised: a card with the image is edited on any computer, put into one that starts by EFI, and signs after one line was
//! pasted at the gateway; the mains may go; the image may be written anew; and the demo of the program on it passes.

use std::time::Duration;

use anyhow::ensure;
use boot::home::{System, at_home_with};
use lab::wait;

#[test]
fn a_card_that_was_edited_signs() -> anyhow::Result<()> {
    at_home_with(System::Image, |home| {
        let votes = home.votes_during(|_| Ok(()))?;
        ensure!(votes.failures().is_empty(), "{:?}", votes.failures());
        Ok(())
    })
}

/// No login is needed to see how it is. The clock is not as it should be, for there is no time server here.
#[test]
fn the_screen_shows_the_status() -> anyhow::Result<()> {
    at_home_with(System::Image, |home| {
        let screen = wait::until("the status on the screen", SCREEN_LIMIT, || {
            let shown = home.machine()?.console_end();
            let pages = shown.rsplit("\u{1b}[H\u{1b}[2J");
            // The last one may be half drawn.
            let mut whole = pages
                .filter(|page| page.contains("last signatures") && !page.contains("NOT READY"));
            Ok(whole.next().map(str::to_owned))
        })?;
        let is_shown =
            ["ready", "clock", "watermark_store", "key_baker"].map(|word| screen.contains(word));
        ensure!(is_shown == [true; 4], "{screen}");
        screen.lines().for_each(|line| println!("    | {line}"));
        Ok(())
    })
}

/// Its root file system is the image's again; identity, configuration and marks are behind it.
#[test]
fn an_image_that_is_written_anew_keeps_identity_and_marks() -> anyhow::Result<()> {
    at_home_with(System::Image, |home| {
        let cut = home.cut_and_write_image_anew()?;
        println!("    {cut}");
        ensure!(cut.given_up <= 2, "{cut}");
        Ok(())
    })
}

/// The screen looks every few seconds.
const SCREEN_LIMIT: Duration = Duration::from_secs(120);
/// It takes half a minute on a real processor; this one is interpreted.
const DEMO_LIMIT: Duration = Duration::from_secs(1200);

#[test]
fn the_demo_passes() -> anyhow::Result<()> {
    at_home_with(System::Image, |home| {
        home.shell()?.run("systemctl stop peel-signer")?;
        let said = home.shell()?.run_within(DEMO_LIMIT, "peel demo --slowness 4 2>&1")?;
        let end: Vec<&str> = said.lines().rev().take(2).collect();
        println!("    {}", end.into_iter().rev().collect::<Vec<_>>().join("\n    "));
        home.shell()?.run("systemctl start peel-signer").map(drop)
    })
}
