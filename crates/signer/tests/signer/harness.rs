//! A signer in a folder of its own, and a baker that speaks plain HTTP to it.
use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use daemon::Shutdown;
use daemon::config::ConfigError;
use signer::{Config, RunError, Signer};
use tempfile::TempDir;
use tezos::{ChainId, Kind, Level, PublicKeyHash, sample_payload};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use watermark::Records;

/// A folder with a configuration, keys and a store.
pub(crate) struct Home {
    pub(crate) folder: Arc<TempDir>,
    pub(crate) text: String,
}

impl Home {
    /// `[http]` on a free port, and nothing else.
    pub(crate) fn new() -> Home {
        let text = "chains = [\"mainnet\"]\n[state]\ndirectory = \".\"\n\
                    [http]\nlisten = \"127.0.0.1:0\"\n";
        Home { folder: Arc::new(tempfile::tempdir().unwrap()), text: text.to_owned() }
    }

    pub(crate) fn with(mut self, text: &str) -> Home {
        self.text += text;
        self.text += "\n";
        self
    }

    /// A software key in a file that only we can read.
    pub(crate) fn with_key(self, name: &str, secret: &str) -> Home {
        self.write_secret(name, &format!("unencrypted:{secret}\n"));
        self.with(&format!("[[key]]\nname = \"{name}\"\nsecret_key_file = \"{name}\""))
    }

    pub(crate) fn write_secret(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }

    /// A watermark that closes everything up to `floor`.
    pub(crate) fn with_mark(self, key: &str, floor: Option<i64>) -> Home {
        let mut records = open_records(&self.path("watermark.db"));
        let key: PublicKeyHash = key.parse().unwrap();
        let floor = floor.map(|level| Level::try_from(level).unwrap());
        records.add(key, ChainId::MAINNET, floor).unwrap();
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn config(&self) -> Result<Config, ConfigError> {
        let path = self.path("signer.toml");
        fs::write(&path, &self.text).unwrap();
        Config::read(&path)
    }

    pub(crate) fn start(&self) -> Daemon {
        let mut daemon = Daemon::start(self.config().unwrap()).unwrap();
        daemon.folder = Some(Arc::clone(&self.folder));
        daemon
    }
}

/// A signer that runs in this process. Dropping it stops it.
pub(crate) struct Daemon {
    pub(crate) http: SocketAddr,
    pub(crate) tcp_socket: Option<SocketAddr>,
    pub(crate) monitor: Option<SocketAddr>,
    runtime: Runtime,
    /// Kept until the daemon is gone.
    folder: Option<Arc<TempDir>>,
    shutdown: Shutdown,
    running: Option<JoinHandle<Result<(), RunError>>>,
}

impl Daemon {
    pub(crate) fn start(config: Config) -> Result<Daemon, RunError> {
        let runtime = Runtime::new().unwrap();
        let shutdown = Shutdown::new();
        let signer = {
            // It may ask timedatectl for the clock.
            let _alone = STARTING.write().unwrap();
            runtime.block_on(Signer::start(config, shutdown.clone()))?
        };
        // Where there is a tunnel only, nobody asks here.
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let (http, monitor) = (signer.http().unwrap_or(nowhere), signer.monitor());
        let tcp_socket = signer.tcp_socket();
        let running = Some(runtime.spawn(signer.run()));
        Ok(Daemon { http, tcp_socket, monitor, runtime, folder: None, shutdown, running })
    }

    pub(crate) fn stop(mut self) -> Result<(), RunError> {
        self.shutdown.request();
        let running = self.running.take().unwrap();
        self.runtime.block_on(running).unwrap()
    }

    /// Returns when the key can sign, as `/statusz` says.
    pub(crate) fn await_ready(&self, key: &str) {
        self.await_status(key, |answer| answer.status == 200);
    }

    pub(crate) fn await_status(&self, key: &str, good: impl Fn(&Answer) -> bool) {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let answer = get(self.http, &format!("/statusz/{key}"));
            if good(&answer) {
                return;
            }
            assert!(Instant::now() < end, "still {}: {}", answer.status, answer.text());
            std::thread::yield_now();
        }
    }

