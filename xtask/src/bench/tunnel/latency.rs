//! One request at a time through each tunnel, over a connection that is kept.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use lab::home::Uplink;
use lab::net::{Internet, Line};
use tezos::PublicKeyHash;

use crate::bench::report::{Figures, Row};
use crate::bench::tunnel::stage::{PORT, PeelStage, START, UsualStage, loopback};

/// The tunnels are asked in turn, so that what else the machine does troubles both.
const ROUNDS: u32 = 5;
const REQUESTS: u32 = 400;
/// An idle tunnel, as it is between two levels.
const PAUSE: Duration = Duration::from_millis(10);

/// Whether a key can sign now: answered by the signer itself every time.
pub(super) fn one_at_a_time(internet: &Internet) -> anyhow::Result<Row> {
    println!("\none request at a time through the tunnel");
    let peel = PeelStage::start(internet.home(), &[Uplink { line: Line::Wired, metered: false }])?;
    let usual = UsualStage::start(internet.home())?;
    let mut ours = Asker::new(loopback(PORT), peel.signer.key())?;
    let theirs = Asker::new(usual.http(), usual.signer.key());
    let mut theirs = theirs.with_context(|| usual.log())?;
    let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        their_times.extend(theirs.round()?);
        our_times.extend(ours.round()?);
    }
    let (ours, theirs) = (Figures::of(our_times), Figures::of(their_times));
    let (median, p99) = (ours.median / theirs.median, ours.p99 / theirs.p99);
    Ok(Row {
        what: "one request at a time through the tunnel, 10 ms apart".to_owned(),
        promise: "median no worse than OpenSSH, p99 at most a fifth".to_owned(),
        beside: Some(theirs.to_string()),
        measured: format!("{ours}; {median:.2} of the median, {p99:.2} of the p99"),
        kept: median <= 1.0 && p99 <= 0.2,
    })
}

/// Somebody with a connection that is kept for a round.
struct Asker {
    at: SocketAddr,
    stream: BufReader<TcpStream>,
    request: String,
}

impl Asker {
    fn new(at: SocketAddr, key: PublicKeyHash) -> anyhow::Result<Asker> {
        let request = format!("GET /statusz/{key} HTTP/1.1\r\nhost: x\r\n\r\n");
        let mut last = String::new();
        let first = lab::wait::until("the first answer", START, || {
            let asked = Asker::connect(at, &request).and_then(|mut asker| {
                asker.ask()?;
                Ok(asker)
            });
            Ok(asked.map_err(|error| last = error.to_string()).ok())
        });
        first.with_context(|| format!("{at}: {last}"))
    }

    fn connect(at: SocketAddr, request: &str) -> anyhow::Result<Asker> {
        let stream = TcpStream::connect(at)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(START))?;
        Ok(Asker { at, stream: BufReader::new(stream), request: request.to_owned() })
    }

    /// The connection of the round before was idle for too long. The first request is not counted.
    fn round(&mut self) -> anyhow::Result<Vec<f64>> {
        *self = Asker::connect(self.at, &self.request)?;
        self.ask()?;
        (0..REQUESTS)
            .map(|_| {
                thread::sleep(PAUSE);
                self.ask()
            })
            .collect()
    }

    /// Milliseconds.
    fn ask(&mut self) -> anyhow::Result<f64> {
        let asked = Instant::now();
        self.stream.get_mut().write_all(self.request.as_bytes())?;
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
