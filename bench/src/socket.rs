//! A baker's request in the binary protocol, on a new connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::bail;
use tezos::PublicKeyHash;

const LIMIT: Duration = Duration::from_secs(15);

/// How long a signature for `payload` takes over tcp.
pub(super) fn over_tcp(
    at: SocketAddr,
    key: &PublicKeyHash,
    payload: &[u8],
) -> anyhow::Result<Duration> {
    let stream = TcpStream::connect(at)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LIMIT))?;
    exchange(stream, key, payload)
}

/// The same over a unix socket.
pub(super) fn over_unix(
    at: &Path,
    key: &PublicKeyHash,
    payload: &[u8],
) -> anyhow::Result<Duration> {
    let stream = UnixStream::connect(at)?;
    stream.set_read_timeout(Some(LIMIT))?;
    exchange(stream, key, payload)
}

/// A signing request for a key that is not tz4, and the length of its answer: "done" and 64 bytes.
fn exchange(
    mut stream: impl Read + Write,
    key: &PublicKeyHash,
    payload: &[u8],
) -> anyhow::Result<Duration> {
    const SIGN: u8 = 0;
    let data_length = u32::try_from(payload.len())?.to_be_bytes();
    let message = [&[SIGN], key.tagged_bytes().as_slice(), &data_length, payload].concat();
    let length = u16::try_from(message.len())?.to_be_bytes();
    let asked = Instant::now();
    stream.write_all(&[&length, message.as_slice()].concat())?;
    let mut answer = [0; 67];
    stream.read_exact(&mut answer)?;
    let took = asked.elapsed();
    if answer.starts_with(&[0, 65, 0]) { Ok(took) } else { bail!("no signature: {answer:?}") }
}
