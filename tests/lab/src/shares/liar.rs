//! Whoever owns the cloud: it asks each signer for whatever it likes, round the gateway, and keeps every part.

use std::collections::{BTreeSet, HashMap};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::Value;
use tezos::{KeyForm, Kind, PublicKeyHash, sample_payload_of};

use super::ShareBox;

/// A liar with a connection to one signer.
#[derive(Debug)]
pub struct Liar {
    at: SocketAddr,
    key: PublicKeyHash,
    stream: Option<BufReader<TcpStream>>,
}

/// A mark: level, round, and the kind's name.
pub type Mark = (u32, u32, &'static str);

/// A part of a signature, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Of which share.
    pub share: u64,
    /// In base58.
    pub signature: String,
}

/// All parts of all marks, by what they are for.
#[derive(Debug, Default)]
pub struct Loot(pub HashMap<(Mark, u8), Vec<Part>>);

/// For a signer that was killed to be there again.
const AGAIN: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(2);
const KINDS: [Kind; 2] = [Kind::Preattestation, Kind::Attestation];

impl Liar {
    /// One that asks this signer.
    #[must_use]
    pub fn new(share_box: &ShareBox, key: PublicKeyHash) -> Liar {
        Liar { at: share_box.http, key, stream: None }
    }

    /// The bytes of a vote: each variant is another one at the same mark.
    #[must_use]
    pub fn payload(&self, mark: Mark, variant: u8) -> Vec<u8> {
        let (level, round, name) = mark;
        let kind = KINDS.into_iter().find(|kind| kind.name() == name).unwrap_or(Kind::Attestation);
        sample_payload_of(KeyForm::of(&self.key), kind, level, round, variant)
    }

    /// Its share's part of a vote; none if it refuses. A signer that is being started again is waited for.
    ///
    /// # Errors
    /// When there is no answer, or one that is neither.
    pub fn ask(&mut self, mark: Mark, variant: u8) -> anyhow::Result<Option<Part>> {
        let body = format!("\"{}\"", hex::encode(self.payload(mark, variant)));
        let request = format!(
            "POST /shares/{}?version=3 HTTP/1.1\r\nhost: localhost\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.key,
            body.len()
        );
        let end = Instant::now() + AGAIN;
        loop {
            match self.exchange(&request) {
                Ok((200, text)) => return read_part(&text).map(Some),
                Ok((500, _)) => return Ok(None),
                Ok((status, text)) if Instant::now() > end => bail!("{status}: {text}"),
                Err(error) if Instant::now() > end => return Err(error),
                Ok(_) | Err(_) => {
                    self.stream = None;
                    std::thread::sleep(PAUSE);
                }
            }
        }
    }

    fn exchange(&mut self, request: &str) -> anyhow::Result<(u16, String)> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(self.at)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(AGAIN))?;
            self.stream = Some(BufReader::new(stream));
        }
        let stream = self.stream.as_mut().context("no connection")?;
        stream.get_mut().write_all(request.as_bytes())?;
        read_answer(stream)
    }
}

fn read_answer(stream: &mut BufReader<TcpStream>) -> anyhow::Result<(u16, String)> {
    let (mut status, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            bail!("the connection was closed");
        }
        let line = line.trim_end().to_ascii_lowercase();
        if status.is_none() {
            status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        }
        if let Some(text) = line.strip_prefix("content-length:") {
            length = text.trim().parse()?;
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok((status.context("no status")?, String::from_utf8(body)?))
}

fn read_part(text: &str) -> anyhow::Result<Part> {
    let value: Value = serde_json::from_str(text)?;
    let share = value.get("share").and_then(Value::as_u64).context("no share")?;
    let signature = value.get("signature").and_then(Value::as_str).context("no signature")?;
    Ok(Part { share, signature: signature.to_owned() })
}

impl Loot {
    /// Keeps a part.
    pub fn keep(&mut self, mark: Mark, variant: u8, part: Part) {
        let parts = self.0.entry((mark, variant)).or_default();
        if !parts.contains(&part) {
            parts.push(part);
        }
    }

    /// Takes what another liar has.
    pub fn join(&mut self, other: Loot) {
        for ((mark, variant), parts) in other.0 {
            parts.into_iter().for_each(|part| self.keep(mark, variant, part));
        }
    }

    /// The votes for which there are parts of so many different shares: each has a signature.
    #[must_use]
    pub fn signed(&self, needed: usize) -> Vec<(Mark, u8)> {
        let has_enough = |parts: &[Part]| {
            let mut shares: Vec<u64> = parts.iter().map(|part| part.share).collect();
            shares.sort_unstable();
            shares.dedup();
            shares.len() >= needed
        };
        let signed = self.0.iter().filter(|(_, parts)| has_enough(parts));
        signed.map(|(vote, _)| *vote).collect()
    }

    /// The marks at which one share gave parts of two votes.
    #[must_use]
    pub fn own_doubles(&self) -> BTreeSet<(Mark, u64)> {
        let of = |variant: u8| -> BTreeSet<(Mark, u64)> {
            let own = self.0.iter().filter(|((_, it), _)| *it == variant);
            own.flat_map(|((mark, _), parts)| parts.iter().map(|part| (*mark, part.share)))
                .collect()
        };
        of(1).intersection(&of(2)).copied().collect()
    }

    /// How many marks there are.
    #[must_use]
    pub fn marks(&self) -> usize {
        self.0.keys().map(|(mark, _)| mark).collect::<BTreeSet<_>>().len()
    }

    /// The marks at which two different votes have a signature. There must be none.
    #[must_use]
    pub fn signed_twice(&self, needed: usize) -> Vec<Mark> {
        let mut marks: Vec<Mark> = self.signed(needed).into_iter().map(|(mark, _)| mark).collect();
        marks.sort_unstable();
        let twice = marks.windows(2).filter(|pair| pair.first() == pair.last());
        twice.filter_map(|pair| pair.first().copied()).collect()
    }
}
