//! `peel key`, and `peel watermark` where it asks and imports.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::peel::{peel, peel_reads, said};

const SECRET: &str = "edsk3gUfUPyBSfrS9CCgmCiQsTCHGkviBDusMxDJstFtojtc1zcpsh";
const HASH: &str = "tz1KqTpEZ7Yob7QbPE4Hy4Wo8fHG8LhKxZSx";

#[test]
fn a_generated_key_is_encrypted_and_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("password"), "secret\n").unwrap();
    fs::set_permissions(at.join("password"), fs::Permissions::from_mode(0o644)).unwrap();
    let open = peel(at, "key generate --output key --password-file password");
    assert!(!open.status.success() && !at.join("key").exists(), "others can read the password");
    fs::set_permissions(at.join("password"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(at.join("password"), "\n").unwrap();
    let empty = peel(at, "key generate --output key --password-file password");
    assert!(said(&empty).contains("an empty password") && !at.join("key").exists());
    fs::write(at.join("password"), "secret\n").unwrap();
    for (curve, prefix) in
        [("ed25519", "tz1"), ("secp256k1", "tz2"), ("P-256", "tz3"), ("bls", "tz4")]
    {
        let line =
            format!("key generate --curve {curve} --output {curve} --password-file password");
        let made = peel(at, &line);
        assert!(made.status.success() && said(&made).contains(prefix), "{}", said(&made));
        let file = at.join(curve);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(fs::read_to_string(&file).unwrap().starts_with("encrypted:"));
        let again = peel(at, &line);
        assert!(!again.status.success(), "it must not be overwritten");
    }
    let listed = said(&peel(at, "key list ed25519 bls"));
    assert!(listed.contains("encrypted"), "{listed}");
}

#[test]
fn an_imported_key_is_the_same_key_and_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let made = peel_reads(at, "key import --output key --unencrypted", &format!("{SECRET}\n"));
    assert!(made.status.success() && said(&made).contains(HASH), "{}", said(&made));
    assert!(!said(&made).contains(SECRET));
    assert!(said(&peel(at, "key list key")).contains(HASH));
    let nonsense =
        peel_reads(at, "key import --output other --unencrypted", &SECRET.replace('g', "h"));
    assert_eq!(nonsense.status.code(), Some(1));
    assert!(said(&nonsense).contains("checksum") && !said(&nonsense).contains("edsk3h"));
    let no_terminal = peel_reads(at, "key import --output other", SECRET);
    assert!(said(&no_terminal).contains("--password-file"), "{}", said(&no_terminal));
}

fn with_config(folder: &Path) {
    fs::write(folder.join("key"), format!("unencrypted:{SECRET}\n")).unwrap();
    fs::set_permissions(folder.join("key"), fs::Permissions::from_mode(0o600)).unwrap();
    let config = "chains = [\"mainnet\"]\n[state]\ndirectory = \".\"\n[http]\n\
                  listen = \"127.0.0.1:0\"\n[[key]]\nname = \"baker\"\nsecret_key_file = \"key\"\n";
    fs::write(folder.join("signer.toml"), config).unwrap();
}

#[test]
fn a_mark_goes_down_only_with_a_typed_yes() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    with_config(at);
    assert!(peel(at, "watermark init --config signer.toml --level 100").status.success());
    let down = peel(at, "watermark set --config signer.toml --level 50");
    assert!(said(&down).contains("--lower"), "{}", said(&down));
    let lower = "watermark set --config signer.toml --key baker --chain mainnet --level 50 --lower";
    for refusal in ["", "no\n", "y\n"] {
        let kept = peel_reads(at, lower, refusal);
        assert!(said(&kept).contains("nothing was changed"), "{}", said(&kept));
    }
    assert!(said(&peel(at, "watermark show --config signer.toml")).contains("up to level 100"));
    assert!(peel_reads(at, lower, "yes\n").status.success());
    assert!(said(&peel(at, "watermark show --config signer.toml")).contains("up to level 50"));
}

#[test]
fn the_marks_of_octez_signer_and_of_peel_are_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    with_config(at);
    let octez = at.join("tezos-signer");
    fs::create_dir(&octez).unwrap();
    let mark = format!("{{\"NetXdQprcVkpaWU\":{{\"{HASH}\":{{\"level\":700,\"round\":1}}}}}}");
    for kind in ["block", "preattestation", "attestation"] {
        fs::write(octez.join(format!("{kind}_high_watermarks")), &mark).unwrap();
    }
    let imported = peel(at, "watermark import --config signer.toml tezos-signer");
    assert!(
        said(&imported).contains("last attestation at level 700 round 1"),
        "{}",
        said(&imported)
    );

    let exported = peel(at, "watermark export --config signer.toml");
    fs::write(at.join("export.json"), &exported.stdout).unwrap();
    let again = peel(at, "watermark import --config signer.toml export.json");
    assert!(said(&again).contains("level 700 round 1"), "{}", said(&again));
    let nothing = peel(at, "watermark import --config signer.toml key");
    assert!(said(&nothing).contains("not an export"), "{}", said(&nothing));
    assert!(!said(&nothing).contains(SECRET));
}
