//! A share of a tz4 key: its part of a signature, with the marks of the key.

use rand::SeedableRng;
use rand::rngs::StdRng;
use shares::{Group, PartialSignature, Share, ShareFile, ShareIndex, Threshold, split};
use tezos::{
    BlsScheme, Curve, EncryptedKey, KeyForm, Kind, SecretKey, Statement, WalletKey,
    sample_payload_of,
};

use crate::harness::{Answer, Daemon, Home, get, post, sign_at};

fn secret(seed: u8) -> SecretKey {
    SecretKey::generate(Curve::Bls, &[seed; 32]).unwrap()
}

fn shares() -> Vec<Share> {
    split(&secret(1), Threshold::new(2, 3).unwrap(), StdRng::seed_from_u64(7)).unwrap()
}

fn text(share: &Share) -> String {
    ShareFile::unencrypted(share).to_text().to_string()
}

fn vote(level: u32, variant: u8) -> Vec<u8> {
    sample_payload_of(KeyForm::of(&secret(1).hash()), Kind::Attestation, level, 0, variant)
}

fn home(text: &str) -> Home {
    let home = Home::new();
    home.write_secret("share", text);
    home.with("allow_to_prove_possession = true\nallow_list_known_keys = true")
        .with("[[key]]\nname = \"consensus\"\nshare_file = \"share\"")
}

fn started() -> Daemon {
    let key = secret(1).hash().to_string();
    let daemon = home(&text(&shares()[0])).with_mark(&key, Some(99)).start();
    daemon.await_ready(&key);
    daemon
}

fn sign(daemon: &Daemon, payload: &[u8], query: &str) -> Answer {
    post(daemon.http, &format!("/shares/{}?version=3{query}", secret(1).hash()), payload)
}

/// The part that an answer is, of the first share.
fn part(answer: &Answer) -> PartialSignature {
    let json = answer.json();
    let index = ShareIndex::new(json["share"].as_u64().unwrap().try_into().unwrap()).unwrap();
    PartialSignature::new(index, json["signature"].as_str().unwrap().parse().unwrap())
}

fn group() -> Group {
    shares()[0].group().clone()
}

#[test]
fn a_share_gives_its_part_and_makes_no_signature_alone() {
    let daemon = started();
    let answer = sign(&daemon, &vote(100, 1), "");
    let bytes = vote(100, 1);
    let statement = Statement::Message { bytes: &bytes, scheme: BlsScheme::default() };
    assert!(group().verifies(&part(&answer), statement), "{}", answer.text());
    let other = shares()[1].sign(statement).unwrap();
    let whole = group().combine(&[part(&answer), other], statement).unwrap().signature;
    assert_eq!(Some(whole), secret(1).sign(&bytes, BlsScheme::default()));
    // The same again, and nothing else at that mark.
    assert_eq!(sign(&daemon, &bytes, "").text(), answer.text());
    let other = sign(&daemon, &vote(100, 2), "");
    assert!(other.status == 500 && other.text().contains("100"), "{}", other.text());
    assert_eq!(sign(&daemon, &vote(99, 1), "").status, 500);
    // The version is that of the whole key: message augmentation has its public key in front.
    let first = sign_version(&daemon, 101, 1);
    let bytes = vote(101, 1);
    let statement = Statement::Message { bytes: &bytes, scheme: BlsScheme::MessageAugmentation };
    assert!(group().verifies(&part(&first), statement), "{}", first.text());
}

fn sign_version(daemon: &Daemon, level: u32, version: u8) -> Answer {
    let path = format!("/shares/{}?version={version}", secret(1).hash());
    post(daemon.http, &path, &vote(level, 1))
}

#[test]
fn who_asks_for_a_signature_is_sent_to_the_gateway() {
    let daemon = started();
    let key = secret(1).hash();
    let answer = sign_at(daemon.http, &format!("{key}?version=3"), &vote(100, 1));
    assert_eq!(answer.status, 500);
    for words in ["share 1 of 3", "2 are needed", "ask the gateway"] {
        assert!(answer.text().contains(words), "{}", answer.text());
    }
    let answer = get(daemon.http, &format!("/bls_prove_possession/{key}"));
    assert!(answer.status == 500 && answer.text().contains("ask the gateway"), "{}", answer.text());
    assert_eq!(sign(&daemon, &vote(100, 1), "").status, 200, "no mark was used up");
    let public = get(daemon.http, &format!("/keys/{key}")).json();
    assert_eq!(public["public_key"].as_str(), Some(&*secret(1).public_key().to_string()));
    assert!(get(daemon.http, "/known_keys").text().contains(&key.to_string()));
}

#[test]
fn the_part_of_a_proof_of_possession_is_given() {
    let daemon = started();
    let answer = get(daemon.http, &format!("/shares/{}", secret(1).hash()));
    assert!(group().verifies(&part(&answer), Statement::Possession), "{}", answer.text());
}

#[test]
fn a_whole_key_gives_no_part() {
    let key = secret(1);
    let home = Home::new().with_key("consensus", &key.to_base58());
    let daemon = home.with_mark(&key.hash().to_string(), Some(99)).start();
    let answer = sign(&daemon, &vote(100, 1), "");
    assert!(answer.status == 500 && answer.text().contains("has the whole"), "{}", answer.text());
}

