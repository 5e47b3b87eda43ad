//! A signer in a process of its own, for one measurement.

use std::fs::{self, Permissions};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use daemon::free_port;
use ledger_sim::{Config, Curve, Device, Latency, Setup};
use tempfile::TempDir;
use tezos::{ChainId, KeyForm, Level, PublicKeyHash, SecretKey};
use watermark::Records;

use crate::http;

pub(super) const FIRST_LEVEL: u32 = 1_000;
const TZ1: &str = "edsk3gUfUPyBSfrS9CCgmCiQsTCHGkviBDusMxDJstFtojtc1zcpsh";
const TZ4: &str = "BLsk1hKAHyGqY9qRbgoSVnjiSmDWpKGjFF3WNQ7BaiaMUA6RMA6Pfq";
const SIMULATED: &str = "tz2Q3U8EbGayZzK2Vwap5JQJFmJEbwURe77o";

/// Which key is measured.
#[derive(Clone, Copy)]
pub(super) enum Key {
    Tz1,
    Tz4,
    Ledger,
}

pub(super) struct Home {
    folder: TempDir,
    device: Option<Device>,
    signer: Child,
    pub(super) http: SocketAddr,
    pub(super) tcp_socket: SocketAddr,
    pub(super) monitor: SocketAddr,
    pub(super) key: String,
    /// Of its votes.
    pub(super) form: KeyForm,
}

impl Home {
    /// Starts a signer whose every fsync and fdatasync takes `fsync_ms` longer.
    pub(super) fn start(key: Key, fsync_ms: u32) -> anyhow::Result<Home> {
        let folder = tempfile::tempdir()?;
        let free = || -> io::Result<SocketAddr> {
            Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, free_port::choose()?)))
        };
        let (http, tcp_socket, monitor) = (free()?, free()?, free()?);
        let mut device = None;
        let (hash, section) = match key {
            Key::Tz1 => software(folder.path(), TZ1)?,
            Key::Tz4 => software(folder.path(), TZ4)?,
            Key::Ledger => {
                let device = device.insert(start_device()?);
                (SIMULATED.parse()?, on_ledger(device))
            }
        };
        prepare(folder.path(), [http, tcp_socket, monitor], hash, &section)?;
        let mut command = Command::new(crate::root().join("target/release/peel"));
        command.args(["signer", "run", "--config"]).arg(folder.path().join("signer.toml"));
        if fsync_ms > 0 {
            command.env("LD_PRELOAD", slow_fsync(folder.path())?);
            command.env("SLOW_FSYNC_MS", fsync_ms.to_string());
        }
        let signer = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let signer = signer.context("the signer cannot be started")?;
        let form = KeyForm::of(&hash);
        let key = hash.to_string();
        let home = Home { folder, device, signer, http, tcp_socket, monitor, key, form };
        home.await_ready()?;
        Ok(home)
    }

    fn await_ready(&self) -> anyhow::Result<()> {
        let end = Instant::now() + Duration::from_secs(20);
        while !http::is_ready(self.http, &self.key) {
            if Instant::now() > end {
                bail!("the signer in {} did not come up", self.folder.path().display());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    pub(super) fn unix_socket(&self) -> PathBuf {
        self.folder.path().join("signer.sock")
    }

    pub(super) fn device_signatures(&self) -> u64 {
        self.device.as_ref().map(Device::signatures).unwrap_or_default()
    }

    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        self.signer.kill()?;
        self.signer.wait()?;
        Ok(())
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // After an error on the way; a signer that is gone already is just as good.
        let _ = self.signer.kill();
        let _ = self.signer.wait();
    }
}

fn start_device() -> anyhow::Result<Device> {
    let setup = Setup {
        curve: Curve::Secp256k1,
        path: ledger_sim::Path::FIRST,
        chain_id: ChainId::MAINNET.to_bytes(),
        level: FIRST_LEVEL - 1,
    };
    let config = Config { latency: Latency::Real, setup: Some(setup), ..Config::default() };
    Ok(Device::start(SocketAddr::from(([127, 0, 0, 1], 0)), &config)?)
}

fn software(folder: &Path, secret: &str) -> anyhow::Result<(PublicKeyHash, String)> {
    let file = folder.join("key");
    fs::write(&file, format!("unencrypted:{secret}\n"))?;
    fs::set_permissions(&file, Permissions::from_mode(0o600))?;
    let section = "[[key]]\nname = \"baker\"\nsecret_key_file = \"key\"\n";
    Ok((SecretKey::from_base58(secret)?.hash(), section.to_owned()))
}

fn on_ledger(device: &Device) -> String {
    format!(
        "[ledger]\ntransport = \"tcp://{}\"\n\
         [[key]]\nname = \"baker\"\nledger = \"secp256k1/0h/0h\"\n",
        device.address()
    )
}

fn prepare(
    folder: &Path,
    [http, tcp_socket, monitor]: [SocketAddr; 3],
    key: PublicKeyHash,
    section: &str,
) -> anyhow::Result<()> {
    let text = format!(
        "chains = [\"mainnet\"]\n[state]\ndirectory = \".\"\n[http]\nlisten = \"{http}\"\n\
         [socket]\ntcp = \"{tcp_socket}\"\nunix = \"signer.sock\"\n[monitor]\nlisten = \"{monitor}\"\n[level_bound]\nmargin = 2000000000\n{section}"
    );
    fs::write(folder.join("signer.toml"), text)?;
    let mut records = Records::open_or_create(&folder.join("watermark.db"))?;
    let floor = Level::try_from(i64::from(FIRST_LEVEL - 1))?;
    Ok(records.add(key, ChainId::MAINNET, Some(floor))?)
}

/// A library that goes in front of libc's fsync and fdatasync.
fn slow_fsync(folder: &Path) -> anyhow::Result<PathBuf> {
    let library = folder.join("slow_fsync.so");
    let source = crate::root().join("bench/src/slow_fsync.c");
    let mut built = Command::new("cc");
    built.args(["-shared", "-fPIC", "-O2", "-o"]).arg(&library).arg(source);
    if built.status().context("cc cannot be started")?.success() {
        Ok(library)
    } else {
        bail!("slow_fsync.c does not compile")
    }
}
