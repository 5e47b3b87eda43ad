//! `tests/vectors/watermark.json`: the verdicts of octez-signer, from its own functions.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use tezos::{ChainId, Curve, KeyForm, Payload, PublicKeyHash, Signature};
use watermark::{AdvanceError, Decision, LevelBound, OctezFiles, Records, Store};

fn cases() -> Vec<Value> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../");
    let mut cases = Vec::new();
    for file in ["tests/vectors/watermark.json", "../shared/vectors/reference/watermark.json"] {
        match std::fs::read_to_string(format!("{root}{file}")) {
            Ok(text) => cases.extend(serde_json::from_str::<Vec<Value>>(&text).unwrap()),
            Err(_) => println!("{file} skipped, it is not here"),
        }
    }
    println!("{} cases", cases.len());
    cases
}

/// A store as octez starts without marks: everything is open.
fn store(case: &Value, folder: &Path) -> Store {
    let path = folder.join("watermark.db");
    let mut records = Records::open_or_create(&path).unwrap();
    let files = case["initial_octez_files"].as_object().unwrap();
    for (name, content) in files {
        std::fs::write(folder.join(name), content.to_string()).unwrap();
    }
    if !files.is_empty() {
        records.merge(OctezFiles::read(folder).unwrap().entries).unwrap();
    }
    for (key, chain) in keys_and_chains(case) {
        let known = |entry: &watermark::Entry| (entry.key, entry.chain) == (key, chain);
        if !records.entries().iter().any(known) {
            records.add(key, chain, None).unwrap();
        }
    }
    drop(records);
    Store::open(&path, LevelBound::NONE).unwrap()
}

fn keys_and_chains(case: &Value) -> BTreeSet<(PublicKeyHash, ChainId)> {
    let steps = case["steps"].as_array().unwrap().iter();
    steps
        .filter_map(|step| {
            let key: PublicKeyHash = step["key"].as_str()?.parse().ok()?;
            Some((key, payload(step)?.chain()))
        })
        .collect()
}

fn payload(step: &Value) -> Option<Payload> {
    let key: PublicKeyHash = step["key"].as_str()?.parse().ok()?;
    let bytes = hex::decode(step["payload"].as_str()?).ok()?;
    Payload::parse(&bytes, KeyForm::of(&key)).ok()
}

fn verdict(store: &Store, step: &Value) -> &'static str {
    let key: PublicKeyHash = step["key"].as_str().unwrap().parse().unwrap();
    let Some(payload) = payload(step) else { return "not parsed" };
    let deadline = Instant::now() + Duration::from_secs(10);
    match store.advance(&key, &payload, deadline) {
        Ok(Decision::Sign(permit)) => {
            let curve = permit.key().curve();
            let made = if curve == Curve::Bls { [7; 96].to_vec() } else { [7; 64].to_vec() };
            store.keep(&key, &payload, &Signature::new(curve, &made).unwrap());
            "sign"
        }
        Ok(Decision::Again(_)) => "again",
        Err(AdvanceError::Refused(_)) => "refuse",
        Err(AdvanceError::Failed(failure)) => panic!("{failure}"),
    }
}

#[test]
fn the_rule_is_that_of_octez_for_whatever_a_baker_signs() {
    let mut compared = 0;
    for case in cases() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&case, folder.path());
        for (at, step) in case["steps"].as_array().unwrap().iter().enumerate() {
            let ours = verdict(&store, step);
            // What does not parse never comes to the rule: stricter than octez, on purpose.
            if ours != "not parsed" {
                assert_eq!(ours, step["octez"].as_str().unwrap(), "{} step {at}", case["id"]);
                compared += 1;
            }
        }
    }
    println!("{compared} verdicts compared");
    assert!(compared > 80);
}
