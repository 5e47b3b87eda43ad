//! Names of gateways. A name server behind a dead uplink takes long to fail; a link that knows an address from
//! before does not wait for it.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;

/// The addresses of one name.
#[derive(Debug)]
pub(super) struct Name {
    /// `HOST:PORT`.
    text: String,
    /// At most one lookup at a time: one that hangs cannot be cancelled.
    lookup: JoinSet<std::io::Result<Vec<SocketAddr>>>,
    known: Vec<SocketAddr>,
}

/// For an answer, when an address is known from before.
const FRESH_LIMIT: Duration = Duration::from_millis(500);

impl Name {
    pub(super) fn new(text: String) -> Name {
        Name { text, lookup: JoinSet::new(), known: Vec::new() }
    }

    /// Its addresses: new ones if they come soon, the last ones if not. The first call of a name that
    /// was never found waits for as long as it takes.
    ///
    /// # Errors
    /// When the name server says so, and no address is known.
    pub(super) async fn addresses(&mut self) -> std::io::Result<Vec<SocketAddr>> {
        if let Ok(address) = self.text.parse() {
            return Ok(vec![address]);
        }
        if self.lookup.is_empty() {
            let text = self.text.clone();
            self.lookup
                .spawn(async move { tokio::net::lookup_host(text).await.map(Iterator::collect) });
        }
        let answer = if self.known.is_empty() {
            self.lookup.join_next().await
        } else {
            let answer = tokio::time::timeout(FRESH_LIMIT, self.lookup.join_next());
            answer.await.unwrap_or_default()
        };
        match answer {
            Some(Ok(Ok(found))) if !found.is_empty() => self.known = found,
            Some(Ok(Err(error))) if self.known.is_empty() => return Err(error),
            Some(_) | None => {}
        }
        Ok(self.known.clone())
    }
}
