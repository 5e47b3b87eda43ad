//! A daemon that runs already, asked how it is.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail};

/// For each step of a question to this machine.
const LIMIT: Duration = Duration::from_secs(3);
/// Bytes; the report of a gateway with many signers is the longest.
const MAX_ANSWER: u64 = 16 * 1024 * 1024;

/// Asks the daemon whose `[monitor]` is there for its facts, shows them, and fails when one does not hold.
pub(crate) fn show_readiness(what: &str, monitor: Option<SocketAddr>) -> anyhow::Result<()> {
    let Some(monitor) = monitor else {
        bail!(
            "{what} is running, and has no [monitor] to be asked at; add one, or stop it to check the rest"
        );
    };
    daemon::say!("running        {what} is running, so it is asked: http://{monitor}/readyz");
    let (status, facts) = ask(daemon::ports::reachable(monitor), "/readyz")
        .with_context(|| format!("{what} is running, and {monitor} does not answer"))?;
    facts.lines().filter(|line| !line.is_empty()).for_each(|line| daemon::say!("{line}"));
    let is_whole = status == 200 && !facts.lines().any(|line| line.starts_with("[-]"));
    if is_whole {
        Ok(())
    } else {
        bail!("{what} is running, and not all is well: see the lines with [-]")
    }
}

/// The ports that cannot be listened on now, and who could have them.
pub(crate) fn taken_ports(ports: impl Iterator<Item = SocketAddr>, by: &str) -> Vec<String> {
    let taken = ports.filter_map(|port| Some((port, TcpListener::bind(port).err()?)));
    taken.map(|(port, error)| format!("cannot listen on {port}: {error}; {by}")).collect()
}

/// The status and the body of an answer.
pub(super) fn ask(at: SocketAddr, path: &str) -> anyhow::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&at, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    write_request(&mut stream, &at.to_string(), path)?;
    read_answer(stream)
}

/// Asks a daemon over a connection that is there.
pub(super) fn write_request(mut to: impl Write, host: &str, path: &str) -> anyhow::Result<()> {
    write!(to, "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")?;
    Ok(to.flush()?)
}

/// The status and the body of its answer, read as far as the answer says: the connection may stay open.
pub(super) fn read_answer(from: impl Read) -> anyhow::Result<(u16, String)> {
    let mut from = BufReader::new(from.take(MAX_ANSWER));
    let mut line = String::new();
    from.read_line(&mut line)?;
    let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1));
    let status = status.and_then(|status| status.parse().ok()).context("it speaks no HTTP")?;
    let mut body = String::new();
    match body_length(&mut from)? {
        Some(length) => from.take(length).read_to_string(&mut body)?,
        None => from.read_to_string(&mut body)?,
    };
    Ok((status, body))
}

/// Reads the headers to their end; what they say of the body's length.
fn body_length(from: &mut impl BufRead) -> anyhow::Result<Option<u64>> {
    let mut length = None;
    loop {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            bail!("it speaks no HTTP");
        }
        let Some((name, value)) = line.split_once(':') else { return Ok(length) };
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(value.trim().parse()?);
        }
    }
}
