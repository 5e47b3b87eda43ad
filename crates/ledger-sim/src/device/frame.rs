//! The emulator's framing.
//!
//! To the device: a length, big-endian in four bytes, and the APDU. From the device: the length of
//! the data *without* the status word, the data, the status word.

use std::io::{self, Read as _};
use std::net::TcpStream;

/// No APDU has more than 5 + 255 bytes; a client that sends longer frames is disconnected.
const LONGEST: usize = 512;
const PREFIX: usize = 4;

/// Takes frames off a connection.
#[derive(Debug)]
pub(super) struct Frames {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Frames {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// The next APDU; `None` when the connection is closed.
    pub(super) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(apdu) = self.take()? {
                return Ok(Some(apdu));
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Drops all that has arrived in full by now, and says how many APDUs those were.
    pub(super) fn drop_arrived(&mut self) -> io::Result<u64> {
        let mut dropped = 0;
        loop {
            while self.take()?.is_some() {
                dropped += 1;
            }
            self.stream.set_nonblocking(true)?;
            let filled = self.fill();
            self.stream.set_nonblocking(false)?;
            match filled {
                Ok(true) => {}
                // Closed: the next read says so again.
                Ok(false) => return Ok(dropped),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(dropped),
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes a frame that is there in full.
    fn take(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Some((prefix, rest)) = self.buffer.split_first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_be_bytes(*prefix)).unwrap_or(usize::MAX);
        if length > LONGEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let Some(apdu) = rest.get(..length).map(<[u8]>::to_vec) else { return Ok(None) };
        self.buffer.drain(..PREFIX + length);
        Ok(Some(apdu))
    }

    /// Reads what there is; `false` when the connection is closed.
    fn fill(&mut self) -> io::Result<bool> {
        let mut bytes = [0; LONGEST];
        let count = self.stream.read(&mut bytes)?;
        self.buffer.extend(bytes.iter().take(count));
        Ok(count > 0)
    }
}

/// An answer as it goes over the wire.
pub(super) fn of_answer(bytes: &[u8]) -> Vec<u8> {
    let data = u32::try_from(bytes.len().saturating_sub(2)).unwrap_or(u32::MAX);
    [&data.to_be_bytes(), bytes].concat()
}

/// An answer whose length lies.
pub(super) fn broken(bytes: &[u8]) -> Vec<u8> {
    [&u32::MAX.to_be_bytes(), bytes].concat()
}
