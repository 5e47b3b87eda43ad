//! The log may be lost; a signature may not.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use signer_api::client::{ClientError, SignerUrl};
use tezos::{Kind, SecretKey, Signature, sample_payload};

const SECRET: &str = "edsk3gUfUPyBSfrS9CCgmCiQsTCHGkviBDusMxDJstFtojtc1zcpsh";
const LIMIT: Duration = Duration::from_secs(10);

struct Signer {
    child: Child,
    url: SignerUrl,
    runtime: tokio::runtime::Runtime,
    _folder: tempfile::TempDir,
}

/// A signer that listens, and the reader of its log.
fn start() -> (Signer, BufReader<ChildStderr>) {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("key"), format!("unencrypted:{SECRET}\n")).unwrap();
    fs::set_permissions(at("key"), fs::Permissions::from_mode(0o600)).unwrap();
    let config = "chains = [\"mainnet\"]\n[state]\ndirectory = \".\"\n[http]\n\
                  listen = \"127.0.0.1:0\"\n[[key]]\nname = \"baker\"\nsecret_key_file = \"key\"\n";
    fs::write(at("signer.toml"), config).unwrap();
    let peel = || Command::new(env!("CARGO_BIN_EXE_peel"));
    let init = peel()
        .args(["watermark", "init", "--level", "1", "--config"])
        .arg(at("signer.toml"))
        .output();
    assert!(init.unwrap().status.success());
    let mut child = peel()
        .args(["signer", "run", "--config"])
        .arg(at("signer.toml"))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let address = loop {
        let mut line = String::new();
        assert!(log.read_line(&mut line).unwrap() > 0, "it did not start");
        if let Some((_, rest)) = line.split_once("http=") {
            break rest.split_whitespace().next().unwrap().to_owned();
        }
    };
    let hash = SecretKey::from_base58(SECRET).unwrap().hash();
    let url = format!("http://{address}/{hash}").parse().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    (Signer { child, url, runtime, _folder: folder }, log)
}

impl Signer {
    fn sign(&self, level: u32) -> Result<Signature, ClientError> {
        let vote = sample_payload(Kind::Attestation, level, 0, 1);
        self.runtime.block_on(self.url.sign(&vote, LIMIT))
    }

    /// SIGTERM, and the exit code.
    fn stop(mut self) -> Option<i32> {
        let kill = format!("kill -TERM {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < end, "SIGTERM does not end it");
            std::thread::yield_now();
        }
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_log_whose_reader_is_gone_costs_no_signature() {
    let (signer, log) = start();
    drop(log);
    for level in 2..8 {
        signer.sign(level).unwrap();
        signer.sign(1).unwrap_err(); // a refusal is a line in the log too
    }
    assert_eq!(signer.stop(), Some(0));
}

#[test]
fn a_log_whose_reader_stalls_costs_no_signature() {
    let (signer, log) = start();
    for _ in 0..1500 {
        signer.sign(1).unwrap_err(); // many times what a pipe holds
    }
    signer.sign(2).unwrap();
    assert_eq!(signer.stop(), Some(0));
    drop(log);
}