    pub(crate) fn sign(&self, key: &str, payload: &[u8]) -> Answer {
        sign(self.http, key, payload)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.shutdown.request();
        if let Some(running) = self.running.take() {
            let _ = self.runtime.block_on(running);
        }
    }
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The signature, or else the error's text.
    pub(crate) fn signature(&self) -> Result<String, String> {
        match self.json().get("signature").and_then(|text| text.as_str()) {
            Some(signature) if self.status == 200 => Ok(signature.to_owned()),
            _ => Err(format!("{} {}", self.status, self.text())),
        }
    }
}

pub(crate) fn get(at: SocketAddr, path: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    exchange(at, request.as_bytes())
}

/// As octez-baker asks: chunked JSON on a new connection.
pub(crate) fn sign(at: SocketAddr, key: &str, payload: &[u8]) -> Answer {
    sign_at(at, &format!("{key}?version=3"), payload)
}

/// The same for a key and a query.
pub(crate) fn sign_at(at: SocketAddr, path: &str, payload: &[u8]) -> Answer {
    post(at, &format!("/keys/{path}"), payload)
}

/// The same for any path.
pub(crate) fn post(at: SocketAddr, path: &str, payload: &[u8]) -> Answer {
    answer(send_post(connect(at), path, payload))
}

/// The first half of it: asks. [`answer`] is the second.
pub(crate) fn send_post(stream: TcpStream, path: &str, payload: &[u8]) -> TcpStream {
    let body = format!("\"{}\"\n", hex::encode(payload));
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n\
         {:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    send(stream, request.as_bytes())
}

/// Sends bytes, reads until the other side closes.
pub(crate) fn exchange(at: SocketAddr, request: &[u8]) -> Answer {
    answer(send(connect(at), request))
}

pub(crate) fn connect(at: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

fn send(mut stream: TcpStream, request: &[u8]) -> TcpStream {
    stream.write_all(request).unwrap();
    stream
}

/// Reads until the other side closes.
pub(crate) fn answer(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Answer {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(bytes.len());
    let head = String::from_utf8_lossy(bytes.get(..end).unwrap()).to_lowercase();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, body: bytes.get(end + 4..).unwrap_or_default().to_vec() }
}

/// An attestation at mainnet; `variant` makes another one at the same mark.
pub(crate) fn attestation(level: u32, variant: u8) -> Vec<u8> {
    sample_payload(Kind::Attestation, level, 0, variant)
}

pub(crate) fn preattestation(level: u32, variant: u8) -> Vec<u8> {
    sample_payload(Kind::Preattestation, level, 0, variant)
}

/// octez's bootstrap1.
pub(crate) const TZ1: &str = "tz1KqTpEZ7Yob7QbPE4Hy4Wo8fHG8LhKxZSx";
pub(crate) const TZ1_SECRET: &str = "edsk3gUfUPyBSfrS9CCgmCiQsTCHGkviBDusMxDJstFtojtc1zcpsh";

pub(crate) fn vectors(file: &str) -> Vec<serde_json::Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors").join(file);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// A program that is being started has a copy of every open file, and so of every store's lock, until it is another
/// program. A store that is opened again in that moment would be held by it.
static STARTING: RwLock<()> = RwLock::new(());

/// Opens a store, or makes it, while no program is being started.
pub(crate) fn open_records(path: &Path) -> Records {
    let _no_start = STARTING.read().unwrap();
    Records::open_or_create(path).unwrap()
}

/// Runs a program of another make to its end.
pub(crate) fn run(program: &str, words: &[&str]) -> Output {
    finish(Command::new(program).args(words))
}

/// The same, set up otherwise.
pub(crate) fn finish(command: &mut Command) -> Output {
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // It has become the other program when this returns.
    let started = {
        let _alone = STARTING.write().unwrap();
        command.spawn()
    };
    assert!(started.is_ok(), "{started:?}: \"cargo xtask test\" installs it");
    started.unwrap().wait_with_output().unwrap()
}
