//! A client that keeps its connection.
//!
//! A connection that was used before may be closed by the other side at any moment. When it ends before the first byte of
//! an answer, the request is sent once more, on a new connection (RFC 9112 §9.3.1; Go's `http.Transport` and others do
//! the same). A 502 is asked again as octez does; every other failure is final. It asks for preattestations, so that the
//! other baker, which asks for attestations, may have the same key and levels.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use cluster::bakers::Vote;
use signer_api::client::SignerUrl;
use tezos::{Kind, sample_payload};

/// For an answer. octez waits as long as the connection lives.
const LIMIT: Duration = Duration::from_secs(15);
/// The pauses between attempts that got a 502, as in the lab's baker: 3.6 s in all.
const PAUSES: u32 = 9;
const LONGER: Duration = Duration::from_millis(100);
/// More than any answer has.
const MAX_ANSWER: usize = 64 * 1024;
const BAD_GATEWAY: u16 = 502;

/// Asks for one vote after the other, until the pod is killed.
pub(super) fn ask(url: &SignerUrl, first_level: u32, period: Duration) -> anyhow::Result<()> {
    let mut client = Client::new(url)?;
    for level in first_level.. {
        let started = Instant::now();
        let mut asked_again = 0;
        let error = client.vote(level, &mut asked_again).err().map(|error| format!("{error:#}"));
        let took = started.elapsed();
        super::tell(&Vote { level, took_ms: took.as_secs_f64() * 1000.0, asked_again, error })?;
        thread::sleep(period.saturating_sub(took));
    }
    Ok(())
}

struct Client {
    authority: String,
    path: String,
    kept: Option<BufReader<TcpStream>>,
}

/// Its status and body, and whether the connection stays.
struct Answer {
    status: u16,
    body: String,
    is_last: bool,
}

impl Client {
    fn new(url: &SignerUrl) -> anyhow::Result<Client> {
        let text = url.to_string();
        let rest = text.strip_prefix("http://").context("no http URL")?;
        let (authority, _) = rest.split_once('/').context("no path")?;
        let path = format!("/keys/{}?version=3", url.key);
        Ok(Client { authority: authority.to_owned(), path, kept: None })
    }

    fn vote(&mut self, level: u32, asked_again: &mut u32) -> anyhow::Result<()> {
        let payload = sample_payload(Kind::Preattestation, level, 0, 1);
        let hex: String = payload.iter().map(|byte| format!("{byte:02x}")).collect();
        for pause in 0..=PAUSES {
            let answer = self.exchange(&hex)?;
            match answer.status {
                200 if answer.body.contains("\"signature\"") => return Ok(()),
                BAD_GATEWAY if pause < PAUSES => *asked_again += 1,
                status => bail!("{status}: {}", answer.body.trim()),
            }
            thread::sleep(LONGER * pause);
        }
        bail!("asked {PAUSES} times again")
    }

    fn exchange(&mut self, hex: &str) -> anyhow::Result<Answer> {
        let body = format!("\"{hex}\"\n");
        let request = format!(
            "POST {} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            self.path,
            self.authority,
            body.len()
        );
        if let Some(kept) = self.kept.take()
            && let Some(answer) = self.on(kept, &request)?
        {
            return Ok(answer);
        }
        let stream = TcpStream::connect(&self.authority)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LIMIT))?;
        self.on(BufReader::new(stream), &request)?.context("closed without an answer")
    }

    /// None when the connection ended before the first byte of an answer.
    fn on(
        &mut self,
        mut stream: BufReader<TcpStream>,
        request: &str,
    ) -> anyhow::Result<Option<Answer>> {
        let sent = stream.get_mut().write_all(request.as_bytes());
        let begun = sent.and_then(|()| stream.fill_buf().map(|bytes| !bytes.is_empty()));
        match begun {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) if is_closed(error.kind()) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let answer = read(&mut stream)?;
        self.kept = (!answer.is_last).then_some(stream);
        Ok(Some(answer))
    }
}

fn is_closed(kind: ErrorKind) -> bool {
    [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe, ErrorKind::ConnectionAborted]
        .contains(&kind)
}

fn read(stream: &mut BufReader<TcpStream>) -> anyhow::Result<Answer> {
    let mut status = None;
    let (mut length, mut is_last) = (0, false);
    loop {
        let mut line = String::new();
        stream.by_ref().take(MAX_ANSWER as u64).read_line(&mut line)?;
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        match (status, line.split_once(':')) {
            (None, _) => status = Some(line.split(' ').nth(1).context("no status")?.parse()?),
            (_, Some(("content-length", text))) => length = text.trim().parse()?,
            (_, Some(("connection", text))) => is_last = text.trim() == "close",
            _ => {}
        }
    }
    let mut body = vec![0; usize::min(length, MAX_ANSWER)];
    stream.read_exact(&mut body)?;
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok(Answer { status: status.context("no status line")?, body, is_last })
}
