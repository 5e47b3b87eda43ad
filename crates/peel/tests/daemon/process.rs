//! A signer in a process of its own.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, PipeReader};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use signer_api::client::{ClientError, SignerUrl};
use tempfile::TempDir;
use tezos::{Kind, SecretKey, Signature, sample_payload};

const SECRET: &str = "edsk3gUfUPyBSfrS9CCgmCiQsTCHGkviBDusMxDJstFtojtc1zcpsh";
const LIMIT: Duration = Duration::from_secs(10);

pub(crate) struct Signer {
    pub(crate) child: Child,
    pub(crate) url: SignerUrl,
    address: String,
    runtime: tokio::runtime::Runtime,
    _folder: TempDir,
}

/// A signer with a key in memory that listens, and the reader of its log.
pub(crate) fn start() -> (Signer, BufReader<ChildStderr>) {
    start_with("secret_key_file = \"key\"")
}

/// The same, with that as where its key is.
pub(crate) fn start_with(source: &str) -> (Signer, BufReader<ChildStderr>) {
    let folder = home("127.0.0.1:0", source);
    let (child, mut log) = spawn(&folder);
    (Signer::of(child, folder, &mut log), log)
}

/// The same, whose standard error is what systemd's journal would be.
pub(crate) fn start_in_journal() -> (Signer, BufReader<PipeReader>) {
    let folder = home("127.0.0.1:0", "secret_key_file = \"key\"");
    let (child, mut log) = spawn_in_journal(&folder);
    (Signer::of(child, folder, &mut log), log)
}

/// A folder with a configuration, a key and a store.
pub(crate) fn home(listen: &str, source: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("key"), format!("unencrypted:{SECRET}\n")).unwrap();
    fs::set_permissions(at("key"), fs::Permissions::from_mode(0o600)).unwrap();
    let config = format!(
        "chains = [\"mainnet\"]\n[state]\ndirectory = \".\"\n[http]\nlisten = \"{listen}\"\n\
         [[key]]\nname = \"baker\"\n{source}\n"
    );
    fs::write(at("signer.toml"), config).unwrap();
    let mut init = Command::new(env!("CARGO_BIN_EXE_peel"));
    init.args(["watermark", "init", "--level", "1", "--config"]).arg(at("signer.toml"));
    assert!(init.output().unwrap().status.success());
    folder
}

fn spawn(folder: &TempDir) -> (Child, BufReader<ChildStderr>) {
    let mut run = Command::new(env!("CARGO_BIN_EXE_peel"));
    run.args(["signer", "run", "--config"]).arg(folder.path().join("signer.toml"));
    let mut child = run.stderr(Stdio::piped()).spawn().unwrap();
    let log = BufReader::new(child.stderr.take().unwrap());
    (child, log)
}

/// As systemd starts it: the device and the inode of standard error are in its environment.
pub(crate) fn spawn_in_journal(folder: &TempDir) -> (Child, BufReader<PipeReader>) {
    let (log, stderr) = std::io::pipe().unwrap();
    let found = File::from(OwnedFd::from(stderr.try_clone().unwrap())).metadata().unwrap();
    let mut run = Command::new(env!("CARGO_BIN_EXE_peel"));
    run.env("JOURNAL_STREAM", format!("{}:{}", found.dev(), found.ino()));
    run.args(["signer", "run", "--config"]).arg(folder.path().join("signer.toml"));
    (run.stderr(stderr).spawn().unwrap(), BufReader::new(log))
}

/// The word behind this one, in the first line that has it.
pub(crate) fn await_line(log: &mut impl BufRead, word: &str) -> String {
    loop {
        let mut line = String::new();
        assert!(log.read_line(&mut line).unwrap() > 0, "it ended before it said {word:?}");
        if let Some((_, rest)) = line.split_once(word) {
            break rest.split_whitespace().next().unwrap_or_default().to_owned();
        }
    }
}

impl Signer {
    /// The file in memory where its marks are written: its process number is in the name.
    pub(crate) fn recent_marks(&self) -> Vec<u8> {
        let mine = format!("-{}-", self.child.id());
        let files = fs::read_dir("/dev/shm").unwrap().map(|entry| entry.unwrap().path());
        let mut files = files.filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with("peel-recent-") && name.contains(&mine)
        });
        fs::read(files.next().unwrap()).unwrap()
    }

    /// Once it listens.
    fn of(child: Child, folder: TempDir, log: &mut impl BufRead) -> Signer {
        let address = await_line(log, "http=");
        let hash = SecretKey::from_base58(SECRET).unwrap().hash();
        let url = format!("http://{address}/{hash}").parse().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        Signer { child, url, address, runtime, _folder: folder }
    }

    /// Another one, which waits for this one's port; and its log.
    pub(crate) fn start_beside(&self) -> (Signer, BufReader<ChildStderr>) {
        let folder = home(&self.address, "secret_key_file = \"key\"");
        let (child, mut log) = spawn(&folder);
        await_line(&mut log, "is taken");
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (url, address) = (self.url.clone(), self.address.clone());
        (Signer { child, url, address, runtime, _folder: folder }, log)
    }

    pub(crate) fn sign(&self, level: u32) -> Result<Signature, ClientError> {
        let vote = sample_payload(Kind::Attestation, level, 0, 1);
        self.runtime.block_on(self.url.sign(&vote, LIMIT))
    }

    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// SIGTERM, and the exit code.
    pub(crate) fn stop(self) -> Option<i32> {
        self.signal("TERM");
        self.end()
    }

    /// Its exit code, when it has ended.
    pub(crate) fn end(mut self) -> Option<i32> {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < end, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
