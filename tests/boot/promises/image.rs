//! Promised: a card with the image is edited on any computer, put into a PC with EFI, and signs after one line was pasted at
//! the gateway; the mains may go; the image may be written anew; and the card is worn little.

use std::thread;
use std::time::{Duration, Instant};

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

/// The chain's time between two blocks.
const LEVEL: Duration = Duration::from_secs(6);
const LEVELS: u32 = 10;
/// Of a day.
const LEVELS_A_DAY: u64 = 14_400;
/// Bytes a day, which the card may be worn with.
const MOST: u64 = 200_000_000;

/// At each level a preattestation and an attestation, as a baker asks for them.
#[test]
fn a_day_of_signing_writes_less_than_200_megabytes() -> anyhow::Result<()> {
    at_home_with(System::Image, |home| {
        home.vote_at_next_level()?;
        let before = home.disk.written();
        let begun = Instant::now();
        for level in 1..=LEVELS {
            thread::sleep((LEVEL * level).saturating_sub(begun.elapsed()));
            home.vote_at_next_level()?;
        }
        let after = home.disk.written();
        let (bytes, flushes) = (after.bytes - before.bytes, after.flushes - before.flushes);
        let day = bytes * LEVELS_A_DAY / u64::from(LEVELS);
        let levels = u64::from(LEVELS);
        println!(
            "    {} bytes and {} flushes a level: {} MB a day",
            bytes / levels,
            flushes / levels,
            day / 1_000_000
        );
        ensure!(day < MOST, "{day} bytes a day");
        Ok(())
    })
}
