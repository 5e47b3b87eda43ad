//! `tests/vectors/http.json`: what octez-signer answers, case by case.

use crate::harness::{self, Answer, Daemon, Home, exchange};
use serde_json::Value;
use tezos::{BlsScheme, PublicKey, SecretKey};

/// Cases that Peel answers otherwise, and why.
const OTHERWISE: [(&str, &str); 1] = [("sign-tz1-micheline", "only blocks and votes are signed")];

pub(crate) fn home(case: &Value) -> Home {
    let server = &case["server"];
    let mut home = Home::new();
    if server["allow_list_known_keys"] == true {
        home = home.with("allow_list_known_keys = true");
    }
    if server["allow_to_prove_possession"] == true {
        home = home.with("allow_to_prove_possession = true");
    }
    if server["require_authentication"] == true {
        home = home
            .with(&format!("[authentication]\nauthorized_keys = {}", server["authorized_keys"]));
    }
    for (at, secret) in server["keys"].as_array().unwrap().iter().enumerate() {
        let secret = secret.as_str().unwrap();
        let hash = SecretKey::from_base58(secret).unwrap().hash().to_string();
        home = home.with_key(&format!("key{at}"), secret).with_mark(&hash, None);
    }
    home
}

fn ask(daemon: &Daemon, request: &Value) -> Answer {
    let body = match (request["body"].as_str(), request["body_hex"].as_str()) {
        (Some(text), _) => text.as_bytes().to_vec(),
        (None, Some(hex)) => hex::decode(hex).unwrap(),
        (None, None) => Vec::new(),
    };
    let mut head = format!(
        "{} {} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n",
        request["method"].as_str().unwrap(),
        request["path"].as_str().unwrap()
    );
    for (name, value) in request["headers"].as_object().unwrap() {
        head += &format!("{name}: {}\r\n", value.as_str().unwrap());
    }
    if !body.is_empty() {
        head += &format!("content-length: {}\r\n", body.len());
    }
    exchange(daemon.http, &[head.as_bytes(), b"\r\n", &body].concat())
}

fn check(case: &Value, answer: &Answer) -> Result<(), String> {
    let (expected, ours) = (&case["response"], answer.json());
    if expected["status"] != answer.status {
        return Err(format!("{} where octez says {}", answer.status, expected["status"]));
    }
    if expected["body_hex"].is_string() && expected["body_hex"] != hex::encode(&answer.body) {
        return Err(format!("{} is not {}", hex::encode(&answer.body), expected["body_hex"]));
    }
    let parsed = expected["body"].as_str().map(serde_json::from_str::<Value>);
    match (case["compare"].as_str().unwrap(), parsed) {
        ("json", Some(Ok(theirs))) if ours != theirs => Err(format!("{ours} is not {theirs}")),
        ("signature", Some(Ok(_))) => verify(case, &ours),
        _ => Ok(()),
    }
}

/// Signatures that octez draws at random are verified instead of compared.
fn verify(case: &Value, ours: &Value) -> Result<(), String> {
    let path = case["request"]["path"].as_str().unwrap();
    let keys = case["server"]["keys"].as_array().unwrap();
    let keys = keys.iter().map(|key| SecretKey::from_base58(key.as_str().unwrap()).unwrap());
    let key: PublicKey = keys
        .map(|key| key.public_key().clone())
        .find(|key| path.contains(&key.hash().to_string()))
        .unwrap();
    let request = &case["request"];
    let data = match (request["body"].as_str(), request["body_hex"].as_str()) {
        (Some(text), _) => hex::decode(serde_json::from_str::<String>(text).unwrap()).unwrap(),
        // Octet-stream: behind two lengths.
        (None, binary) => hex::decode(binary.unwrap()).unwrap().split_off(8),
    };
    let signature = ours["signature"].as_str().unwrap().parse().unwrap();
    let good = key.verifies(&data, &signature, BlsScheme::default());
    if good { Ok(()) } else { Err("it does not verify".to_owned()) }
}

#[test]
fn it_answers_as_octez_signer_does() {
    let (mut compared, mut wrong) = (0, Vec::new());
    for case in harness::vectors("http.json").iter().filter(|case| case["transport"] == "http") {
        let id = case["id"].as_str().unwrap();
        let answer = ask(&home(case).start(), &case["request"]);
        if let Some((_, why)) = OTHERWISE.iter().find(|(other, _)| *other == id) {
            assert_eq!(answer.status, 500, "{id}: {why}");
            continue;
        }
        compared += 1;
        if let Err(difference) = check(case, &answer) {
            wrong.push(format!("{id}: {difference}: {}", answer.text()));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(compared >= 90, "{compared}");
}

#[test]
fn what_octez_baker_sends_is_understood_byte_for_byte() {
    for case in harness::vectors("http.json") {
        if case["transport"] != "http-client-bytes" {
            continue;
        }
        let raw = case["request_raw"].as_str().unwrap();
        let secret = "BLsk1hKAHyGqY9qRbgoSVnjiSmDWpKGjFF3WNQ7BaiaMUA6RMA6Pfq";
        let hash = SecretKey::from_base58(secret).unwrap().hash().to_string();
        let daemon = Home::new()
            .with("allow_list_known_keys = true\nallow_to_prove_possession = true")
            .with_key("bootstrap1", harness::TZ1_SECRET)
            .with_mark(harness::TZ1, None)
            .with_key("tz4", secret)
            .with_mark(&hash, None)
            .start();
        let request = raw.replacen("\r\n", "\r\nconnection: close\r\n", 1);
        let answer = exchange(daemon.http, request.as_bytes());
        assert_eq!(answer.status, 200, "{}: {}", case["id"], answer.text());
    }
}

/// Over another key it would be a signature over bytes of the client's choice.
#[test]
fn possession_is_proved_of_the_key_itself_only() {
    let secret = "BLsk1hKAHyGqY9qRbgoSVnjiSmDWpKGjFF3WNQ7BaiaMUA6RMA6Pfq";
    let key = SecretKey::from_base58(secret).unwrap();
    let (hash, other) = (key.hash(), SecretKey::generate(tezos::Curve::Bls, &[5; 32]).unwrap());
    let daemon = Home::new()
        .with("allow_to_prove_possession = true")
        .with_key("tz4", secret)
        .with_mark(&hash.to_string(), None)
        .with_key("tz1", harness::TZ1_SECRET)
        .start();
    let path = format!("/bls_prove_possession/{hash}");
    let own = harness::get(daemon.http, &format!("{path}?bls_pk={}", key.public_key()));
    assert_eq!(own.text(), harness::get(daemon.http, &path).text());
    assert_eq!(own.status, 200);
    let foreign = harness::get(daemon.http, &format!("{path}?bls_pk={}", other.public_key()));
    assert_eq!(foreign.status, 500);
    let tz1 = harness::get(daemon.http, &format!("/bls_prove_possession/{}", harness::TZ1));
    assert_eq!(tz1.status, 500);
}
