//! A UPS behind a NUT server (upsd): the protocol of RFC 9271, of which `GET VAR` is all that is needed.
//!
//! The server is another program, or another computer: every question has a limit in time, every answer one in bytes,
//! and an answer that does not fit ends the connection, so that no later one is taken for the answer to another question.

mod address;
mod answer;
mod error;
#[cfg(test)]
mod tests;

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Answer;
pub(crate) use address::{Address, AddressError};
use error::NutError;

/// Asks one UPS; keeps its connection from one question to the next.
#[derive(Debug)]
pub(super) struct Client {
    address: Address,
    connection: Option<Connection>,
}

#[derive(Debug)]
struct Connection(BufReader<TcpStream>);

/// Each for itself: to connect, with the look-up of the server's name, and to be answered.
const LIMIT: Duration = Duration::from_secs(1);
/// upsd itself sends 512 at most (`NUT_NET_ANSWER_MAX` in NUT's `server/upsd.h`).
const MAX_LINE: u64 = 1024;

impl Client {
    pub(super) fn new(address: Address) -> Client {
        Client { address, connection: None }
    }

    /// Asks what the UPS says. A server that was restarted since the last question is connected to anew.
    pub(super) async fn read(&mut self) -> Result<Answer, NutError> {
        if let Some(kept) = self.connection.take() {
            match self.ask(kept).await {
                Err(NutError::Closed(_)) => {}
                answered => return answered,
            }
        }
        let fresh = self.connect().await?;
        self.ask(fresh).await
    }

    async fn connect(&self) -> Result<Connection, NutError> {
        let connecting = TcpStream::connect((self.address.host.as_str(), self.address.port));
        let stream = timeout(LIMIT, connecting).await.map_err(|_| NutError::NoConnection)?;
        Ok(Connection(BufReader::new(stream.map_err(NutError::Unreachable)?)))
    }

    /// The connection is kept only if every answer on it was understood.
    async fn ask(&mut self, mut connection: Connection) -> Result<Answer, NutError> {
        let answered = timeout(LIMIT, connection.ask(&self.address.ups)).await;
        let answer = answered.map_err(|_| NutError::NoAnswer)??;
        self.connection = Some(connection);
        Ok(answer)
    }
}

impl Connection {
    async fn ask(&mut self, ups: &str) -> Result<Answer, NutError> {
        let status = self.variable(ups, "ups.status").await?;
        let charge = self.variable(ups, "battery.charge").await?;
        answer::understand(status.as_deref(), charge.as_deref())
    }

    /// None if this UPS has no such variable.
    async fn variable(&mut self, ups: &str, name: &str) -> Result<Option<String>, NutError> {
        let question = format!("GET VAR {ups} {name}\n");
        self.0.write_all(question.as_bytes()).await.map_err(NutError::Closed)?;
        answer::parse(&self.line().await?, ups, name)
    }

    async fn line(&mut self) -> Result<String, NutError> {
        let mut line = Vec::new();
        let mut limited = (&mut self.0).take(MAX_LINE);
        limited.read_until(b'\n', &mut line).await.map_err(NutError::Closed)?;
        let is_too_long = limited.limit() == 0;
        match line.strip_suffix(b"\n") {
            Some(line) => Ok(String::from_utf8_lossy(line).into_owned()),
            None if is_too_long => Err(NutError::Nonsense),
            None => Err(NutError::Closed(ErrorKind::UnexpectedEof.into())),
        }
    }
}
