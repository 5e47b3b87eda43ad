//! A Ledger on USB, through the kernel's hidraw nodes.
//!
//! Every process that has the node open gets every report: it is locked for one of ours at a time.

use std::ffi::{CStr, CString};
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use hidapi::{DeviceInfo, HidApi, HidDevice};

use crate::transport::framing::{self, Assembler, REPORT};
use crate::transport::{Found, Node, Transport, TransportError};

/// An open device.
pub(crate) struct Hidraw {
    device: HidDevice,
    /// Locked for as long as this lives.
    _node: NodeLock,
}

const LEDGER: u16 = 0x2c97;
/// The product id changes with the app that runs; interface and usage page do not.
const INTERFACE: i32 = 0;
const USAGE_PAGE: u16 = 0xffa0;
/// More reports than the kernel keeps for a reader.
const MAX_OLD: usize = 128;

pub(crate) fn find() -> Result<Vec<Found>, TransportError> {
    let api = HidApi::new().map_err(broken)?;
    let ours = api.device_list().filter(|device| is_ledger(device));
    let mut found: Vec<Found> = ours.map(describe).collect();
    found.sort_by(|one, other| one.place.cmp(&other.place));
    found.dedup_by(|one, other| one.place == other.place);
    Ok(found)
}

fn is_ledger(device: &DeviceInfo) -> bool {
    device.vendor_id() == LEDGER
        && (device.interface_number() == INTERFACE || device.usage_page() == USAGE_PAGE)
}

fn describe(device: &DeviceInfo) -> Found {
    Found {
        place: device.path().to_string_lossy().into_owned(),
        product: device.product_string().map(str::to_owned),
        node: Node::Hidraw(CString::from(device.path())),
    }
}

impl Hidraw {
    pub(crate) fn open(path: &CStr) -> Result<Hidraw, TransportError> {
        let api = HidApi::new().map_err(broken)?;
        let node = lock(&path.to_string_lossy())?;
        let device = api.open_path(path).map_err(broken)?;
        Ok(Hidraw { device, _node: node })
    }

    /// Reports of an answer that came too late.
    fn discard_old(&self) -> Result<(), TransportError> {
        let mut report = [0; REPORT];
        for _ in 0..MAX_OLD {
            if self.device.read_timeout(&mut report, 0).map_err(broken)? == 0 {
                return Ok(());
            }
        }
        Err(TransportError::Garbage("more and more, without a question"))
    }
}

/// The node, locked until this is dropped. The lock is given back and not only closed: a program that is being started has
/// a copy of every open file for a moment, and the next look for the device would find it in use.
struct NodeLock(File);

impl Drop for NodeLock {
    fn drop(&mut self) {
        // If that fails, the lock ends with the file.
        let _ = self.0.unlock();
    }
}

/// Takes the node for this process. The library would report a missing right as text only.
fn lock(place: &str) -> Result<NodeLock, TransportError> {
    let node = File::options().read(true).write(true).open(place).map_err(|error| {
        if error.kind() == ErrorKind::PermissionDenied {
            TransportError::Permission(place.to_owned())
        } else {
            TransportError::Broken(error.to_string())
        }
    })?;
    match node.try_lock() {
        Ok(()) => Ok(NodeLock(node)),
        Err(TryLockError::WouldBlock) => Err(TransportError::InUse(place.to_owned())),
        Err(TryLockError::Error(error)) => Err(TransportError::Broken(error.to_string())),
    }
}

fn broken(error: hidapi::HidError) -> TransportError {
    TransportError::Broken(error.to_string())
}

impl Transport for Hidraw {
    fn send(&mut self, apdu: &[u8], limit: Duration) -> Result<(), TransportError> {
        let end = Instant::now() + limit;
        let reports = framing::split(apdu).ok_or(TransportError::Garbage("too long to send"))?;
        self.discard_old()?;
        for report in reports {
            if Instant::now() >= end {
                return Err(TransportError::Silent(limit));
            }
            // hidraw wants a report number in front; Ledgers have none, so 0.
            let numbered = [&[0][..], &report].concat();
            if self.device.write(&numbered).map_err(broken)? != numbered.len() {
                return Err(TransportError::Broken("it took only a part of a report".to_owned()));
            }
        }
        Ok(())
    }

    fn receive(&mut self, limit: Duration) -> Result<Vec<u8>, TransportError> {
        let end = Instant::now() + limit;
        let mut assembler = Assembler::default();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let millis = i32::try_from(left.as_millis()).unwrap_or(i32::MAX);
            let mut report = [0; REPORT];
            match self.device.read_timeout(&mut report, millis).map_err(broken)? {
                0 => return Err(TransportError::Silent(limit)),
                REPORT => {
                    if let Some(answer) = assembler.push(&report)? {
                        return Ok(answer);
                    }
                }
                _ => return Err(TransportError::Garbage("a short report")),
            }
        }
    }
}