/// A signature that was made before the key was split is not given out as a part, and none is made beside it.
#[test]
fn what_was_signed_by_the_whole_key_is_signed_by_no_share() {
    let key = secret(1);
    let mark = key.hash().to_string();
    let whole = Home::new().with_key("consensus", &key.to_base58()).with_mark(&mark, Some(99));
    let daemon = whole.start();
    daemon.await_ready(&mark);
    assert_eq!(daemon.sign(&mark, &vote(100, 1)).status, 200);
    daemon.stop().unwrap();
    let shared = Home { text: home(&text(&shares()[0])).text, ..whole };
    shared.write_secret("share", &text(&shares()[0]));
    let daemon = shared.start();
    daemon.await_ready(&mark);
    let answer = sign(&daemon, &vote(100, 1), "");
    assert!(answer.status == 500 && answer.text().contains("another share"), "{}", answer.text());
    assert_eq!(sign(&daemon, &vote(101, 1), "").status, 200);
}

#[test]
fn a_share_file_that_is_not_that_share_is_refused_at_the_start() {
    let good = text(&shares()[0]);
    let other_key = text(
        &split(&secret(2), Threshold::new(2, 3).unwrap(), StdRng::seed_from_u64(7)).unwrap()[0],
    );
    let secret_line = |text: &str| text.lines().last().unwrap().to_owned();
    let says = |text: &str, words: &str| {
        let complaint = home(text).config().unwrap_err().to_string();
        assert!(complaint.contains(words), "{words:?} is not in {complaint:?}");
        assert!(!complaint.contains("BLsk"), "a secret in a message: {complaint}");
    };
    says(&good.replace("index = 1", "index = 2"), "this is not share 2 of the key");
    says(&good.replace("index = 1", "index = 4"), "there is no share 4 of 3 shares");
    says(&good.replace("index = 1", "index = 0"), "index: no index of a share");
    says(&good.replace("threshold = 2", "threshold = 1"), "at least 2 shares have to be needed");
    says(&good.replace("threshold = 2", "threshold = 3"), "fewer than 3 of these shares");
    says(&good.replace(&secret_line(&good), &secret_line(&other_key)), "this is not share 1");
    says(&good.replace(&secret_line(&good), "secret = \"BLsk\""), "unencrypted:… or encrypted:…");
    for half in (0..good.len()).step_by(97).filter(|at| good.is_char_boundary(*at)) {
        let complaint = home(&good[..half]).config().unwrap_err().to_string();
        assert!(
            complaint.contains("share_file: no share of a key, or not all of it"),
            "{complaint}"
        );
        assert!(!complaint.contains("BLsk"), "a secret in a message: {complaint}");
    }
    let both = home(&good).with("secret_key_file = \"share\"").config().unwrap_err().to_string();
    assert!(both.contains("only one"), "{both}");
}

#[test]
fn an_encrypted_share_wants_its_password() {
    let share = &shares()[1];
    let sealed = EncryptedKey::seal(share.secret(), b"right", [3; 8]).unwrap();
    let text = ShareFile::new(share, WalletKey::Encrypted(sealed)).to_text();
    let home = home(&text);
    assert!(home.config().unwrap_err().to_string().contains("password_file"));
    let home = home.with("password_file = \"password\"");
    home.write_secret("password", "wrong\n");
    assert!(home.config().unwrap_err().to_string().contains("does not open"));
    home.write_secret("password", "right\n");
    let key = secret(1).hash().to_string();
    let daemon = home.with_mark(&key, Some(99)).start();
    assert_eq!(part(&sign(&daemon, &vote(100, 1), "")).index(), share.index());
}

/// The transfer of the vectors, from the account of the key in shares.
fn transfer() -> Vec<u8> {
    let cases = crate::harness::vectors("payloads.json");
    let case = cases.iter().find(|case| case["id"] == "synth-op-transfer").unwrap();
    let text = case["payload"].as_str().unwrap();
    let from: tezos::PublicKeyHash = crate::harness::TZ1.parse().unwrap();
    let (of_vector, own) =
        (hex::encode(from.tagged_bytes()), hex::encode(secret(1).hash().tagged_bytes()));
    let replaced = text.replacen(&of_vector, &own, 1);
    assert_ne!(replaced, text);
    hex::decode(replaced).unwrap()
}

#[test]
fn operations_that_are_allowed_are_signed_in_parts() {
    let key = secret(1).hash().to_string();
    let bytes = transfer();
    let statement = Statement::Message { bytes: &bytes, scheme: BlsScheme::default() };
    let parts = [0, 1].map(|at| {
        let home = home(&text(&shares()[at])).with("allow = [\"attestation\", \"transaction\"]");
        let daemon = home.with_mark(&key, Some(99)).start();
        daemon.await_ready(&key);
        part(&sign(&daemon, &bytes, ""))
    });
    let whole = group().combine(&parts, statement).unwrap().signature;
    assert_eq!(Some(whole), secret(1).sign(&bytes, BlsScheme::default()));
    // Not where it is not named.
    let refused = sign(&started(), &bytes, "");
    assert!(refused.status == 500 && refused.text().contains("0x03"), "{}", refused.text());
}

#[test]
fn a_part_of_a_proof_of_possession_is_given_only_where_that_is_allowed() {
    let home = Home::new().with("[[key]]\nname = \"consensus\"\nshare_file = \"share\"");
    home.write_secret("share", &text(&shares()[0]));
    let key = secret(1).hash().to_string();
    let daemon = home.with_mark(&key, Some(99)).start();
    let answer = get(daemon.http, &format!("/shares/{key}"));
    assert!(answer.status == 500 && answer.text().contains("not allowed"), "{}", answer.text());
}
