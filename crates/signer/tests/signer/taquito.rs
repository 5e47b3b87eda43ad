//! Taquito's remote signer, a client library of another make, signs through it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tezos::{BlsScheme, Curve, PublicKey, SecretKey, Signature};

use crate::harness::{Home, attestation, finish, run};

/// The library, installed once as its lock file says.
fn library() -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/taquito");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("taquito");
    fs::create_dir_all(&folder).unwrap();
    let lock = fs::read(from.join("package-lock.json")).unwrap();
    let is_installed = fs::read(folder.join("installed")).is_ok_and(|there| there == lock);
    for file in ["package.json", "package-lock.json", "sign.mjs"] {
        fs::copy(from.join(file), folder.join(file)).unwrap();
    }
    if !is_installed {
        let words = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
        let ran = finish(Command::new("npm").args(words).current_dir(&folder));
        let told = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "npm has not fetched the library: {told}");
        fs::write(folder.join("installed"), lock).unwrap();
    }
    folder
}

#[test]
fn taquito_signs_through_it() {
    let script = library().join("sign.mjs");
    for curve in [Curve::Ed25519, Curve::Secp256k1, Curve::P256] {
        let secret = SecretKey::generate(curve, &[7; 32]).unwrap();
        let (hash, payload) = (secret.hash().to_string(), attestation(100, 1));
        let home = Home::new().with_key("baker", &secret.to_base58()).with_mark(&hash, Some(99));
        let daemon = home.start();
        let (magic_byte, bytes) = payload.split_first().unwrap();
        let url = format!("http://{}", daemon.http);
        let (magic_byte, bytes) = (magic_byte.to_string(), hex::encode(bytes));
        let words = [script.to_str().unwrap(), &url, &hash, &magic_byte, &bytes];
        let ran = run("node", &words);
        let told = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{curve}: {told}");
        let answer: Value = serde_json::from_slice(&ran.stdout).unwrap();
        let [key, made] = ["publicKey", "signature"].map(|name| answer[name].as_str().unwrap());
        let (key, made): (PublicKey, Signature) = (key.parse().unwrap(), made.parse().unwrap());
        assert_eq!(&key, secret.public_key());
        assert!(key.verifies(&payload, &made, BlsScheme::default()), "{curve}");
    }
}
