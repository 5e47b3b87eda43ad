//! A client of a device's port, and the APDUs that the tests send.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use ledger_sim::{Config, Curve, Device, Path, Setup};

/// How long a test waits for what must come.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

pub(crate) const VERSION: &str = "8000000000";
pub(crate) const VERSION_ANSWER: &str = "010205019000";
pub(crate) const ALL_MARKS: &str = "800b000000";
pub(crate) const APP_INFO: &str = "b001000000";
pub(crate) const SELECT: &str = "8004000011048000002c800006c18000000080000000";
pub(crate) const AUTHORIZE: &str = "8001000011048000002c800006c18000000080000000";

/// An attestation on mainnet at a level, as "sign" takes it.
pub(crate) fn attestation(level: u32) -> String {
    let (branch, payload) = ("00".repeat(32), "11".repeat(32));
    format!("8004810050137a06a770{branch}150000{level:08x}00000000{payload}")
}

/// A device that is set up to attest on mainnet, and runs for this test only.
pub(crate) fn device(config: Config) -> Device {
    let setup = Setup {
        curve: Curve::Ed25519,
        path: Path::FIRST,
        chain_id: [0x7a, 0x06, 0xa7, 0x70],
        level: 10,
    };
    start(Config { setup: Some(setup), ..config })
}

pub(crate) fn start(config: Config) -> Device {
    Device::start(SocketAddr::from(([127, 0, 0, 1], 0)), &config).unwrap()
}

pub(crate) struct Client(TcpStream);

impl Client {
    pub(crate) fn connect(device: &Device) -> Self {
        let stream = TcpStream::connect(device.address()).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        Self(stream)
    }

    /// A client that the device is sure to have accepted before this returns.
    pub(crate) fn known(device: &Device) -> Self {
        let mut client = Self::connect(device);
        assert_eq!(client.exchange(VERSION), VERSION_ANSWER);
        client
    }

    /// Sends frames in one piece, so that they arrive together.
    pub(crate) fn send(&mut self, apdus: &[&str]) {
        let frames = apdus.iter().flat_map(|apdu| {
            let apdu = hex::decode(apdu).unwrap();
            [&u32::try_from(apdu.len()).unwrap().to_be_bytes(), apdu.as_slice()].concat()
        });
        self.0.write_all(&frames.collect::<Vec<_>>()).unwrap();
    }

    pub(crate) fn receive(&mut self) -> String {
        let length = self.receive_length();
        let mut answer = vec![0; usize::try_from(length).unwrap() + 2];
        self.0.read_exact(&mut answer).unwrap();
        hex::encode(answer)
    }

    pub(crate) fn receive_length(&mut self) -> u32 {
        let mut length = [0; 4];
        self.0.read_exact(&mut length).unwrap();
        u32::from_be_bytes(length)
    }

    pub(crate) fn exchange(&mut self, apdu: &str) -> String {
        self.send(&[apdu]);
        self.receive()
    }

    /// Waits for the device to close the connection; fails when anything else comes.
    pub(crate) fn expect_closed(&mut self) {
        match self.0.read(&mut [0]) {
            Ok(count) => assert_eq!(count, 0, "the connection should be closed"),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
    }

    /// Nothing is on its way: the next answer belongs to the next request.
    pub(crate) fn expect_silence(&mut self) {
        assert_eq!(self.exchange(VERSION), VERSION_ANSWER);
    }
}
