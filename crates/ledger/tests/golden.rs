//! Recorded answers of the real app, decoded: keys and signatures of all derivations.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::VecDeque;
use std::time::Duration;

use ledger::{BakingApp, KeyPath, LedgerError, Transport, TransportError};
use serde_json::Value;

/// A device that answers with its identity, and everything else with what was recorded. What is left
/// over from before comes first.
struct Script {
    left_over: VecDeque<Vec<u8>>,
    answers: VecDeque<Vec<u8>>,
}

impl Transport for Script {
    fn send(&mut self, apdu: &[u8], _: Duration) -> Result<(), TransportError> {
        let answer = match apdu {
            [0xb0, 1, 0, 0, 0] => hex::decode(RUNNING).ok(),
            [0x80, 0, 0, 0, 0] => hex::decode(VERSION).ok(),
            _ => self.answers.pop_front(),
        };
        self.left_over.extend(answer);
        Ok(())
    }

    fn receive(&mut self, limit: Duration) -> Result<Vec<u8>, TransportError> {
        self.left_over.pop_front().ok_or(TransportError::Silent(limit))
    }
}

const RUNNING: &str = "010c54657a6f732042616b696e6705322e352e3101009000";
const VERSION: &str = "010205019000";

fn app(left_over: &[&str], answers: &[&str]) -> Result<BakingApp, LedgerError> {
    let bytes = |list: &[&str]| list.iter().map(|answer| hex::decode(answer).unwrap()).collect();
    BakingApp::new(Box::new(Script { left_over: bytes(left_over), answers: bytes(answers) }))
}

fn app_that_answers(data: &str) -> BakingApp {
    app(&[], &["9000", &format!("{data}9000")]).unwrap()
}

fn golden(kind: &str) -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/ledger/golden.jsonl");
    let lines = std::fs::read_to_string(path).unwrap();
    let cases = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    cases.filter(|case| case["kind"] == kind).collect()
}

fn text<'a>(case: &'a Value, field: &str) -> &'a str {
    case[field].as_str().unwrap_or_else(|| panic!("no {field} in {case}"))
}

/// `44'/1729'/0'/0'` of a curve, as octez writes it.
fn key_path(case: &Value) -> KeyPath {
    let path = text(case, "path");
    let parts = path.strip_prefix("44'/1729'").unwrap_or_else(|| panic!("{path}"));
    format!("{}{}", text(case, "curve"), parts.replace('\'', "h")).parse().unwrap()
}

#[test]
fn recorded_public_keys_are_read() {
    // The app gives BLS keys of paths outside of Tezos too; they cannot be written here.
    let mut cases = golden("pubkey");
    cases.retain(|case| text(case, "path").starts_with("44'/1729'"));
    assert!(cases.len() > 30);
    for case in cases {
        let mut app = app(&[], &[&format!("{}9000", text(&case, "response_hex"))]).unwrap();
        let key = app.public_key(&key_path(&case)).unwrap();
        assert_eq!(key.to_string(), text(&case, "pk"), "{case}");
        assert_eq!(key.hash().to_string(), text(&case, "pkh"), "{case}");
    }
}

#[test]
fn recorded_signatures_are_read_and_verify() {
    let mut read = 0;
    for case in golden("signature") {
        let message = hex::decode(text(&case, "message_hex")).unwrap();
        if case["with_hash"] != true || !matches!(message.first(), Some(0x11..=0x13)) {
            continue;
        }
        let path = key_path(&case);
        let signature =
            app_that_answers(text(&case, "response_hex")).sign(&path, &message).unwrap();
        assert_eq!(signature.to_string(), text(&case, "signature"), "{case}");
        read += 1;
    }
    println!("{read} signatures");
    assert!(read > 10);
}

#[test]
fn a_signature_over_another_message_is_nonsense() {
    let case = golden("signature").into_iter().find(|case| case["with_hash"] == true).unwrap();
    let answered =
        app_that_answers(text(&case, "response_hex")).sign(&key_path(&case), &[0x13; 80]);
    assert!(matches!(answered, Err(LedgerError::Nonsense { .. })));
}

#[test]
fn only_blocks_and_votes_reach_the_app() {
    let path: KeyPath = "secp256k1/0h/0h".parse().unwrap();
    for magic in (0..=255_u8).filter(|magic| !(0x11..=0x13).contains(magic)) {
        let answered = app(&[], &[]).unwrap().sign(&path, &[magic, 1, 2, 3]);
        assert_eq!(answered, Err(LedgerError::NotForBaking));
    }
}

#[test]
fn old_answers_do_not_pair_with_new_questions() {
    let signature = format!("{}9000", "ab".repeat(96));
    let old: [&[&str]; 6] = [
        &[&signature],
        &["6a80"],
        &[RUNNING],
        &[VERSION],
        &[RUNNING, &signature],
        &[VERSION, RUNNING],
    ];
    for left_over in old {
        let mut app = app(left_over, &[]).unwrap();
        assert_eq!(app.running_app().unwrap().name, "Tezos Baking", "{left_over:?}");
        assert_eq!(app.version().unwrap().to_string(), "2.5.1", "{left_over:?}");
    }
}

#[test]
fn paths_are_read_as_octez_writes_them() {
    for text in ["ed25519/0h/0h", "secp256k1/0h/0h", "P-256/1h", "bip25519/0/5h", "bls12-381"] {
        assert_eq!(text.parse::<KeyPath>().unwrap().to_string(), text);
    }
    for text in [
        "",
        "tz1/0h",
        "ed25519/",
        "ed25519/x",
        "ed25519/-1",
        "ed25519/4294967296",
        "ed25519/0h/0h/",
    ] {
        assert!(text.parse::<KeyPath>().is_err(), "{text:?}");
    }
}
