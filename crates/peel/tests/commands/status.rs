//! `peel status`, asked of real daemons.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use daemon::free_port;
use serde_json::Value;

use crate::peel::{fails, peel, run, said};

const LIMIT: Duration = Duration::from_secs(20);
const SECRET: &str = "unencrypted:edsk3gUfUPyBSfrS9CCgmCiQsTCHGkviBDusMxDJstFtojtc1zcpsh\n";

/// A signer with a key in memory; gives the port of its monitor.
fn home(folder: &Path) -> u16 {
    let monitor = free_port::choose().unwrap();
    let text = format!(
        "chains = [\"mainnet\"]\n[state]\ndirectory = \"state\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
         [monitor]\nlisten = \"127.0.0.1:{monitor}\"\n[[key]]\nname = \"baker\"\nsecret_key_file = \"key\"\n"
    );
    fs::write(folder.join("signer.toml"), text).unwrap();
    let mut options = File::options();
    options.create_new(true).write(true).mode(0o600);
    options.open(folder.join("key")).unwrap().write_all(SECRET.as_bytes()).unwrap();
    monitor
}

/// What it says once the daemon answers.
fn status(folder: &Path, monitor: u16, more: &str) -> (Option<i32>, String) {
    let end = Instant::now() + LIMIT;
    loop {
        let output = peel(folder, &format!("status --url http://127.0.0.1:{monitor} {more}"));
        let text = said(&output);
        if !text.contains("nothing answers") {
            return (output.status.code(), text);
        }
        assert!(Instant::now() < end, "{text}");
    }
}

#[test]
fn what_is_wrong_is_at_the_top_and_in_the_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let monitor = home(folder.path());
    // A store, and no mark of this key.
    let init = peel(folder.path(), "watermark init --level 100 --chain ghostnet");
    assert!(init.status.success(), "{}", said(&init));
    let signer = run(folder.path(), "signer run");
    let (code, text) = status(folder.path(), monitor, "");
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("NOT READY: one thing is wrong"), "{text}");
    assert!(text.contains("[-] key_baker"), "{text}");
    assert!(text.contains("no_watermark: no watermark for tz1"), "{text}");
    drop(signer);

    let init = peel(folder.path(), "watermark init --level 100");
    assert!(init.status.success(), "{}", said(&init));
    let _signer = run(folder.path(), "signer run");
    let (code, text) = status(folder.path(), monitor, "");
    assert_eq!(code, Some(0), "{text}");
    // Without systemd it cannot be told whether the clock is right.
    let is_well = text.contains("all is well") || text.contains("nothing is known to be wrong");
    assert!(is_well && text.contains("[+] key_baker"), "{text}");
    assert!(text.contains("nothing yet since the start"), "{text}");
    let (code, text) = status(folder.path(), monitor, "--json");
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, report.get("ready")), (Some(0), Some(&Value::Bool(true))), "{text}");
}

#[test]
fn a_daemon_that_is_not_there_is_named_with_the_cure() {
    let folder = tempfile::tempdir().unwrap();
    let (code, text) = fails(folder.path(), "status --url http://127.0.0.1:1");
    assert_eq!(code, Some(1));
    assert!(text.contains("nothing answers at 127.0.0.1:1"), "{text}");
    assert!(text.contains("[monitor] listen"), "{text}");
}
