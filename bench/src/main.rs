//! Measures what `docs/performance.md` promises, with the release build and real processes.

mod awake;
mod cluster;
mod control;
mod home;
mod http;
mod report;
mod shares;
mod socket;
mod tunnel;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;
use tezos::{Kind, sample_payload, sample_payload_of};

use crate::awake::Awake;
use crate::control::Control;
use crate::home::{Home, Key};
use crate::report::{Figures, Row};

fn main() -> ExitCode {
    let measured = match std::env::args().nth(1).as_deref() {
        Some("sign") => sign(),
        Some("tunnel") => tunnel::tunnel(),
        Some("cluster") => cluster::cluster(),
        Some("shares") => shares::shares(),
        // What this program starts itself.
        Some(control::WORD) => control::serve(),
        _ => {
            eprintln!("cargo xtask bench sign|tunnel|shares|cluster");
            return ExitCode::from(2);
        }
    };
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_owned()
}

/// A level a second, for so long.
const LEVELS: u32 = 60;
const A_LEVEL: Duration = Duration::from_secs(1);
const SLOW_FSYNC_MS: u32 = 300;

/// A baker asks for both votes of a level at once; each answer's time is a figure.
fn sign() -> anyhow::Result<()> {
    let _awake = Awake::start()?;
    let rows = vec![
        software(Key::Tz1, 0, "software tz1 key, one level a second, two votes a level", 0.5, 5.0)?,
        software(Key::Tz4, 0, "software tz4 key, the same", 0.9, 5.0)?,
        software(
            Key::Tz1,
            SLOW_FSYNC_MS,
            "software tz1 key, with every fsync and fdatasync made 300 ms slow",
            f64::INFINITY,
            5.0,
        )?,
        ways()?,
        scraped()?,
        ledger()?,
        identical()?,
    ];
    report::write("sign", &rows)
}

/// Both votes of each level, and half a level later the same requests of a program that only answers: what it takes
/// is what the machine takes.
fn software(key: Key, fsync_ms: u32, what: &str, median: f64, p99: f64) -> anyhow::Result<Row> {
    let home = Home::start(key, fsync_ms)?;
    let control = Control::start()?;
    println!("\n{what}: {LEVELS} s");
    let [mut times, bare] = levels(&home, LEVELS + 1, Some(&control))?;
    home.stop()?;
    // Nothing is reserved after a start: the first level waits for the disk, once.
    let [first, _] = times.remove(0);
    let [figures, bare] =
        [times, bare].map(|times| Figures::of(times.into_iter().flatten().collect()));
    let kept = figures.median - bare.median <= median && figures.p99 - bare.p99 <= p99;
    let promise = if median.is_finite() {
        format!("median ≤ {median} ms and p99 ≤ {p99} ms above a bare answer")
    } else {
        format!("p99 ≤ {p99} ms above a bare answer")
    };
    Ok(Row {
        what: what.to_owned(),
        promise,
        beside: None,
        measured: format!(
            "{figures}; a bare answer {bare}; the first level after the start: {first:.0} ms"
        ),
        kept,
    })
}

/// One vote at a time over HTTP, tcp and a unix socket in turns, each on a new connection.
fn ways() -> anyhow::Result<Row> {
    const ROUNDS: u32 = 500;
    const PAUSE: Duration = Duration::from_millis(10);
    let home = Home::start(Key::Tz1, 0)?;
    println!("\nHTTP, tcp and unix in turns: {} s", 3 * ROUNDS * 11 / 1000);
    let (key, unix) = (home.key.parse()?, home.unix_socket());
    let mut times = [const { Vec::new() }; 3];
    for level in (0..ROUNDS).map(|round| home::FIRST_LEVEL + 3 * round) {
        for ((way, times), level) in times.iter_mut().enumerate().zip(level..) {
            thread::sleep(PAUSE);
            let vote = sample_payload(Kind::Attestation, level, 0, 1);
            let took = match way {
                0 => http::sign(home.http, &home.key, &vote)?.1,
                1 => socket::over_tcp(home.tcp_socket, &key, &vote)?,
                _ => socket::over_unix(&unix, &key, &vote)?,
            };
            times.push(took.as_secs_f64() * 1000.0);
        }
    }
    home.stop()?;
    let [http, tcp, unix] = times.map(Figures::of);
    Ok(Row {
        what: "software tz1 key, one vote at a time on a new connection, in turns".to_owned(),
        promise: "none: what each way costs".to_owned(),
        beside: None,
        measured: format!("HTTP {http}; tcp {tcp}; unix {unix}"),
        kept: true,
    })
}

