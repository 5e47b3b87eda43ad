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

/// Until the client disconnects. When the power is lost, what it asked for is not done and not answered, also when that was
/// begun: a cut in the middle of a flush leaves what was not flushed.
pub(super) fn serve(mut stream: &UnixStream, contents: &Mutex<Contents>) -> io::Result<()> {
    let power_cuts = contents.lock().power_cuts();
    loop {
        let request = Request::read(&mut stream)?;
        let written = request.payload(&mut stream)?;
        match request.kind {
            DISCONNECT => return Ok(()),
            FLUSH => thread::sleep(FLUSH_TIME),
            _ => {}
        }
        let mut contents = contents.lock();
        if contents.power_cuts() != power_cuts {
            drop(contents);
            return io::copy(&mut stream, &mut io::sink()).map(drop);
        }
        let answer = request.perform(&mut contents, &written);
        drop(contents);
        let (error, data) = match answer {
            Ok(data) => (DONE, data),
            Err(error) => (error, Vec::new()),
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

    /// What follows a request to write, whether or not that can be done.
    fn payload(&self, stream: &mut impl Read) -> io::Result<Vec<u8>> {
        let mut payload = vec![0; if self.kind == WRITE { self.length } else { 0 }];
        stream.read_exact(&mut payload)?;
        Ok(payload)
    }

    /// Gives what was read, or the number of an error.
    fn perform(&self, contents: &mut Contents, written: &[u8]) -> Result<Vec<u8>, u32> {
        let is_held = contents.holds(self.offset, self.length);
        match self.kind {
            READ if is_held => {
                let mut data = vec![0; self.length];
                contents.read(self.offset, &mut data).map_err(|_| IO_ERROR)?;
                return Ok(data);
            }
            WRITE if is_held => contents.write(self.offset, written),
            FLUSH => contents.flush(),
            _ => return Err(INVALID),
        }
        Ok(Vec::new())
    }
}

/// So many bytes.
pub(super) fn bytes<const N: usize>(stream: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::contents::Kept;
    use super::*;

    const SECTOR: u32 = 512;

    fn send(mut client: &UnixStream, kind: u16, payload: &[u8]) {
        let length = if kind == WRITE { SECTOR } else { 0 };
        let head = [&REQUEST.to_be_bytes()[..], &[0; 2], &kind.to_be_bytes(), &[0; 16]].concat();
        client.write_all(&[&head, &length.to_be_bytes()[..], payload].concat()).unwrap();
    }

    fn first_byte(contents: &Mutex<Contents>) -> u8 {
        let mut sector = [9; SECTOR as usize];
        contents.lock().read(0, &mut sector).unwrap();
        sector[0]
    }

    #[test]
    fn what_is_asked_for_after_the_power_was_lost_is_not_done() {
        let contents = Contents::new(tempfile::tempfile().unwrap(), SECTOR.into()).unwrap();
        let contents = Mutex::new(contents);
        let (mut client, server) = UnixStream::pair().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| serve(&server, &contents));
            for kind in [WRITE, FLUSH] {
                send(&client, kind, if kind == WRITE { &[5; 512] } else { &[] });
                let _answer: [u8; 16] = bytes(&mut client).unwrap();
            }
            assert_eq!(contents.lock().lose_power(Kept::Nothing).unwrap(), 0);
            send(&client, WRITE, &[6; 512]);
            send(&client, FLUSH, &[]);
            client.shutdown(std::net::Shutdown::Write).unwrap();
        });
        assert_eq!(first_byte(&contents), 5);
        drop(server);
        let mut answers = Vec::new();
        client.read_to_end(&mut answers).unwrap();
        assert!(answers.is_empty(), "it is answered");
    }
}
