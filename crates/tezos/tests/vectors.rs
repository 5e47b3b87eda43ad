//! Every case of `tests/vectors` that is about keys, signatures and payloads.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use serde_json::Value;
use tezos::{
    AuthenticatedRequest, BlsScheme, Curve, EncryptedKey, KeyForm, Payload, PublicKey,
    PublicKeyHash, SecretKey, SecretKeyError, Signature, blake2b_256,
};

/// The objects of a vector file, and of its reference file where that is at hand.
fn cases(file: &str) -> Vec<Value> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../");
    let mut cases = read(&format!("{root}tests/vectors/{file}")).unwrap();
    match read(&format!("{root}../shared/vectors/reference/{file}")) {
        Some(reference) => cases.extend(reference),
        None => println!("{file}: reference cases skipped, their folder is not here"),
    }
    println!("{file}: {} cases", cases.len());
    cases
}

fn read(path: &str) -> Option<Vec<Value>> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(serde_json::from_str(&text).unwrap())
}

fn text<'a>(case: &'a Value, field: &str) -> &'a str {
    case[field].as_str().unwrap_or_else(|| panic!("{} has no {field}", case["id"]))
}

fn bytes(case: &Value, field: &str) -> Vec<u8> {
    hex::decode(text(case, field)).unwrap()
}

fn is_tz5(case: &Value) -> bool {
    case["curve"] == "mldsa44"
}

#[test]
fn keys_read_and_write_as_the_vectors_say() {
    for case in cases("keys.json").iter().filter(|case| case["valid"] == true) {
        let id = &case["id"];
        let public: PublicKey = text(case, "public_key").parse().unwrap();
        assert_eq!(public.to_string(), text(case, "public_key"), "{id}");
        assert_eq!(public.bytes(), bytes(case, "public_key_raw"), "{id}");
        assert_eq!(public.hash().to_string(), text(case, "public_key_hash"), "{id}");
        let hash: PublicKeyHash = text(case, "public_key_hash").parse().unwrap();
        assert_eq!(hash, public.hash(), "{id}");
        if let Some(tagged) = case["public_key_hash_bytes"].as_str() {
            assert_eq!(hex::encode(hash.tagged_bytes()), tagged, "{id}");
        }
        if case["secret_key"].is_string() {
            check_secret_key(case, &public);
        }
    }
}

fn check_secret_key(case: &Value, public: &PublicKey) {
    let id = &case["id"];
    let secret = SecretKey::from_base58(text(case, "secret_key"));
    if is_tz5(case) {
        assert_eq!(secret.unwrap_err(), SecretKeyError::Unsupported, "{id}");
        return;
    }
    let secret = secret.unwrap();
    assert_eq!(secret.public_key(), public, "{id}");
    assert_eq!(secret.to_base58().as_str(), text(case, "secret_key"), "{id}");
    if let Some(long) = case["secret_key_64"].as_str() {
        assert_eq!(SecretKey::from_base58(long).unwrap().public_key(), public, "{id}");
    }
    if let Some(sealed) = case["encrypted_secret_key"].as_str() {
        let sealed: EncryptedKey = sealed.parse().unwrap();
        assert_eq!(sealed.to_string(), text(case, "encrypted_secret_key"), "{id}");
        let opened = sealed.open(text(case, "password").as_bytes()).unwrap();
        assert_eq!(opened.public_key(), public, "{id}");
    }
}

#[test]
fn invalid_keys_are_refused() {
    let cases = cases("keys.json");
    for case in cases.iter().filter(|case| case["valid"] == false) {
        let value = text(case, "value");
        let accepted = match text(case, "field") {
            "secret_key" => SecretKey::from_base58(value).is_ok(),
            "public_key" => value.parse::<PublicKey>().is_ok(),
            "public_key_hash" => value.parse::<PublicKeyHash>().is_ok(),
            "signature" => value.parse::<Signature>().is_ok(),
            "encrypted_secret_key" => value
                .parse::<EncryptedKey>()
                .is_ok_and(|key| key.open(text(case, "password").as_bytes()).is_ok()),
            other => panic!("no rule for {other}"),
        };
        assert!(!accepted, "{}: {}", case["id"], case["why"]);
    }
}

fn scheme(case: &Value) -> BlsScheme {
    if case["version"] == 1 { BlsScheme::MessageAugmentation } else { BlsScheme::ProofOfPossession }
}

#[test]
fn signatures_verify_as_the_vectors_say() {
    let mut tz5 = 0;
    for case in cases("sign.json").iter().filter(|case| case["kind"] != "proof_of_possession") {
        let id = &case["id"];
        let public: PublicKey = text(case, "public_key").parse().unwrap();
        let signature: Signature = text(case, "signature").parse().unwrap();
        assert_eq!(signature.to_string(), text(case, "signature"), "{id}");
        if is_tz5(case) {
            tz5 += 1;
            continue;
        }
        let message = bytes(case, "message");
        let verified = public.verifies(&message, &signature, scheme(case));
        assert_eq!(Value::from(verified), case["valid"], "{id}");
        if let Some(generic) = case["signature_generic"].as_str() {
            assert_eq!(signature.to_generic().unwrap(), generic, "{id}");
            let generic: Signature = generic.parse().unwrap();
            assert!(public.verifies(&message, &generic, scheme(case)), "{id}");
        }
    }
    println!("{tz5} signatures of tz5 read, not verified");
}

