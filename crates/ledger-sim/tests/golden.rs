//! Keys, signatures and HMACs of the real app, by what they are rather than by exchange.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]
#![expect(dead_code, reason = "the tests share the recordings' fields")]

mod recording;

use ledger_sim::{App, Config, Curve, Outcome, Path};
use recording::{lines, unhex};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Golden {
    kind: String,
    curve: String,
    path: String,
    #[serde(default)]
    message_hex: String,
    #[serde(default)]
    with_hash: bool,
    response_hex: String,
}

#[test]
fn public_keys() {
    assert_eq!(each("pubkey", |golden| ask(golden, 0x02, &[])), 39);
}

#[test]
fn hmacs() {
    assert_eq!(each("hmac", |golden| ask(golden, 0x0e, &unhex(&golden.message_hex))), 25);
}

#[test]
fn signatures() {
    assert_eq!(each("signature", sign), 117);
}

/// Compares what `make` gives with every golden value of a kind, and says how many there are.
fn each(kind: &str, make: impl Fn(&Golden) -> Vec<u8>) -> usize {
    let golden = lines::<Golden>("golden.jsonl").into_iter().filter(|golden| golden.kind == kind);
    golden
        .map(|golden| assert_eq!(hex::encode(make(&golden)), golden.response_hex, "{golden:?}"))
        .count()
}

fn ask(golden: &Golden, instruction: u8, data: &[u8]) -> Vec<u8> {
    let data = [path(golden), data.to_vec()].concat();
    exchange(
        &mut App::new(&Config::default()).unwrap(),
        &[0x80, instruction, 0, curve(golden) as u8],
        &data,
    )
}

/// Signs on a device that is fresh but for the authorised key.
fn sign(golden: &Golden) -> Vec<u8> {
    let p2 = curve(golden) as u8;
    let mut app = App::new(&Config::default()).unwrap();
    exchange(&mut app, &[0x80, 0x01, 0, p2], &path(golden));
    exchange(&mut app, &[0x80, 0x04, 0, p2], &path(golden));
    let instruction = if golden.with_hash { 0x0f } else { 0x04 };
    exchange(&mut app, &[0x80, instruction, 0x81, p2], &unhex(&golden.message_hex))
}

fn exchange(app: &mut App, header: &[u8], data: &[u8]) -> Vec<u8> {
    let apdu = [header, &[u8::try_from(data.len()).unwrap()], data].concat();
    let Outcome::Answer { bytes, .. } = app.handle(&apdu) else { panic!("{apdu:?}") };
    bytes.strip_suffix(&[0x90, 0x00]).unwrap_or_else(|| panic!("{bytes:x?}")).to_vec()
}

fn curve(golden: &Golden) -> Curve {
    match golden.curve.as_str() {
        "ed25519" => Curve::Ed25519,
        "secp256k1" => Curve::Secp256k1,
        "secp256r1" => Curve::Secp256r1,
        "bip32-ed25519" => Curve::Bip32Ed25519,
        "bls12-381" => Curve::Bls,
        other => panic!("{other}"),
    }
}

fn path(golden: &Golden) -> Vec<u8> {
    let path = golden.path.parse::<Path>().unwrap();
    let steps = path.components().iter().flat_map(|step| step.to_be_bytes());
    [vec![u8::try_from(path.components().len()).unwrap()], steps.collect()].concat()
}
