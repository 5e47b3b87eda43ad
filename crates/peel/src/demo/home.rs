//! The computer at home: a simulated Ledger and a signer in a process of its own.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use ledger_sim::{Config, Curve, Device, Latency, Setup};
use signer_api::client::SignerUrl;
use tempfile::TempDir;
use tezos::{ChainId, Level, PublicKey};
use watermark::Records;

/// Everything at home. Dropping it stops it all and removes its folder.
pub(super) struct Home {
    folder: TempDir,
    device: Device,
    signer: Option<Child>,
    pub(super) public_key: PublicKey,
    pub(super) url: SignerUrl,
}

const START_LIMIT: Duration = Duration::from_secs(15);

impl Home {
    /// A set-up Ledger, a configuration, and a watermark store that is closed up to `level`.
    pub(super) fn new(level: u32) -> anyhow::Result<Home> {
        let folder = TempDir::with_prefix("peel-demo-").context("no temporary folder")?;
        let setup = Setup {
            curve: Curve::Secp256k1,
            path: ledger_sim::Path::FIRST,
            chain_id: ChainId::MAINNET.to_bytes(),
            level,
        };
        let config = Config { latency: Latency::Real, setup: Some(setup), ..Config::default() };
        let device = Device::start(loopback(), &config)?;
        let mut app = crate::commands::ledger::connect(ledger::Address::Tcp(device.address()))?;
        let public_key = app.public_key(&"secp256k1/0h/0h".parse()?)?;
        drop(app);

        let port = free_port()?;
        write_configuration(folder.path(), device.address(), port)?;
        let mut records = Records::open_or_create(&folder.path().join("watermark.db"))?;
        let floor = Level::try_from(i64::from(level))?;
        records.add(public_key.hash(), ChainId::MAINNET, Some(floor))?;
        let url = format!("http://127.0.0.1:{port}/{}", public_key.hash()).parse()?;
        Ok(Home { folder, device, signer: None, public_key, url })
    }

    /// Starts the signer, and waits until it has found its Ledger.
    pub(super) async fn start(&mut self) -> anyhow::Result<()> {
        let log = File::options().create(true).append(true).open(self.log())?;
        let signer = Command::new(std::env::current_exe()?)
            .args(["signer", "run", "--config"])
            .arg(self.folder.path().join("signer.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("the signer cannot be started")?;
        self.signer = Some(signer);
        let end = Instant::now() + START_LIMIT;
        while self.url.public_key(Duration::from_secs(1)).await.is_err() {
            if Instant::now() > end {
                bail!("the signer did not come up:\n{}", fs::read_to_string(self.log())?);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// SIGKILL: no time to write anything.
    pub(super) fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut signer) = self.signer.take() {
            signer.kill()?;
            signer.wait()?;
        }
        Ok(())
    }

    /// How many signatures the device has made.
    pub(super) fn device_signatures(&self) -> u64 {
        self.device.signatures()
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("signer.log")
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // On the way out: a signer that is gone already is just as good.
        let _ = self.kill();
    }
}

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// The port is free now; somebody else could take it, and then the signer says so.
fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind(loopback())?.local_addr()?.port())
}

fn write_configuration(folder: &Path, device: SocketAddr, port: u16) -> anyhow::Result<()> {
    let text = format!(
        r#"chains = ["mainnet"]
[state]
directory = "."
[http]
listen = "127.0.0.1:{port}"
[ledger]
transport = "tcp://{device}"
[[key]]
name = "baker"
ledger = "secp256k1/0h/0h"
"#
    );
    Ok(fs::write(folder.join("signer.toml"), text)?)
}