#[test]
fn what_is_signed_here_is_what_the_vectors_say() {
    let cases = cases("sign.json");
    let made_here =
        |case: &&Value| case["valid"] == true && case["secret_key"].is_string() && !is_tz5(case);
    for case in cases.iter().filter(made_here) {
        let id = &case["id"];
        let key = SecretKey::from_base58(text(case, "secret_key")).unwrap();
        let made = if case["kind"] == "proof_of_possession" {
            if !case["override_pk"].is_null() {
                continue;
            }
            key.prove_possession().unwrap()
        } else {
            key.sign(&bytes(case, "message"), scheme(case)).unwrap()
        };
        if case["deterministic"] == true {
            assert_eq!(made.to_string(), text(case, "signature"), "{id}");
        } else {
            let message = bytes(case, "message");
            assert!(key.public_key().verifies(&message, &made, scheme(case)), "{id}");
        }
    }
}

#[test]
fn nonces_are_those_of_octez() {
    for case in cases("nonce.json").iter().filter(|case| !is_tz5(case)) {
        let key = SecretKey::from_base58(text(case, "secret_key")).unwrap();
        let made = key.deterministic_nonce(&bytes(case, "data")).unwrap();
        assert_eq!(hex::encode(*made.nonce), text(case, "deterministic_nonce"), "{}", case["id"]);
        assert_eq!(hex::encode(made.hash), text(case, "deterministic_nonce_hash"));
    }
}

#[test]
fn only_an_authorised_key_authenticates_a_request() {
    for case in cases("auth.json") {
        let hash: PublicKeyHash = text(&case, "signing_pkh").parse().unwrap();
        let data = bytes(&case, "data");
        let request = match text(&case, "request") {
            "sign" => AuthenticatedRequest::Sign,
            "deterministic_nonce" => AuthenticatedRequest::Nonce,
            _ => AuthenticatedRequest::NonceHash,
        };
        assert_eq!(hex::encode(request.bytes(&hash, &data)), text(&case, "bytes_to_sign"));
        let authorized: Vec<PublicKey> = case["authorized_keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key.as_str().unwrap().parse().unwrap())
            .collect();
        let accepted = text(&case, "authentication")
            .parse()
            .is_ok_and(|signature| request.is_authorized(&hash, &data, &signature, &authorized));
        assert_eq!(Value::from(accepted), case["accepted"], "{}", case["id"]);
    }
}

fn forms(case: &Value) -> Vec<KeyForm> {
    match text(case, "key") {
        "tz4" => vec![KeyForm::NoSlot],
        "not-tz4" => vec![KeyForm::Slot],
        _ => vec![KeyForm::Slot, KeyForm::NoSlot],
    }
}

#[test]
fn what_a_baker_sends_is_read_and_nothing_else() {
    for case in cases("payloads.json") {
        let id = &case["id"];
        let raw = bytes(&case, "payload");
        let wanted = matches!(text(&case, "type"), "block" | "preattestation" | "attestation");
        for form in forms(&case) {
            let parsed = Payload::parse(&raw, form);
            let Ok(payload) = parsed else {
                assert!(!wanted, "{id}: {}", parsed.unwrap_err());
                continue;
            };
            assert!(wanted, "{id} was read");
            check_payload(&case, &payload, &raw);
        }
    }
}

fn check_payload(case: &Value, payload: &Payload, raw: &[u8]) {
    let id = &case["id"];
    let fields = &case["fields"];
    let round =
        if fields["fitness"].is_object() { &fields["fitness"]["round"] } else { &fields["round"] };
    assert_eq!(payload.kind().name(), text(case, "type"), "{id}");
    assert_eq!(payload.chain().to_string(), text(fields, "chain_id"), "{id}");
    assert_eq!(i64::from(payload.mark().level), fields["level"].as_i64().unwrap(), "{id}");
    assert_eq!(i64::from(payload.mark().round), round.as_i64().unwrap(), "{id}");
    assert_eq!(payload.encode(), raw, "{id}");
    assert_eq!(payload.bytes(), raw, "{id}");
    assert_eq!(*payload.digest(), blake2b_256(raw), "{id}");
}

#[test]
fn malformed_payloads_are_refused() {
    for case in cases("malformed.json") {
        for form in forms(&case) {
            let parsed = Payload::parse(&bytes(&case, "payload"), form);
            assert!(parsed.is_err(), "{}: {}", case["id"], case["why"]);
        }
    }
}

#[test]
fn a_secret_key_shows_only_its_hash() {
    for case in cases("keys.json").iter().filter(|case| case["valid"] == true && !is_tz5(case)) {
        let key = SecretKey::from_base58(text(case, "secret_key")).unwrap();
        assert_eq!(format!("{key:?}"), format!("SecretKey(of {})", text(case, "public_key_hash")));
    }
}

#[test]
fn every_curve_encrypts_and_generates() {
    for curve in [Curve::Ed25519, Curve::Secp256k1, Curve::P256, Curve::Bls] {
        let key = SecretKey::generate(curve, &[7; 32]).unwrap();
        let sealed = EncryptedKey::seal(&key, b"pass", [1; 8]).unwrap().to_string();
        let opened = sealed.parse::<EncryptedKey>().unwrap().open(b"pass").unwrap();
        assert_eq!(opened.hash(), key.hash());
        assert!(sealed.parse::<EncryptedKey>().unwrap().open(b"pass ").is_err());
    }
}
