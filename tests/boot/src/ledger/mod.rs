//! A Ledger whose USB end is in the machine, and whose app is here.
//!
//! It has a life of its own: a power cut of the machine is one of the Ledger, too, but not its end. Its setting "High
//! Watermark" is off, as the app's README advises: after a power cut it signs again whatever is above the level it was set
//! up with, and Peel's marks alone stand in the way.

mod reports;
mod witness;

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use ledger_sim::{Config, Device, Fault, Latency};
use parking_lot::Mutex;

pub use witness::{Signed, Witness};

/// A Ledger.
#[derive(Debug)]
pub struct Ledger {
    device: Device,
    witness: Arc<Mutex<Witness>>,
}

/// The words of another seed than the simulator's own: those of the BIP39 test vectors.
pub const OTHER_SEED: &str =
    "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";
/// For an exchange: a Nano S Plus takes a quarter of a second to sign.
const EXCHANGE_LIMIT: Duration = Duration::from_secs(10);
/// More than any answer of the app has.
const LONGEST_ANSWER: u32 = 1024;

impl Ledger {
    /// With the simulator's own seed, or with another one. It approves every prompt, and is as slow as a Nano S Plus.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn new(seed: Option<&str>) -> anyhow::Result<Ledger> {
        let mut config =
            Config { latency: Latency::Real, high_watermark: false, ..Config::default() };
        if let Some(seed) = seed {
            config.mnemonic = seed.to_owned();
        }
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Ok(Ledger { device: Device::start(any, &config)?, witness: Arc::default() })
    }

    /// Answers what comes from a machine, until the machine ends.
    ///
    /// # Errors
    /// When there is no thread.
    pub fn connect(&self, port: UnixStream) -> anyhow::Result<()> {
        let carrier =
            Carrier { address: self.device.address(), witness: Arc::clone(&self.witness) };
        let thread = thread::Builder::new().name("ledger".into());
        // Its end is the machine's: what went wrong with the port is nothing that a Ledger would tell.
        thread.spawn(move || carrier.carry(port))?;
        Ok(())
    }

    /// It loses its power, for a moment.
    pub fn lose_power(&self) {
        self.device.power_cut();
    }

    /// It is locked, and answers nothing else any more.
    pub fn lock(&self) {
        self.device.inject(Fault::Locked);
    }

    /// The app is left: the dashboard answers.
    pub fn quit_app(&self) {
        self.device.quit();
        self.device.inject(Fault::OtherApp("BOLOS".to_owned()));
    }

    /// It is unlocked, with the app open.
    pub fn open_app(&self) {
        self.device.plug();
    }

    /// What it has signed.
    #[must_use]
    pub fn witness(&self) -> Witness {
        self.witness.lock().clone()
    }
}

/// Between a machine's port and the simulator.
struct Carrier {
    address: SocketAddr,
    witness: Arc<Mutex<Witness>>,
}

impl Carrier {
    fn carry(&self, mut port: UnixStream) -> io::Result<()> {
        loop {
            let (channel, apdu) = reports::read(&mut port)?;
            // No answer: the Ledger lost its power meanwhile.
            let Ok(answer) = self.exchange(&apdu) else { continue };
            self.witness.lock().note(&apdu, &answer);
            for report in reports::split(channel, &answer) {
                port.write_all(&report)?;
            }
        }
    }

    /// Framed as the emulator does: the length of an answer leaves the status word out.
    fn exchange(&self, apdu: &[u8]) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&self.address, EXCHANGE_LIMIT)?;
        stream.set_read_timeout(Some(EXCHANGE_LIMIT))?;
        let length = u32::try_from(apdu.len()).map_err(io::Error::other)?;
        stream.write_all(&[&length.to_be_bytes(), apdu].concat())?;
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length).min(LONGEST_ANSWER);
        let mut answer = vec![0; usize::try_from(length).map_err(io::Error::other)? + 2];
        stream.read_exact(&mut answer)?;
        Ok(answer)
    }
}
