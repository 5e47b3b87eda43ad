//! Requests of an NBD client (`doc/proto.md` of the NBD project), answered in the order they come.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

use super::contents::Contents;

const REQUEST: u32 = 0x2560_9513;
const SIMPLE_REPLY: u32 = 0x6744_6698;
/// Bytes of one request.
pub(super) const LONGEST: u32 = 32 << 20;

const READ: u16 = 0;
const WRITE: u16 = 1;
const DISCONNECT: u16 = 2;
const FLUSH: u16 = 3;

/// What a card takes to flush: so long is a cut in the middle of it possible.
const FLUSH_TIME: Duration = Duration::from_millis(25);

const DONE: u32 = 0;
const IO_ERROR: u32 = 5;
const INVALID: u32 = 22;

struct Request {
    kind: u16,
    /// The client's own name of it.
    cookie: [u8; 8],
    offset: u64,
    length: usize,
}

/// Until the client disconnects.
pub(super) fn serve(mut stream: &UnixStream, contents: &Mutex<Contents>) -> io::Result<()> {
    loop {
        let request = Request::read(&mut stream)?;
        let mut data = Vec::new();
        let error = match request.kind {
            READ => request.read_disk(&contents.lock(), &mut data),
            WRITE => request.write_disk(&mut stream, contents)?,
            FLUSH => {
                thread::sleep(FLUSH_TIME);
                contents.lock().flush();
                DONE
            }
            DISCONNECT => return Ok(()),
            _ => INVALID,
        };
        let head = [SIMPLE_REPLY.to_be_bytes(), error.to_be_bytes()];
        stream.write_all(&[head.as_flattened(), &request.cookie, &data].concat())?;
    }
}

impl Request {
    fn read(stream: &mut impl Read) -> io::Result<Request> {
        let magic = u32::from_be_bytes(bytes(stream)?);
        let _flags: [u8; 2] = bytes(stream)?;
        let kind = u16::from_be_bytes(bytes(stream)?);
        let cookie = bytes(stream)?;
        let offset = u64::from_be_bytes(bytes(stream)?);
        let length = u32::from_be_bytes(bytes(stream)?);
        if magic != REQUEST || length > LONGEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let length = usize::try_from(length).map_err(io::Error::other)?;
        Ok(Request { kind, cookie, offset, length })
    }

    fn read_disk(&self, contents: &Contents, data: &mut Vec<u8>) -> u32 {
        if !contents.holds(self.offset, self.length) {
            return INVALID;
        }
        data.resize(self.length, 0);
        match contents.read(self.offset, data) {
            Ok(()) => DONE,
            Err(_) => {
                data.clear();
                IO_ERROR
            }
        }
    }

    /// The bytes follow the request, and are read in any case.
    fn write_disk(&self, stream: &mut impl Read, contents: &Mutex<Contents>) -> io::Result<u32> {
        let mut data = vec![0; self.length];
        stream.read_exact(&mut data)?;
        let mut contents = contents.lock();
        if !contents.holds(self.offset, self.length) {
            return Ok(INVALID);
        }
        contents.write(self.offset, &data);
        Ok(DONE)
    }
}

/// So many bytes.
pub(super) fn bytes<const N: usize>(stream: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}
