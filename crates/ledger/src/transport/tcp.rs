//! The APDU port of an emulator: a length of four bytes, then the APDU; back, the length without
//! the status word, the data, the status word.
//!
//! The emulator gives an answer to the connection that came last: it is for one process of ours at a time, as a device on USB.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{self as unix, UnixDatagram};
use std::time::{Duration, Instant};

use crate::transport::{Address, Transport, TransportError};

/// A connection to an emulator.
pub(crate) struct Tcp {
    stream: TcpStream,
    /// The name is taken for as long as this lives.
    _name: UnixDatagram,
}

const CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// More than any answer of the app has.
const MAX_ANSWER: usize = 1024;

impl Tcp {
    pub(crate) fn connect(address: SocketAddr) -> Result<Tcp, TransportError> {
        let name = take_name(address)?;
        let stream = TcpStream::connect_timeout(&address, CONNECT_LIMIT)
            .map_err(|_| TransportError::Absent(Address::Tcp(address)))?;
        stream.set_nodelay(true).map_err(|error| TransportError::Broken(error.to_string()))?;
        Ok(Tcp { stream, _name: name })
    }

    fn read(
        &mut self,
        buffer: &mut [u8],
        limit: Duration,
        end: Instant,
    ) -> Result<(), TransportError> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(TransportError::Silent(limit));
            }
            let broken = |error: std::io::Error| TransportError::Broken(error.to_string());
            self.stream.set_read_timeout(Some(left)).map_err(broken)?;
            match self.stream.read(rest) {
                Ok(0) => return Err(TransportError::Broken("it was closed".to_owned())),
                Ok(count) => filled += count,
                Err(error) if is_retry(&error) => {}
                Err(error) => return Err(broken(error)),
            }
        }
        Ok(())
    }
}

/// A name in the kernel, in the same network namespace as the port; it goes with its process.
fn take_name(address: SocketAddr) -> Result<UnixDatagram, TransportError> {
    let place = Address::Tcp(address).to_string();
    let taken = unix::SocketAddr::from_abstract_name(format!("peel {place}"))
        .and_then(|name| UnixDatagram::bind_addr(&name));
    taken.map_err(|error| {
        if error.kind() == ErrorKind::AddrInUse {
            TransportError::InUse(place)
        } else {
            TransportError::Broken(error.to_string())
        }
    })
}

fn is_retry(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

impl Transport for Tcp {
    fn send(&mut self, apdu: &[u8], limit: Duration) -> Result<(), TransportError> {
        let length = u32::try_from(apdu.len()).unwrap_or(u32::MAX);
        let message = [&length.to_be_bytes(), apdu].concat();
        self.stream
            .set_write_timeout(Some(limit))
            .and_then(|()| self.stream.write_all(&message))
            .map_err(|error| TransportError::Broken(error.to_string()))
    }

    fn receive(&mut self, limit: Duration) -> Result<Vec<u8>, TransportError> {
        let end = Instant::now() + limit;
        let mut length = [0; 4];
        self.read(&mut length, limit, end)?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > MAX_ANSWER {
            return Err(TransportError::Garbage("it claims to be longer than any answer"));
        }
        let mut answer = vec![0; length + 2];
        self.read(&mut answer, limit, end)?;
        Ok(answer)
    }
}
