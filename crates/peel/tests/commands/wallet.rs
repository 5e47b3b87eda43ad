//! An octez wallet, taken over with its marks: the same keys sign on, and nothing twice.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use daemon::free_port;
use signer_api::client::SignerUrl;
use tezos::{Curve, EncryptedKey, Kind, SecretKey, sample_payload};

use crate::peel::{done, fails, peel, run, said};

const TZ1: &str = "tz1KqTpEZ7Yob7QbPE4Hy4Wo8fHG8LhKxZSx";
const TZ1_SECRET: &str = "edsk3gUfUPyBSfrS9CCgmCiQsTCHGkviBDusMxDJstFtojtc1zcpsh";
/// octez's bootstrap2.
const OTHER_SECRET: &str = "edsk39qAm1fiMjgmPkw1EgQYkMzkJezLNewd7PLNHTkr6w9XA2zdfo";
const TZ3: &str = "tz3LUdmLdpj2ZpVY7uTQfYuxarVykqYXxvPA";
const TZ2: &str = "tz2Q3U8EbGayZzK2Vwap5JQJFmJEbwURe77o";

fn sealed() -> (SecretKey, String) {
    let key = SecretKey::generate(Curve::Bls, &[9; 32]).unwrap();
    let sealed = EncryptedKey::seal(&key, b"secret", [7; 8]).unwrap().to_string();
    (key, sealed)
}

/// As `octez-signer import secret key`, `octez-client import secret key … ledger://…` and the signer itself write it.
fn wallet(folder: &Path) {
    let wallet = folder.join("wallet");
    fs::create_dir(&wallet).unwrap();
    let (tz4, sealed) = sealed();
    let tz4 = tz4.hash();
    let secrets = format!(
        r#"[ {{ "name": "payouts", "value": "remote:{TZ1}" }},
             {{ "name": "other", "value": "http://127.0.0.1:6733/{TZ3}" }},
             {{ "name": "far", "value": "https://signer.example.com/{TZ1}" }},
             {{ "name": "nano", "value": "ledger://major-squirrel-thick-hedgehog/secp256k1/0h/0h?x=1" }},
             {{ "name": "lost nano", "value": "ledger://major-squirrel-thick-hedgehog/secp256k1/1h" }},
             {{ "name": "consensus key", "value": "encrypted:{sealed}" }},
             {{ "name": "consensus_key", "value": "unencrypted:{OTHER_SECRET}" }},
             {{ "name": "baker", "value": "unencrypted:{TZ1_SECRET}" }} ]"#
    );
    let hashes = format!(
        r#"[ {{ "name": "baker", "value": "{TZ1}" }}, {{ "name": "nano", "value": "{TZ2}" }},
             {{ "name": "consensus key", "value": "{tz4}" }} ]"#
    );
    let marks = format!(
        r#"{{ "NetXdQprcVkpaWU": {{ "{TZ1}": {{ "level": 1000, "round": 0, "hash": null }} }} }}"#
    );
    fs::write(wallet.join("secret_keys"), secrets).unwrap();
    fs::write(wallet.join("public_key_hashs"), hashes).unwrap();
    for kind in ["block", "attestation", "preattestation"] {
        fs::write(wallet.join(format!("{kind}_high_watermarks")), &marks).unwrap();
    }
}

