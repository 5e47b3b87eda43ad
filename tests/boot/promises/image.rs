//! Promised: a card with the image is edited on any computer, put into a PC with EFI, and signs after one line was pasted at
//! the gateway; the mains may go; and the image may be written anew.

use anyhow::ensure;
use boot::home::{System, at_home_with};

#[test]
fn a_card_that_was_edited_signs() -> anyhow::Result<()> {
    at_home_with(System::Image, |home| {
        let votes = home.votes_during(|_| Ok(()))?;
        ensure!(votes.failures().is_empty(), "{:?}", votes.failures());
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
