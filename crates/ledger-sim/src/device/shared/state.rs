//! The device's state: every change to it is one call under the lock.

use std::io::Write as _;
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use super::Reply;
use super::noise::Noise;
use crate::app::{App, app_info};
use crate::config::Latency;
use crate::device::fault::Fault;
use crate::device::frame;
use crate::instruction::Instruction;
use crate::outcome::Outcome;
use crate::status::Status;

#[derive(Debug)]
pub(super) struct State {
    pub(super) app: App,
    face: Face,
    faults: Vec<Fault>,
    /// The exchange that is being worked on.
    busy: Option<u64>,
    tickets: u64,
    /// How many APDUs have arrived.
    pub(super) apdus: u64,
    connections: Vec<(u64, TcpStream)>,
    /// The connection accepted last; answers to it are lost once it is closed.
    newest: u64,
    is_plugged: bool,
    pub(super) is_running: bool,
    pub(super) is_accepting: bool,
    noise: Noise,
}

/// What the computer meets when it speaks to the device.
#[derive(Debug)]
enum Face {
    Baking,
    OtherApp(String),
    Locked,
}

impl State {
    pub(super) fn new(app: App) -> Self {
        Self {
            app,
            face: Face::Baking,
            faults: Vec::new(),
            busy: None,
            tickets: 0,
            apdus: 0,
            connections: Vec::new(),
            newest: 0,
            is_plugged: true,
            is_running: true,
            is_accepting: true,
            noise: Noise::new(),
        }
    }

    /// Executes an APDU, with the fault that meets it. `None`: it is dropped, or prompts.
    pub(super) fn begin(
        &mut self,
        apdu: &[u8],
        latency: Latency,
    ) -> Option<(u64, Reply, Duration)> {
        self.apdus += 1;
        if self.busy.is_some() || self.app.is_prompting() {
            return None;
        }
        let (reply, took) = self.execute_with_fault(apdu, latency)?;
        self.tickets += 1;
        self.busy = Some(self.tickets);
        Some((self.tickets, reply, took))
    }

    fn execute_with_fault(&mut self, apdu: &[u8], latency: Latency) -> Option<(Reply, Duration)> {
        let asked = Instruction::of(apdu);
        let fault = self.take_fault(|fault| fault.meets(asked));
        match &fault {
            Some(Fault::DisconnectBefore(_)) => return Some((Reply::HangUp, Duration::ZERO)),
            Some(Fault::Status(_, word)) => {
                return Some((answer(&word.to_be_bytes()), Duration::ZERO));
            }
            _ => {}
        }
        let (bytes, took) = self.execute(apdu)?;
        let bytes = self.spoil_signature(asked, bytes);
        let took = if latency == Latency::Real { took } else { Duration::ZERO };
        Some(match fault {
            Some(Fault::DisconnectAfter(_)) => (Reply::HangUp, took),
            Some(Fault::Late(_, delay)) => (answer(&bytes), took + delay),
            Some(Fault::Garbage(_)) => (answer(&self.noise.garbage()), took),
            Some(Fault::BrokenFrame(_)) => (Reply::Frame(frame::broken(&bytes)), took),
            _ => (answer(&bytes), took),
        })
    }

    fn execute(&mut self, apdu: &[u8]) -> Option<(Vec<u8>, Duration)> {
        let refused = |status: Status| Some((status.after(Vec::new()), Duration::ZERO));
        match (&self.face, Instruction::of(apdu)) {
            (Face::Locked, _) => refused(Status::LOCKED),
            (Face::OtherApp(name), Some(Instruction::AppInfo)) => {
                Some((Status::DONE.after(app_info(name, "1.0.0")), Duration::ZERO))
            }
            (Face::OtherApp(_), _) => refused(Status::UNKNOWN_CLASS),
            (Face::Baking, _) => match self.app.handle(apdu) {
                Outcome::Answer { bytes, took } => Some((bytes, took)),
                Outcome::Prompt(_) | Outcome::Dropped => None,
            },
        }
    }

    /// Flips the last bit of a signature, if that fault waits: behind all of DER's structure.
    fn spoil_signature(&mut self, asked: Option<Instruction>, mut bytes: Vec<u8>) -> Vec<u8> {
        let is_message = matches!(asked, Some(Instruction::Sign | Instruction::SignWithHash));
        if let [.., last, 0x90, 0x00] = bytes.as_mut_slice()
            && is_message
            && self.take_fault(|fault| *fault == Fault::WrongSignature).is_some()
        {
            *last ^= 1;
        }
        bytes
    }

    fn take_fault(&mut self, is_wanted: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let index = self.faults.iter().position(is_wanted)?;
        Some(self.faults.remove(index))
    }

    pub(super) fn inject(&mut self, fault: Fault) {
        match fault {
            Fault::OtherApp(name) => self.face = Face::OtherApp(name),
            Fault::Locked => self.face = Face::Locked,
            Fault::DisconnectBefore(_)
            | Fault::DisconnectAfter(_)
            | Fault::Late(..)
            | Fault::WrongSignature
            | Fault::Garbage(_)
            | Fault::BrokenFrame(_)
            | Fault::Status(..) => self.faults.push(fault),
        }
    }

    pub(super) fn is_busy_with(&self, ticket: u64) -> bool {
        self.busy == Some(ticket)
    }

    /// Ends an exchange; `false`: a power cut has voided it.
    pub(super) fn end(&mut self, ticket: u64) -> bool {
        let is_current = self.is_busy_with(ticket);
        if is_current {
            self.busy = None;
        }
        is_current
    }

    pub(super) fn decide(&mut self, accept: bool) {
        if let Some(bytes) = self.app.decide(accept) {
            self.send(&frame::of_answer(&bytes));
        }
    }

    /// Sends to the newest connection; to one that is closed, nothing.
    pub(super) fn send(&mut self, frame: &[u8]) {
        let newest = self.newest;
        if let Some((_, stream)) = self.connections.iter_mut().find(|(id, _)| *id == newest) {
            // A client that is gone misses its answer, as with the emulator.
            let _gone = stream.write_all(frame);
        }
    }

    pub(super) fn add(&mut self, stream: TcpStream) -> Option<u64> {
        if !self.is_plugged || !self.is_running {
            return None;
        }
        self.newest += 1;
        self.connections.push((self.newest, stream));
        Some(self.newest)
    }

    pub(super) fn forget(&mut self, id: u64) {
        for (_, stream) in self.connections.extract_if(.., |(named, _)| *named == id) {
            close(&stream);
        }
    }

    pub(super) fn power_cut(&mut self) {
        self.app.power_cut();
        self.busy = None;
        self.connections.drain(..).for_each(|(_, stream)| close(&stream));
    }

    pub(super) fn unplug(&mut self) {
        self.is_plugged = false;
        self.power_cut();
    }

    pub(super) fn plug(&mut self) {
        self.is_plugged = true;
        self.face = Face::Baking;
    }

    pub(super) fn stop(&mut self) {
        self.is_running = false;
        self.power_cut();
    }
}

fn answer(bytes: &[u8]) -> Reply {
    Reply::Frame(frame::of_answer(bytes))
}

/// Closes a connection in both directions, so that its thread's read ends.
fn close(stream: &TcpStream) {
    // One that is closed already is what was wanted.
    let _closed = stream.shutdown(Shutdown::Both);
}
