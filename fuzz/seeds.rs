//! Writes a seed corpus for each target from `tests/vectors`: `cargo run --bin seeds`, in this folder.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors");
    let read = |name: &str| -> Result<Vec<Value>, Box<dyn std::error::Error>> {
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
    Ok(())
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
