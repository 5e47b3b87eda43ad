//! How bytes get to a device and back: one exchange at a time, each with a time limit.

mod framing;
mod hidraw;
mod tcp;

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use crate::transport::hidraw::Hidraw;
use crate::transport::tcp::Tcp;

/// The answer in these reports, if they are one. A report that is not whole is left out.
#[cfg(fuzzing)]
pub fn assemble(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut assembler = framing::Assembler::default();
    let (reports, _) = bytes.as_chunks::<{ framing::REPORT }>();
    reports.iter().find_map(|report| assembler.push(report).transpose()).and_then(Result::ok)
}

/// A connection to a device.
pub trait Transport: Send {
    /// Sends an APDU and waits for the next answer, data and status word, for `limit` at most.
    ///
    /// After an error the connection is of no use: an answer may still be under way.
    ///
    /// # Errors
    /// See [`TransportError`].
    fn exchange(&mut self, apdu: &[u8], limit: Duration) -> Result<Vec<u8>, TransportError> {
        self.send(apdu, limit)?;
        self.receive(limit)
    }

    /// Sends an APDU. For resynchronising only: see [`Transport::exchange`].
    ///
    /// # Errors
    /// See [`TransportError`].
    fn send(&mut self, apdu: &[u8], limit: Duration) -> Result<(), TransportError>;

    /// Waits for the next answer. For resynchronising only: see [`Transport::exchange`].
    ///
    /// # Errors
    /// See [`TransportError`].
    fn receive(&mut self, limit: Duration) -> Result<Vec<u8>, TransportError>;
}

/// Why no answer came. Always *failed*.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TransportError {
    /// No device there.
    #[error("no Ledger found on {0}; plug it in, unlock it and open the Tezos Baking app")]
    Absent(Address),
    /// It is there, and we may not open it.
    #[error(
        "the Ledger at {0} may not be opened; install Peel's udev rule (deploy/udev) and plug it in \
         again, or run as a member of its group"
    )]
    Permission(String),
    /// Another process talks to it. Two at once would take each other's answers.
    #[error(
        "the Ledger at {0} is in use by another process: \"peel signer run\", or a \"peel ledger\""
    )]
    InUse(String),
    /// The connection broke.
    #[error("the connection to the Ledger broke: {0}; check cable and plug")]
    Broken(String),
    /// No answer within the limit.
    #[error(
        "the Ledger did not answer within {:.1} s; look at its screen, a prompt may be waiting",
        .0.as_secs_f64()
    )]
    Silent(Duration),
    /// Bytes that are no answer.
    #[error("what came from the Ledger is no answer: {0}")]
    Garbage(&'static str),
}

/// Where a device is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address {
    /// Any Ledger on USB.
    Usb,
    /// The APDU port of an emulator.
    Tcp(SocketAddr),
}

/// A text that is no address of a device.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{0:?} is no transport; write \"usb\" or \"tcp://127.0.0.1:9999\"")]
pub struct AddressError(String);

/// A device that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What to show: the device's node or address.
    pub place: String,
    /// What it calls itself on USB.
    pub product: Option<String>,
    node: Node,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Hidraw(std::ffi::CString),
    Tcp(SocketAddr),
}

/// The devices at `address`, in a stable order. An emulator is taken to be there.
///
/// # Errors
/// When USB cannot be looked at.
pub fn find(address: Address) -> Result<Vec<Found>, TransportError> {
    match address {
        Address::Usb => hidraw::find(),
        Address::Tcp(socket) => {
            Ok(vec![Found { place: address.to_string(), product: None, node: Node::Tcp(socket) }])
        }
    }
}

/// Opens a device.
///
/// # Errors
/// When it is not there any more, or may not be opened.
pub fn open(found: &Found) -> Result<Box<dyn Transport>, TransportError> {
    match &found.node {
        Node::Hidraw(path) => Ok(Box::new(Hidraw::open(path)?)),
        Node::Tcp(socket) => Ok(Box::new(Tcp::connect(*socket)?)),
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Address, AddressError> {
        let error = || AddressError(text.to_owned());
        match text.strip_prefix("tcp://") {
            Some(socket) => socket.parse().map(Address::Tcp).map_err(|_| error()),
            None if text == "usb" => Ok(Address::Usb),
            None => Err(error()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Usb => f.write_str("usb"),
            Address::Tcp(socket) => write!(f, "tcp://{socket}"),
        }
    }
}