#[test]
fn a_wallet_becomes_entries_and_files_and_what_does_not_is_told() {
    let folder = tempfile::tempdir().unwrap();
    wallet(folder.path());
    let told = done(folder.path(), "key import --octez-dir wallet --config signer.toml");
    let (_, sealed) = sealed();
    let text = fs::read_to_string(folder.path().join("signer.toml")).unwrap();
    for part in [
        "name = \"nano\"\nledger = \"secp256k1/0h/0h\"\npublic_key_hash = \"tz2Q3U8",
        "name = \"other\"\nupstream = \"http://127.0.0.1:6733/tz3",
        "name = \"consensus key\"\nsecret_key_file = \"consensus_key.key\"\npassword_file = \"consensus_key.password\"",
        "name = \"baker\"\nsecret_key_file = \"baker.key\"\npublic_key_hash = \"tz1KqTp",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    for (name, why) in [
        ("payouts", "its signer's address is not in the wallet"),
        ("far", "a signer at https: is not asked"),
        ("lost nano", "its hash is not in public_key_hashs"),
        ("consensus_key", "consensus_key.key is another key's"),
    ] {
        assert!(told.contains(&format!("{name}: NOT taken over: {why}")), "{told}");
        assert!(!text.contains(&format!("\"{name}\"")), "{text}");
    }
    assert!(
        told.contains("write the password of consensus key into consensus_key.password"),
        "{told}"
    );
    assert!(!told.contains("edsk") && !told.contains(&sealed), "no secret is shown: {told}");
    for (file, content) in [
        ("baker.key", format!("unencrypted:{TZ1_SECRET}\n")),
        ("consensus_key.key", format!("encrypted:{sealed}\n")),
    ] {
        let path = folder.path().join(file);
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_second_import_changes_nothing_and_a_foreign_file_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    wallet(folder.path());
    done(folder.path(), "key import --octez-dir wallet --key baker --config signer.toml");
    let config = folder.path().join("signer.toml");
    let text = fs::read_to_string(&config).unwrap();
    assert_eq!(text.matches("[[key]]").count(), 1);
    let (_, told) =
        fails(folder.path(), "key import --octez-dir wallet --key baker --config signer.toml");
    assert!(told.contains("no key was taken over"), "{told}");
    assert_eq!(fs::read_to_string(&config).unwrap(), text);

    let same = folder.path().join("wallet/secret_keys");
    let again = format!("[ {{ \"name\": \"alias\", \"value\": \"unencrypted:{TZ1_SECRET}\" }} ]");
    let before = fs::read_to_string(&same).unwrap();
    fs::write(&same, again).unwrap();
    let (_, told) = fails(folder.path(), "key import --octez-dir wallet --config signer.toml");
    assert!(told.contains("no key was taken over"), "{told}");
    fs::write(&same, before).unwrap();

    // Onto a configuration that is there.
    done(folder.path(), "key import --octez-dir wallet --key nano --config signer.toml");
    let longer = fs::read_to_string(&config).unwrap();
    assert!(longer.starts_with(text.trim_end()) && longer.contains("\"nano\""), "{longer}");

    // Of two that are named, one cannot be.
    fs::remove_file(&config).unwrap();
    let both = "key import --octez-dir wallet --key nano --key payouts --config signer.toml";
    let (_, told) = fails(folder.path(), both);
    assert!(told.contains("payouts: named, and not taken over"), "{told}");
    assert!(fs::read_to_string(&config).unwrap().contains("\"nano\""));

    fs::remove_file(&config).unwrap();
    fs::write(folder.path().join("baker.key"), "unencrypted:precious\n").unwrap();
    fs::set_permissions(folder.path().join("baker.key"), fs::Permissions::from_mode(0o600))
        .unwrap();
    let (_, told) =
        fails(folder.path(), "key import --octez-dir wallet --key baker --config signer.toml");
    assert!(told.contains("baker.key is there already, with another key"), "{told}");
    assert!(!config.exists());
}

#[test]
fn what_is_no_wallet_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let import = "key import --octez-dir wallet --config signer.toml";
    let told = |folder: &Path, line: &str| fails(folder, line).1;
    assert!(told(folder.path(), import).contains("name octez's base directory"));
    wallet(folder.path());
    let only = format!("{import} --key nobody");
    assert!(
        told(folder.path(), &only).contains("has no secret key \"nobody\"; it has payouts, other")
    );
    for garbage in ["", "{}", "[1]", "[{\"name\": \"a\"}]", "[{\"name\": 1, \"value\": \"x\"}]"] {
        fs::write(folder.path().join("wallet/secret_keys"), garbage).unwrap();
        assert!(told(folder.path(), import).contains("no list of octez"), "{garbage}");
    }
    let wrong = format!("[{{\"name\": \"a\", \"value\": \"unencrypted:{TZ1_SECRET}x\"}}]");
    fs::write(folder.path().join("wallet/secret_keys"), wrong).unwrap();
    let output = peel(folder.path(), import);
    assert!(!output.status.success() && !said(&output).contains("edsk"), "{}", said(&output));
    let usage = fails(folder.path(), "key import --octez-dir wallet --output x");
    assert_eq!(usage.0, Some(2));
}

/// The whole move, as the page says it.
#[test]
fn a_key_signs_on_where_octez_signer_stopped() {
    let folder = tempfile::tempdir().unwrap();
    wallet(folder.path());
    done(folder.path(), "key import --octez-dir wallet --key baker --config signer.toml");
    done(folder.path(), "watermark import --config signer.toml wallet");
    let config = folder.path().join("signer.toml");
    let [http, monitor] = [(); 2].map(|()| free_port::choose().unwrap());
    let text = fs::read_to_string(&config).unwrap();
    let text = text.replace(":6732", &format!(":{http}")).replace(":9584", &format!(":{monitor}"));
    fs::write(&config, text).unwrap();
    done(folder.path(), "signer check --config signer.toml");
    let signer = run(folder.path(), "signer run --config signer.toml --pidfile peel.pid");
    let url: SignerUrl = format!("http://127.0.0.1:{http}/{TZ1}").parse().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ask = |level| {
        let vote = sample_payload(Kind::Attestation, level, 0, 1);
        runtime.block_on(url.sign(&vote, Duration::from_secs(20)))
    };
    let end = Instant::now() + Duration::from_secs(20);
    while ask(1001).is_err() {
        assert!(Instant::now() < end, "{:?}", ask(1001));
    }
    let pid = fs::read_to_string(folder.path().join("peel.pid")).unwrap();
    assert_eq!(pid, format!("{}\n", signer.0.id()));
    assert!(ask(1000).unwrap_err().to_string().contains("high watermark"), "{:?}", ask(1000));
}
