//! Writes a seed corpus for each target from `tests/vectors`, and from a ceremony: `cargo run --bin seeds`, in this folder.

use std::fs;
use std::path::{Path, PathBuf};

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;
use shares::ceremony::{Ceremony, Message, NewBoxes, Participant, Progress, Resharing};
use shares::{Share, ShareFile, ShareIndex, Threshold};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors");
    let read = |name: &str| -> Result<Vec<Value>, Failure> {
        Ok(serde_json::from_str(&fs::read_to_string(vectors.join(name))?)?)
    };
    for case in read("payloads.json")?.iter().chain(&read("malformed.json")?) {
        let Some(bytes) = bytes(&case["payload"]) else { continue };
        if bytes.first() == Some(&3) {
            seed("operations", &bytes)?;
        }
        for form in [0, 1] {
            seed("payload", &[&[form], bytes.as_slice()].concat())?;
        }
    }
    for case in read("http.json")? {
        let request = &case["request"];
        let body = bytes(&request["body_hex"]).or_else(|| text(&request["body"]));
        if let Some(body) = &body {
            for media in 0..3 {
                seed("http", &[&[media], body.as_slice()].concat())?;
            }
        }
        // Behind the frame's length.
        if let Some([_, _, message @ ..]) = bytes(&case["request_hex"]).as_deref() {
            seed("socket", message)?;
        }
        if let Some(path) = text(&request["path"]) {
            seed("http", &[&[3], path.as_slice()].concat())?;
        }
        if let Some(value) = text(&request["headers"]["Accept"]) {
            seed("http", &[&[4], value.as_slice()].concat())?;
        }
        if let Some(body) = text(&case["response"]["body"]) {
            for status in 0..3 {
                seed("answer", &[&[status], body.as_slice()].concat())?;
            }
        }
    }
    for file in fs::read_dir(vectors.join("ledger/transcripts"))? {
        let session = fs::read_to_string(file?.path())?;
        let lines = session.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let answers: Vec<Vec<u8>> = lines
            .filter_map(|line| {
                Some([bytes(&line["response_hex"])?, bytes(&line["status_word"])?].concat())
            })
            .filter(|answer| answer.len() >= 2)
            .collect();
        for answer in &answers {
            seed("reports", &report(answer))?;
        }
        let cut = answers.iter().filter_map(|answer| {
            Some([&[u8::try_from(answer.len()).ok()?], answer.as_slice()].concat())
        });
        seed("device", &cut.collect::<Vec<_>>().concat())?;
    }
    resharing(&ceremony()?)
}

/// A box, and the randomness that is its own.
fn box_of(number: u8) -> Result<(Participant, StdRng), Failure> {
    let own = Participant::new(Threshold::new(2, 3)?, ShareIndex::new(number)?)?;
    Ok((own, StdRng::seed_from_u64(number.into())))
}

/// What was sent so far is a seed, and each message alone.
fn messages(sent: &[Message]) -> std::io::Result<()> {
    let texts: Vec<String> = sent.iter().map(Message::to_text).collect();
    texts.iter().try_for_each(|text| seed("ceremony", text.as_bytes()))?;
    seed("ceremony", texts.concat().as_bytes())
}

/// Three boxes make a key; each share's file is a seed.
fn ceremony() -> Result<Vec<Share>, Failure> {
    let begin = |number| {
        let (own, mut rng) = box_of(number)?;
        Ok::<_, Failure>((Ceremony::begin(own, &mut rng), rng))
    };
    let mut boxes = (1..=3).map(begin).collect::<Result<Vec<_>, _>>()?;
    let (mut sent, mut shares): (Vec<Message>, Vec<Share>) = (Vec::new(), Vec::new());
    while shares.is_empty() {
        let before = sent.clone();
        for (own, rng) in &mut boxes {
            let outcome = own.advance(&before, rng)?;
            sent.extend(outcome.send.into_iter().filter(|message| !before.contains(message)));
            seed("ceremony", own.to_text().as_bytes())?;
            if let Progress::Done(done) = outcome.progress {
                shares.push(done.share);
            }
        }
        messages(&sent)?;
    }
    for share in &shares {
        seed("share_file", ShareFile::unencrypted(share).to_text().as_bytes())?;
    }
    Ok(shares)
}

/// The first two of these shares become three others.
fn resharing(old: &[Share]) -> Result<(), Failure> {
    let begin = |number| {
        let (own, mut rng) = box_of(number)?;
        Ok::<_, Failure>(Resharing::begin(own, &mut rng))
    };
    let boxes = (1..=3).map(begin).collect::<Result<Vec<_>, _>>()?;
    let mut sent = Vec::new();
    for new in &boxes {
        sent.extend(new.advance(&[])?.send);
        seed("ceremony", new.to_text().as_bytes())?;
    }
    let new = NewBoxes::gather(&sent).map_err(|_| "not all are there")?;
    let old = old.iter().take(2);
    let dealers: Vec<ShareIndex> = old.clone().map(Share::index).collect();
    for share in old {
        let (_, mut rng) = box_of(share.index().number())?;
        sent.push(new.deal(share, &dealers, new.fingerprint(), &mut rng)?);
    }
    let before = sent.clone();
    for new in &boxes {
        let confirmed = new.advance(&before)?.send.into_iter();
        sent.extend(confirmed.filter(|message| !before.contains(message)));
    }
    Ok(messages(&sent)?)
}

fn bytes(value: &Value) -> Option<Vec<u8>> {
    hex::decode(value.as_str()?).ok()
}

fn text(value: &Value) -> Option<Vec<u8>> {
    value.as_str().map(|text| text.as_bytes().to_vec())
}

/// An answer in reports of 64 bytes, as a Ledger sends it.
fn report(answer: &[u8]) -> Vec<u8> {
    let length = u16::try_from(answer.len()).unwrap_or(u16::MAX).to_be_bytes();
    let whole = [&length, answer].concat();
    let reports = whole.chunks(59).zip(0_u16..).map(|(chunk, at)| {
        let mut report = [&[1, 1, 5][..], &at.to_be_bytes(), chunk].concat();
        report.resize(64, 0);
        report
    });
    reports.collect::<Vec<_>>().concat()
}

/// Under a name of its own.
fn seed(target: &str, bytes: &[u8]) -> std::io::Result<()> {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder)?;
    let name = fs::read_dir(&folder)?.count();
    fs::write(folder.join(format!("seed-{name}")), bytes)
}
