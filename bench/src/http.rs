//! A baker's request, in plain bytes: chunked JSON on a new connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

const LIMIT: Duration = Duration::from_secs(15);

/// The signature for `payload`, and how long it took from the first byte of the request to the last
/// of the answer; anything else is an error.
pub(super) fn sign(
    at: SocketAddr,
    key: &str,
    payload: &[u8],
) -> anyhow::Result<(String, Duration)> {
    let body = format!("\"{}\"\n", hex::encode(payload));
    let request = format!(
        "POST /keys/{key}?version=3 HTTP/1.1\r\nhost: {at}\r\nconnection: close\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n\
         {:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    let (answer, took) = exchange(at, &request)?;
    let signature =
        answer.split_once("{\"signature\":\"").and_then(|(_, rest)| rest.split_once('"'));
    let (signature, _) = signature.with_context(|| format!("no signature: {answer}"))?;
    Ok((signature.to_owned(), took))
}

/// Whether the key can sign now.
pub(super) fn is_ready(at: SocketAddr, key: &str) -> bool {
    let request = format!("GET /statusz/{key} HTTP/1.1\r\nhost: {at}\r\nconnection: close\r\n\r\n");
    exchange(at, &request).is_ok()
}

/// Reads the metrics.
pub(super) fn scrape(at: SocketAddr) -> anyhow::Result<()> {
    let request = format!("GET /metrics HTTP/1.1\r\nhost: {at}\r\nconnection: close\r\n\r\n");
    exchange(at, &request).map(drop)
}

fn exchange(at: SocketAddr, request: &str) -> anyhow::Result<(String, Duration)> {
    let mut stream = TcpStream::connect_timeout(&at, LIMIT)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LIMIT))?;
    let asked = Instant::now();
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let took = asked.elapsed();
    if answer.starts_with("HTTP/1.1 200") { Ok((answer, took)) } else { bail!("{answer}") }
}
