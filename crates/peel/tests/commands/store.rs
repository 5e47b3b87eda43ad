//! A store that cannot be written: what the real binary says, and that it signs nothing.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Stdio};

use daemon::free_port;
use tezos::{Kind, SecretKey, sample_payload};

use crate::pasted::Pasted;
use crate::peel::{done, fails, peel, said};

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

/// The store of a service that is not root's, and root's commands. The user is the one that Linux calls nobody.
#[test]
fn what_root_types_leaves_no_file_that_the_service_cannot_open() {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return lab::skip("only root can run a command as another user");
    }
    let folder = home();
    let at = |name: &str| folder.path().join(name);
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["key", "state"] {
        chown(at(name), Some(65534), Some(65534)).unwrap();
    }
    let text = fs::read_to_string(at("signer.toml")).unwrap();
    let made = text.replace("\"state\"", "\"state/new/folder\"");
    fs::write(at("made.toml"), made).unwrap();
    for config in ["signer.toml", "made.toml"] {
        for line in ["watermark init --level 7", "watermark show", "watermark set --level 9"] {
            let output = peel(folder.path(), &format!("{line} --config {config}"));
            assert!(output.status.success(), "{line}: {}", said(&output));
        }
    }
    let check = peel(folder.path(), "signer check --config signer.toml");
    assert!(said(&check).contains("All is well"), "{}", said(&check));
    assert!(files_of_nobody(&at("state")) >= 2, "a store in each folder");
}

#[test]
fn what_root_forgets_leaves_no_file_that_the_gateway_cannot_open() {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return lab::skip("only root can run a command as another user");
    }
    let folder = tempfile::tempdir().unwrap();
    Pasted::new(folder.path(), "");
    let cloud = folder.path().join("cloud");
    fs::create_dir(cloud.join("state")).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["", "state", "gateway.toml", "host_key"] {
        chown(cloud.join(name), Some(65534), Some(65534)).unwrap();
    }
    let (_, said) = fails(&cloud, "gateway forget tz2Q3U8EbGayZzK2Vwap5JQJFmJEbwURe77o");
    assert!(said.contains("nothing was known of tz2"), "{said}");
    assert!(files_of_nobody(&cloud.join("state")) >= 2, "what was answered, and the lock");
    assert!(done(&cloud, "gateway check").contains("All is well"));
    assert!(files_of_nobody(&cloud.join("state")) >= 2);
}

/// How many files are below a folder, where everything belongs to that user.
fn files_of_nobody(folder: &Path) -> usize {
    let mut folders = vec![folder.to_owned()];
    let mut files = 0;
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let (path, found) = entry.map(|own| (own.path(), own.metadata().unwrap())).unwrap();
            assert_eq!((found.uid(), found.gid()), (65534, 65534), "{}", path.display());
            files += usize::from(found.is_file());
            folders.extend(found.is_dir().then_some(path));
        }
    }
    files
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

/// What runs needs no room; the next start does, and what runs says so before.
#[test]
fn a_full_disk_stops_no_signature_but_the_next_start() {
    let folder = home();
    let (port, monitor) = (free_port::choose().unwrap(), free_port::choose().unwrap());
    let config = fs::read_to_string(folder.path().join("signer.toml")).unwrap();
    let config = config.replace("127.0.0.1:0", &format!("127.0.0.1:{port}"));
    let more = format!("[monitor]\nlisten = \"127.0.0.1:{monitor}\"\n");
    fs::write(folder.path().join("signer.toml"), config + &more).unwrap();
    let secret = SECRET.trim().trim_start_matches("unencrypted:");
    let key = SecretKey::from_base58(secret).unwrap().hash();
    let vote = sample_payload(Kind::Attestation, 6, 0, 1);
    let vote: String = vote.iter().map(|byte| format!("{byte:02x}")).collect();
    let script = format!(
        "peel=$1 config=$2/signer.toml state=$2/state readyz=http://127.0.0.1:{monitor}/readyz
         mount -t tmpfs -o size=4m tmpfs \"$state\" || exit
         \"$peel\" watermark init --level 5 --config \"$config\"
         \"$peel\" signer run --config \"$config\" & signer=$!
         for try in $(seq 200); do curl -s -o /dev/null $readyz && break; sleep 0.1; done
         dd if=/dev/zero of=\"$state/fill\" bs=1k 2>/dev/null
         curl -s -H 'content-type: application/json' -d '\"{vote}\"' http://127.0.0.1:{port}/keys/{key}
         for try in $(seq 200); do curl -s $readyz | grep 'the next start' && break; sleep 0.1; done
         kill -KILL $signer; wait $signer
         \"$peel\" signer run --config \"$config\""
    );
    let Some(said) = in_namespace(folder.path(), &script) else { return };
    assert!(said.contains("{\"signature\":\""), "{said}");
    assert!(said.contains("[-] watermark_store: signing goes on"), "{said}");
    assert!(said.contains("no room on the disk of the watermark store"), "{said}");
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
