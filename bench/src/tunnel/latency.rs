//! One request at a time through each tunnel, over a connection that is kept.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tezos::{Kind, PublicKeyHash, sample_payload};

use crate::report::{Figures, Row};
use crate::tunnel::fixture::{LEVEL, PORT, PeelFixture, START, UsualFixture, loopback};

const ROUNDS: u32 = 5;
const REQUESTS: u32 = 300;
/// An idle tunnel, as it is between two levels.
pub(super) const PAUSE: Duration = Duration::from_millis(10);

/// The two tunnels, asked in turn, so that what else the machine does troubles both.
pub(super) fn one_at_a_time() -> anyhow::Result<Vec<Row>> {
    println!("\none request at a time through the tunnel");
    let (peel, usual) = (PeelFixture::on_loopback()?, UsualFixture::on_loopback()?);
    let (ours, theirs) = (loopback(PORT), usual.http());
    let (our_key, their_key) = (peel.signer.key(), usual.signer.key());
    let votes = || anyhow::Ok((Asker::vote(ours, our_key)?, Asker::vote(theirs, their_key)?));
    let idle = compare(votes()?)?;
    let busy = {
        let _busy = BusyCores::start()?;
        compare(votes()?)?
    };
    let questions =
        compare((Asker::question(ours, our_key)?, Asker::question(theirs, their_key)?))?;
    Ok(vec![
        Row {
            what: "one vote at a time through the tunnel, 10 ms apart, over a kept connection, \
                   headers and chunk written one after the other, as octez does"
                .to_owned(),
            promise: "median no worse than OpenSSH (within 5 %, which is noise here)".to_owned(),
            kept: idle.median <= 1.05,
            ..idle.row()
        },
        Row {
            what: "the same on a machine that does something else, too (each core busy)".to_owned(),
            promise: "median no worse than OpenSSH (within 5 %), p99 at most a fifth".to_owned(),
            kept: busy.median <= 1.05 && busy.p99 <= 0.2,
            ..busy.row()
        },
        Row {
            what: "a question in one packet (`GET /statusz`), idle machine".to_owned(),
            promise: "median no worse than OpenSSH".to_owned(),
            kept: questions.median <= 1.0,
            ..questions.row()
        },
    ])
}

/// Something else that the machine does, until it is dropped.
struct BusyCores {
    stop: Arc<AtomicBool>,
}

impl BusyCores {
    fn start() -> anyhow::Result<BusyCores> {
        let stop = Arc::new(AtomicBool::new(false));
        for _ in 0..thread::available_parallelism()?.get() {
            let stop = Arc::clone(&stop);
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        Ok(BusyCores { stop })
    }
}

impl Drop for BusyCores {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Ours beside theirs.
struct Comparison {
    ours: Figures,
    theirs: Figures,
    /// Ratios.
    median: f64,
    p99: f64,
}

fn compare((mut ours, mut theirs): (Asker, Asker)) -> anyhow::Result<Comparison> {
    let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        their_times.extend(theirs.round()?);
        our_times.extend(ours.round()?);
    }
    let (ours, theirs) = (Figures::of(our_times), Figures::of(their_times));
    let (median, p99) = (ours.median / theirs.median, ours.p99 / theirs.p99);
    Ok(Comparison { ours, theirs, median, p99 })
}

impl Comparison {
    /// Without what is asked and promised.
    fn row(&self) -> Row {
        let Comparison { ours, theirs, median, p99 } = self;
        Row {
            what: String::new(),
            promise: String::new(),
            beside: Some(theirs.to_string()),
            measured: format!("{ours}; {median:.2} of the median, {p99:.2} of the p99"),
            kept: false,
        }
    }
}

/// A client whose connection is kept for a round.
pub(super) struct Asker {
    at: SocketAddr,
    stream: BufReader<TcpStream>,
    /// Each is written by itself.
    packets: Vec<String>,
}

impl Asker {
    /// A client that asks for the same vote again and again: the stored signature, without the disk.
    pub(super) fn vote(at: SocketAddr, key: PublicKeyHash) -> anyhow::Result<Asker> {
        let vote = hex::encode(sample_payload(Kind::Attestation, LEVEL + 1, 0, 1));
        let body = format!("\"{vote}\"\n");
        let head = format!(
            "POST /keys/{key}?version=3 HTTP/1.1\r\nhost: localhost\r\n\
             content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        let chunk = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        Asker::new(at, vec![head, chunk])
    }

    /// A client that asks whether the key can sign now: the signer itself answers every time.
    fn question(at: SocketAddr, key: PublicKeyHash) -> anyhow::Result<Asker> {
        Asker::new(at, vec![format!("GET /statusz/{key} HTTP/1.1\r\nhost: localhost\r\n\r\n")])
    }

    fn new(at: SocketAddr, packets: Vec<String>) -> anyhow::Result<Asker> {
        let mut last = String::new();
        let first = lab::wait::until("the first answer", START, || {
            let asked = Asker::connect(at, &packets).and_then(|mut asker| {
                asker.ask()?;
                Ok(asker)
            });
            Ok(asked.map_err(|error| last = error.to_string()).ok())
        });
        first.with_context(|| format!("{at}: {last}"))
    }

    fn connect(at: SocketAddr, packets: &[String]) -> anyhow::Result<Asker> {
        let stream = TcpStream::connect(at)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(START))?;
        Ok(Asker { at, stream: BufReader::new(stream), packets: packets.to_vec() })
    }

    /// The connection of the round before was idle for too long. The first request is not counted.
    fn round(&mut self) -> anyhow::Result<Vec<f64>> {
        *self = Asker::connect(self.at, &self.packets)?;
        self.ask()?;
        (0..REQUESTS)
            .map(|_| {
                thread::sleep(PAUSE);
                self.ask()
            })
            .collect()
    }

    /// Milliseconds.
    pub(super) fn ask(&mut self) -> anyhow::Result<f64> {
        let asked = Instant::now();
        for packet in &self.packets {
            self.stream.get_mut().write_all(packet.as_bytes())?;
        }
        let (mut length, mut status) = (0, String::new());
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line)?;
            let line = line.trim_end().to_ascii_lowercase();
            if status.is_empty() {
                status.clone_from(&line);
            }
            if let Some(text) = line.strip_prefix("content-length:") {
                length = text.trim().parse().context("a length")?;
            }
            if line.is_empty() {
                break;
            }
        }
        self.stream.read_exact(&mut vec![0; length])?;
        let took = asked.elapsed();
        if status.contains(" 200 ") { Ok(took.as_secs_f64() * 1000.0) } else { bail!("{status}") }
    }
}