/// One vote at a time, in blocks with and without a scrape every second.
fn scraped() -> anyhow::Result<Row> {
    const BLOCKS: u32 = 10;
    const VOTES: u32 = 150;
    const PAUSE: Duration = Duration::from_millis(20);
    let home = Home::start(Key::Tz1, 0)?;
    println!("\nwith and without a scrape: {} s", 2 * BLOCKS * VOTES * 21 / 1000);
    let mut times = [const { Vec::new() }; 2];
    let mut level = home::FIRST_LEVEL;
    for _ in 0..BLOCKS {
        for (with, times) in [false, true].into_iter().zip(&mut times) {
            let stop = AtomicBool::new(!with);
            thread::scope(|scope| {
                let scraping = scope.spawn(|| scrape_until(&stop, home.monitor));
                for _ in 0..VOTES {
                    thread::sleep(PAUSE);
                    let vote = sample_payload(Kind::Attestation, level, 0, 1);
                    times.push(http::sign(home.http, &home.key, &vote)?.1.as_secs_f64() * 1000.0);
                    level += 1;
                }
                stop.store(true, Ordering::Relaxed);
                scraping.join().map_err(|_| anyhow::anyhow!("the scraping thread panicked"))?
            })?;
        }
    }
    home.stop()?;
    let [without, with] = times.map(Figures::of);
    Ok(Row {
        what: "software tz1 key, one vote at a time, in turns without and with a scrape of all metrics every second".to_owned(),
        promise: "the same median and p99 with it (within 10 % and 1 ms, which is noise here)".to_owned(),
        beside: None,
        kept: with.median <= without.median * 1.1 && with.p99 <= without.p99 * 1.1 + 1.0,
        measured: format!("without {without}; with {with}"),
    })
}

fn scrape_until(stop: &AtomicBool, monitor: SocketAddr) -> anyhow::Result<()> {
    while !stop.load(Ordering::Relaxed) {
        http::scrape(monitor)?;
        let next = Instant::now() + A_LEVEL;
        while Instant::now() < next && !stop.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(20));
        }
    }
    Ok(())
}

/// The time until both votes of a level are answered.
fn ledger() -> anyhow::Result<Row> {
    const LIMIT_MS: f64 = 2.0 * 229.0 + 20.0;
    let home = Home::start(Key::Ledger, 0)?;
    println!("\nsimulated Ledger: {} s", LEVELS / 2);
    let [times, _] = levels(&home, LEVELS / 2, None)?;
    let both: Vec<f64> = times.into_iter().map(|[one, other]| one.max(other)).collect();
    home.stop()?;
    let figures = Figures::of(both);
    Ok(Row {
        what: "simulated Ledger with real latency, tz2: both votes of a level, asked at once"
            .into(),
        promise: format!("both within {LIMIT_MS} ms"),
        beside: None,
        measured: figures.to_string(),
        kept: figures.max <= LIMIT_MS,
    })
}

/// A hundred equal requests at once.
fn identical() -> anyhow::Result<Row> {
    let home = Home::start(Key::Ledger, 0)?;
    let before = home.device_signatures();
    let ask = || {
        http::sign(
            home.http,
            &home.key,
            &sample_payload(Kind::Attestation, home::FIRST_LEVEL, 0, 1),
        )
    };
    let answers: Vec<_> = thread::scope(|scope| {
        let asking: Vec<_> = (0..100).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().filter_map(|one| one.join().ok()).collect()
    });
    let made = home.device_signatures() - before;
    home.stop()?;
    let answers = answers.into_iter().map(|answer| Ok(answer?.0));
    let answers = answers.collect::<anyhow::Result<Vec<String>>>()?;
    let equal = answers.iter().filter(|answer| Some(*answer) == answers.first()).count();
    Ok(Row {
        what: "100 identical requests at once".to_owned(),
        promise: "1 signature on the device, 100 equal answers".to_owned(),
        beside: None,
        measured: format!("{made} signature on the device, {equal} equal answers"),
        kept: made == 1 && equal == 100,
    })
}

/// Both votes of each level, asked at once, and half a level later of `control`; milliseconds from request to answer.
fn levels(
    home: &Home,
    count: u32,
    control: Option<&Control>,
) -> anyhow::Result<[Vec<[f64; 2]>; 2]> {
    let start = Instant::now();
    let mut times = [const { Vec::new() }; 2];
    for at in 0..count {
        let asked = [Some(home.http), control.map(|control| control.address)];
        for (half, (times, asked)) in (0..).zip(times.iter_mut().zip(asked)) {
            let Some(asked) = asked else { continue };
            let due = start + A_LEVEL * at + A_LEVEL / 2 * half;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            times.push(level(asked, home, home::FIRST_LEVEL + at)?);
        }
    }
    Ok(times)
}

/// Both votes of a level.
fn level(asked: SocketAddr, home: &Home, level: u32) -> anyhow::Result<[f64; 2]> {
    let ask = |kind| {
        let payload = sample_payload_of(home.form, kind, level, 0, 1);
        let (_, took) = http::sign(asked, &home.key, &payload)?;
        anyhow::Ok(took.as_secs_f64() * 1000.0)
    };
    let answered = thread::scope(|scope| {
        let votes =
            [Kind::Preattestation, Kind::Attestation].map(|kind| scope.spawn(move || ask(kind)));
        votes.map(thread::ScopedJoinHandle::join)
    });
    let [Ok(one), Ok(other)] = answered else { bail!("an asking thread panicked") };
    Ok([one?, other?])
}
