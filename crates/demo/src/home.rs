//! The computer at home: a simulated Ledger, and a signer in a process of its own.

use std::path::Path;

use anyhow::Context;
use ledger::BakingApp;
use ledger_sim::{Config, Curve, Device, Latency, Setup};
use tezos::{ChainId, Level, PublicKey};
use tunnel::Identity;
use watermark::Records;

use crate::cloud::{Cloud, loopback};
use crate::line::Line;
use crate::process::Process;

/// Everything at home. Dropping it stops it all.
pub(crate) struct Home {
    pub(crate) signer: Process,
    device: Device,
    /// Of the key on the device.
    pub(crate) public_key: PublicKey,
}

impl Home {
    /// A set-up Ledger, a configuration, and a watermark store that is closed up to `level`.
    pub(crate) fn new(
        within: &Path,
        level: u32,
        identity: &Identity,
        cloud: &Cloud,
        lines: &[Line],
    ) -> anyhow::Result<Home> {
        let setup = Setup {
            curve: Curve::Secp256k1,
            path: ledger_sim::Path::FIRST,
            chain_id: ChainId::MAINNET.to_bytes(),
            level,
        };
        let config = Config { latency: Latency::Real, setup: Some(setup), ..Config::default() };
        let device = Device::start(loopback(0), &config)?;
        let found = ledger::find(ledger::Address::Tcp(device.address()))?;
        let found = found.first().context("the simulated Ledger is not there")?;
        let mut app = BakingApp::new(ledger::open(found)?)?;
        let public_key = app.public_key(&"secp256k1/0h/0h".parse()?)?;
        drop(app);

        let configuration = configuration(&device, cloud, lines)?;
        let signer = Process::new("signer", within, identity, &configuration)?;
        let mut records = Records::open_or_create(&signer.folder().join("watermark.db"))?;
        let floor = Level::try_from(i64::from(level))?;
        records.add(public_key.hash(), ChainId::MAINNET, Some(floor))?;
        Ok(Home { signer, device, public_key })
    }

    /// How many signatures the device has made.
    pub(crate) fn device_signatures(&self) -> u64 {
        self.device.signatures()
    }
}

fn configuration(device: &Device, cloud: &Cloud, lines: &[Line]) -> anyhow::Result<String> {
    let (device, port) = (device.address(), cloud.port_of(0)?);
    let gateways: Vec<String> = lines.iter().map(|line| gateway(line, cloud)).collect();
    let gateways = gateways.concat();
    Ok(format!(
        r#"chains = ["mainnet"]
[state]
directory = "."
[ledger]
transport = "tcp://{device}"
[[key]]
name = "baker"
ledger = "secp256k1/0h/0h"
[tunnel]
identity = "key"
port = {port}
{gateways}"#
    ))
}

/// One block for each line. On a computer with two lines it is one gateway and two `[[tunnel.uplink]]`,
/// but interfaces cannot be made without root.
pub(crate) fn gateway(line: &Line, cloud: &Cloud) -> String {
    let (address, host_key) = (line.address, &cloud.host_key);
    format!("[[tunnel.gateway]]\naddress = \"{address}\"\nhost_key = \"{host_key}\"\n")
}
