//! A Ledger on USB, through the kernel's hidraw nodes.

use std::ffi::{CStr, CString};
use std::time::{Duration, Instant};

use hidapi::{DeviceInfo, HidApi, HidDevice};

use crate::transport::framing::{self, Assembler, REPORT};
use crate::transport::{Found, Node, Transport, TransportError};

/// An open device.
pub(crate) struct Hidraw(HidDevice);

const LEDGER: u16 = 0x2c97;
/// The product id changes with the app that runs; interface and usage page do not.
const INTERFACE: i32 = 0;
const USAGE_PAGE: u16 = 0xffa0;

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
        let place = path.to_string_lossy();
        // The library reports a missing right as text only: ask the file.
        let node = std::fs::OpenOptions::new().read(true).write(true).open(&*place);
        if node.is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied) {
            return Err(TransportError::Permission(place.into_owned()));
        }
        api.open_path(path).map(Hidraw).map_err(broken)
    }
}

fn broken(error: hidapi::HidError) -> TransportError {
    TransportError::Broken(error.to_string())
}

impl Transport for Hidraw {
    fn send(&mut self, apdu: &[u8], _limit: Duration) -> Result<(), TransportError> {
        let reports = framing::split(apdu).ok_or(TransportError::Garbage("too long to send"))?;
        for report in reports {
            // hidraw wants a report number in front; Ledgers have none, so 0.
            let numbered = [&[0][..], &report].concat();
            self.0.write(&numbered).map_err(broken)?;
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
            match self.0.read_timeout(&mut report, millis).map_err(broken)? {
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
