//! Promised: signing wears the card little. What is measured is what the computer with the image writes to its disk, a
//! preattestation and an attestation at each level.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;
use boot::disk::Written;
use boot::home::{Home, System, at_home_with};

/// How long the disk is watched while nothing is signed.
const IDLE: Duration = Duration::from_secs(30);
/// As on the chain.
const LEVELS_A_DAY: u64 = 14_400;
/// Of a day at the chain's pace.
const MAX_BYTES_A_DAY: u64 = 200_000_000;

/// Levels, one after the other at equal times.
struct Pace {
    period: Duration,
    levels: u32,
}

const CHAIN: Pace = Pace { period: Duration::from_secs(6), levels: 20 };
/// What is written at certain times, however little is signed, counts less.
const FAST: Pace = Pace { period: Duration::from_secs(2), levels: 30 };

#[test]
fn a_day_of_signing_writes_less_than_200_megabytes() -> anyhow::Result<()> {
    at_home_with(System::Image, |home| {
        home.vote_at_next_level()?;
        let before = home.disk.written();
        thread::sleep(IDLE);
        let Written { bytes, flushes, .. } = home.disk.written() - before;
        println!("    {IDLE:?} without a vote: {bytes} bytes and {flushes} flushes");
        let fast = written_by(home, &FAST)?;
        bytes_a_day(&FAST, fast);
        let day = bytes_a_day(&CHAIN, written_by(home, &CHAIN)?);
        ensure!(day < MAX_BYTES_A_DAY, "{day} bytes a day");
        Ok(())
    })
}

fn written_by(home: &mut Home, pace: &Pace) -> anyhow::Result<Written> {
    let before = home.disk.written();
    let begun = Instant::now();
    for level in 1..=pace.levels {
        home.vote_at_next_level()?;
        thread::sleep((pace.period * level).saturating_sub(begun.elapsed()));
    }
    println!("    {} levels in {:.1?}", pace.levels, begun.elapsed());
    Ok(home.disk.written() - before)
}

/// If every level of a day were as these.
fn bytes_a_day(pace: &Pace, written: Written) -> u64 {
    let Written { bytes, behind_image, flushes } = written;
    let levels = u64::from(pace.levels);
    let day = bytes * LEVELS_A_DAY / levels;
    println!(
        "    each level: {} bytes written to the disk ({} of them to the data partition), {}.{} flushes; \
         a day of {LEVELS_A_DAY} levels: {}.{} MB",
        bytes / levels,
        behind_image / levels,
        flushes / levels,
        flushes * 10 / levels % 10,
        day / 1_000_000,
        day / 100_000 % 10,
    );
    day
}
