//! Names of gateways. A name server behind a dead line takes long to fail; the link does not wait for
//! it when it knows an address from before.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;

/// The addresses of one name.
#[derive(Debug)]
pub(super) struct Name {
    /// `HOST:PORT`.
    text: String,
    /// At most one question at a time: one that hangs cannot be taken back.
    asking: JoinSet<std::io::Result<Vec<SocketAddr>>>,
    known: Vec<SocketAddr>,
}

/// For an answer, when an address is known from before.
const FRESH_LIMIT: Duration = Duration::from_millis(500);

impl Name {
    pub(super) fn new(text: String) -> Name {
        Name { text, asking: JoinSet::new(), known: Vec::new() }
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
        if self.asking.is_empty() {
            let text = self.text.clone();
            self.asking
                .spawn(async move { tokio::net::lookup_host(text).await.map(Iterator::collect) });
        }
        let answer = if self.known.is_empty() {
            self.asking.join_next().await
        } else {
            let answer = tokio::time::timeout(FRESH_LIMIT, self.asking.join_next());
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
