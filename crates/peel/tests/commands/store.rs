//! A store that cannot be written: what the real binary says, and that it signs nothing.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::peel::{peel, said};

const SECRET: &str = "unencrypted:edsk3gUfUPyBSfrS9CCgmCiQsTCHGkviBDusMxDJstFtojtc1zcpsh\n";

fn home() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("key"), SECRET).unwrap();
    fs::set_permissions(at("key"), fs::Permissions::from_mode(0o600)).unwrap();
    let config = "chains = [\"mainnet\"]\n[state]\ndirectory = \"state\"\n\
                  [http]\nlisten = \"127.0.0.1:0\"\n\
                  [[key]]\nname = \"baker\"\nsecret_key_file = \"key\"\n";
    fs::write(at("signer.toml"), config).unwrap();
    fs::create_dir(at("state")).unwrap();
    folder
}

/// Runs a script in a mount namespace of its own, with peel as `$1` and the folder as `$2`. None where the system gives none: in a container without rights, for instance.
fn in_namespace(folder: &Path, script: &str) -> Option<String> {
    for rights in [&["--map-root-user", "--mount"][..], &["--mount"]] {
        let output = Command::new("unshare")
            .args(rights)
            .args(["sh", "-c", script, "sh", env!("CARGO_BIN_EXE_peel")])
            .arg(folder)
            .output()
            .unwrap();
        let said = [output.stdout.as_slice(), &output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        if !said.starts_with("unshare: ") {
            return Some(said);
        }
    }
    lab::skip("no mount namespace is to be had here");
    None
}

#[test]
fn a_missing_store_is_exit_1_and_its_cure() {
    let folder = home();
    let output = peel(folder.path(), "signer run");
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("peel watermark init"), "{}", said(&output));
}

#[test]
fn a_bad_configuration_is_exit_2() {
    let folder = home();
    fs::write(folder.path().join("signer.toml"), "chains = 3\n").unwrap();
    let of_the_file = ["signer run", "signer check", "watermark show"];
    for line in of_the_file.into_iter().chain(["signer fly", "watermark init --level 2147483648"]) {
        assert_eq!(peel(folder.path(), line).status.code(), Some(2), "{line}");
    }
}

#[test]
fn a_store_on_a_read_only_mount_is_named() {
    let folder = home();
    assert!(peel(folder.path(), "watermark init --level 5").status.success());
    let script = "mount --bind \"$2/state\" \"$2/state\" && mount -o remount,ro,bind \"$2/state\" && \
                  \"$1\" signer run --config \"$2/signer.toml\"";
    let Some(said) = in_namespace(folder.path(), script) else { return };
    assert!(said.contains("cannot be written; check its owner"), "{said}");
}

#[test]
fn a_full_disk_is_named_and_nothing_is_signed() {
    let folder = home();
    let script = "mount -t tmpfs -o size=64k tmpfs \"$2/state\" && \
                  \"$1\" watermark init --level 5 --config \"$2/signer.toml\" && \
                  dd if=/dev/zero of=\"$2/state/fill\" bs=1k count=100 2>/dev/null; \
                  \"$1\" watermark set --level 9 --config \"$2/signer.toml\"; \
                  rm \"$2/state/fill\"; \"$1\" watermark show --config \"$2/signer.toml\"";
    let Some(said) = in_namespace(folder.path(), script) else { return };
    assert!(said.contains("no room on the disk"), "{said}");
    assert!(said.contains("closed up to level 5"), "{said}");
}

#[test]
fn a_store_of_another_owner_is_named() {
    let folder = home();
    assert!(peel(folder.path(), "watermark init --level 5").status.success());
    let mut owner = Command::new(env!("CARGO_BIN_EXE_peel"))
        .args(["signer", "run", "--config"])
        .arg(folder.path().join("signer.toml"))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Its first line says that it listens: the store is open by then.
    let mut line = String::new();
    let mut log = BufReader::new(owner.stderr.take().unwrap());
    while !line.contains("listening") {
        line.clear();
        assert!(log.read_line(&mut line).unwrap() > 0, "it did not start");
    }
    let output = peel(folder.path(), "watermark set --level 9");
    owner.kill().unwrap();
    owner.wait().unwrap();
    let said = said(&output);
    assert!(said.contains("another process holds the watermark store"), "{said}");
}
