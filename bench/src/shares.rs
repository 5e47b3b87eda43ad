//! A tz4 key in shares beside one box with the whole key, in turns in one run; and what a liar gets of it.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use lab::process::Daemon;
use lab::shares::{SharedKey, attack, ceremony};
use tezos::{KeyForm, Kind, sample_payload_of};

use crate::awake::Awake;
use crate::http;
use crate::report::{self, Figures, Row};

/// Votes of each key, in turns.
const VOTES: u32 = 300;
/// Between two votes. Signatures are verified once more 20 ms after they were given out: not in the middle of the next vote.
const PAUSE: Duration = Duration::from_millis(50);
const FIRST_LEVEL: u32 = 1_000;
/// A baker gives a vote up then.
const LOST: Duration = Duration::from_millis(3500);
/// What combining may cost, in milliseconds.
const COMBINING: f64 = 1.5;
const SLOW: Duration = Duration::from_millis(300);
/// Of the attack: four marks each.
const LEVELS: u32 = 25_000;

/// Everything that is promised of keys in shares.
pub(super) fn shares() -> anyhow::Result<()> {
    let mut rows = {
        let _awake = Awake::start()?;
        beside_the_whole_key()?
    };
    rows.extend([ceremonies(2, 3)?, ceremonies(3, 5)?, attacked()?]);
    report::write("shares", &rows)
}

/// A key and who asks for it.
struct Asked {
    shared: SharedKey,
    level: u32,
    times: Vec<f64>,
    lost: u32,
}

fn peel() -> PathBuf {
    crate::root().join("target/release/peel")
}

impl Asked {
    fn new(shared: SharedKey) -> anyhow::Result<Asked> {
        let asked = Asked { shared, level: FIRST_LEVEL, times: Vec::new(), lost: 0 };
        let key = asked.shared.key.to_string();
        lab::wait::until("the key", Duration::from_secs(20), || {
            Ok(http::is_ready(asked.shared.http, &key).then_some(()))
        })?;
        Ok(asked)
    }

    /// One vote, at a level of its own.
    fn ask(&mut self) {
        let (key, at): (_, SocketAddr) = (self.shared.key, self.shared.http);
        let vote = sample_payload_of(KeyForm::of(&key), Kind::Attestation, self.level, 0, 1);
        self.level += 1;
        match http::sign(at, &key.to_string(), &vote) {
            Ok((_, took)) if took < LOST => self.times.push(took.as_secs_f64() * 1000.0),
            Ok(_) | Err(_) => self.lost += 1,
        }
    }

    /// What there was since the last time.
    fn figures(&mut self) -> (Figures, u32) {
        (Figures::of(std::mem::take(&mut self.times)), std::mem::take(&mut self.lost))
    }
}

fn beside_the_whole_key() -> anyhow::Result<Vec<Row>> {
    let mut whole = Asked::new(SharedKey::whole(&peel())?)?;
    let mut shared = Asked::new(SharedKey::start(&peel(), 2, 3)?)?;
    let mut rows = vec![
        row("2 of 3 shares, all well, beside one box with the whole key", &mut whole, &mut shared),
        processor_time(&mut whole, &mut shared)?,
    ];
    let box_of = |shared: &mut Asked, at: usize| shared.shared.boxes.remove(at);
    let slow = box_of(&mut shared, 0);
    slow.line.slow(SLOW);
    rows.push(row("the same, one box 300 ms away, each way", &mut whole, &mut shared));
    slow.line.come_back();
    slow.line.fall_silent();
    rows.push(row("the same, one box silent", &mut whole, &mut shared));
    drop(slow);
    rows.push(row("the same, one box dead", &mut whole, &mut shared));
    Ok(rows)
}

/// In turns, so that what else the machine does troubles both.
fn row(what: &str, whole: &mut Asked, shared: &mut Asked) -> Row {
    println!("\n{what}: {} s", (2 * VOTES * PAUSE).as_secs());
    for _ in 0..VOTES {
        for asked in [&mut *whole, &mut *shared] {
            thread::sleep(PAUSE);
            asked.ask();
        }
    }
    let ((whole, _), (figures, lost)) = (whole.figures(), shared.figures());
    Row {
        what: what.to_owned(),
        promise: format!("median ≤ one box + {COMBINING} ms, no vote lost"),
        beside: None,
        measured: format!("{figures}, {lost} lost; one box with the whole key: {whole}"),
        kept: figures.median <= whole.median + COMBINING && lost == 0,
    }
}

fn processor_time(whole: &mut Asked, shared: &mut Asked) -> anyhow::Result<Row> {
    println!("\nprocessor time at the gateway");
    let mut spent = Vec::new();
    for asked in [whole, shared] {
        let before = on_processor(&asked.shared.gateway)?;
        for _ in 0..VOTES {
            asked.ask();
        }
        let after = on_processor(&asked.shared.gateway)?;
        let _ = asked.figures();
        spent.push((after - before).as_secs_f64() * 1000.0 / f64::from(VOTES));
    }
    let [whole, shared] = spent.as_slice() else { anyhow::bail!("two keys") };
    Ok(Row {
        what: "processor time of the gateway for a signature, one vote after the other".to_owned(),
        promise: "none: what combining and verifying cost".to_owned(),
        beside: None,
        measured: format!("{shared:.2} ms; with one box that has the whole key {whole:.2} ms"),
        kept: true,
    })
}

/// What all threads of a process were on a processor so far (`schedstat`, in nanoseconds).
fn on_processor(process: &Daemon) -> anyhow::Result<Duration> {
    let mut nanoseconds = 0;
    for task in fs::read_dir(format!("/proc/{}/task", process.id().as_raw_nonzero()))? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        nanoseconds += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// All boxes on this machine, one command after the other.
fn ceremonies(needed: u8, count: u8) -> anyhow::Result<Row> {
    const TIMES: u32 = 10;
    let mut times = Vec::new();
    for _ in 0..TIMES {
        let folder = tempfile::tempdir()?;
        let begun = Instant::now();
        ceremony(&peel(), folder.path(), needed, count)?;
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(Row {
        what: format!(
            "a ceremony of {count} boxes, {needed} needed: {} commands, one after the other",
            4 * count
        ),
        promise: "none: what the computers take; the people take longer".to_owned(),
        beside: None,
        measured: Figures::of(times).to_string(),
        kept: true,
    })
}

/// Who owns the cloud and one box of four.
fn attacked() -> anyhow::Result<Row> {
    println!("\na liar that owns the cloud and one of four boxes: {} marks", 4 * LEVELS);
    let begun = Instant::now();
    let mut shared = SharedKey::start(&peel(), 3, 4)?;
    let key = shared.key;
    let loot = attack(&mut shared.boxes, key, LEVELS)?;
    let (marks, signed) = (loot.marks(), loot.signed(3).len());
    let (twice, own) = (loot.signed_twice(3).len(), loot.own_doubles().len());
    Ok(Row {
        what: "3 of 4 shares, and an enemy that owns the cloud and one box: each box is asked for one of two votes at a \
               mark, often for both, and killed a hundred times; the enemy's box is put back from backups"
            .to_owned(),
        promise: "100,000 marks, none with two signatures".to_owned(),
        beside: None,
        measured: format!(
            "{marks} marks, {signed} votes signed, {own} marks at which the enemy's own box gave parts of both votes, {twice} \
             with two signatures; {} s",
            begun.elapsed().as_secs()
        ),
        kept: marks >= 100_000 && twice == 0 && own > 0,
    })
}
