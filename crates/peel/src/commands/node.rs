//! The chain's present level, asked of a node or an indexer that the operator names.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::header::{ACCEPT, HOST};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tezos::Level;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Where a level is asked for: a node (`http://127.0.0.1:8732`), or any URL whose answer is a JSON object with a `level`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LevelUrl {
    uri: Uri,
    host: String,
    port: u16,
    is_encrypted: bool,
}

/// A text that is no such URL.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "{0:?} is no URL of a node; write http://127.0.0.1:8732, or https://HOST/PATH whose answer has a \"level\""
)]
pub(crate) struct LevelUrlError(String);

/// What a node answers with the head's level.
const HEADER: &str = "/chains/main/blocks/head/header";
/// For the whole question.
const LIMIT: Duration = Duration::from_secs(10);
/// Bytes; a header is one kilobyte.
const MAX_ANSWER: usize = 1024 * 1024;

impl FromStr for LevelUrl {
    type Err = LevelUrlError;

    fn from_str(text: &str) -> Result<LevelUrl, LevelUrlError> {
        let error = || LevelUrlError(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| error())?;
        let is_encrypted = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            Some(_) | None => return Err(error()),
        };
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let authority = authority.ok_or_else(error)?;
        let port = authority.port_u16().unwrap_or(if is_encrypted { 443 } else { 80 });
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        Ok(LevelUrl { host, port, is_encrypted, uri })
    }
}

impl fmt::Display for LevelUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uri.fmt(f)
    }
}

impl LevelUrl {
    /// The level that is told there.
    pub(crate) fn level(&self) -> anyhow::Result<Level> {
        let runtime = Builder::new_current_thread().enable_all().build().context("no runtime")?;
        let asked = runtime.block_on(async { tokio::time::timeout(LIMIT, self.ask()).await });
        // A name that is still being looked up is not waited for.
        runtime.shutdown_background();
        let asked = asked.map_err(|_| anyhow::anyhow!("no answer within {} s", LIMIT.as_secs()));
        asked.flatten().with_context(|| format!("{} does not tell the level", self.uri))
    }

    async fn ask(&self) -> anyhow::Result<Level> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        if self.is_encrypted {
            let name = ServerName::try_from(self.host.clone())?;
            self.ask_over(TlsConnector::from(tls()?).connect(name, stream).await?).await
        } else {
            self.ask_over(stream).await
        }
    }

    async fn ask_over(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> anyhow::Result<Level> {
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let asking = async {
            let answer = sender.send_request(self.request()?).await?;
            if !answer.status().is_success() {
                bail!("it answers {}", answer.status());
            }
            let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
            level_in(&body.map_err(|error| anyhow::anyhow!(error))?.to_bytes())
        };
        tokio::pin!(asking);
        tokio::select! {
            level = &mut asking => level,
            // What it has read is still to be looked at.
            _ = connection => asking.await,
        }
    }

    fn request(&self) -> anyhow::Result<Request<Empty<Bytes>>> {
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let path = if path == "/" { HEADER } else { path };
        let host = self.uri.authority().map_or("", |authority| authority.as_str());
        let request = Request::get(path).header(HOST, host).header(ACCEPT, "application/json");
        Ok(request.body(Empty::new())?)
    }
}

fn level_in(answer: &[u8]) -> anyhow::Result<Level> {
    let answer: Value = serde_json::from_slice(answer).context("its answer is no JSON")?;
    let level =
        answer.get("level").and_then(Value::as_i64).context("its answer has no \"level\"")?;
    Level::try_from(level).map_err(|error| anyhow::anyhow!("its level: {error}"))
}

/// With the certificates that this computer trusts.
fn tls() -> anyhow::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        bail!(
            "this computer trusts no certificates; install ca-certificates, or name an http:// node"
        );
    }
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A node that gives one answer; what it was asked comes back.
    fn ask(path: &str, answer: &'static str) -> (anyhow::Result<Level>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let node = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = vec![0; 4096];
            let read = stream.read(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..read]).lines().next().unwrap_or_default().to_owned()
        });
        let url: LevelUrl = format!("http://{address}{path}").parse().unwrap();
        (url.level(), node.join().unwrap())
    }

    const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n{\"level\": 77 }";

    #[test]
    fn a_node_is_asked_for_its_head_and_an_indexer_for_what_was_named() {
        let (level, line) = ask("", HEAD);
        assert_eq!(u32::from(level.unwrap()), 77);
        assert_eq!(line, "GET /chains/main/blocks/head/header HTTP/1.1");
        assert_eq!(ask("/v1/head?x=1", HEAD).1, "GET /v1/head?x=1 HTTP/1.1");
    }

    #[test]
    fn an_answer_without_a_level_is_told() {
        for (answer, said) in [
            ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "404"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", "no \"level\""),
            ("HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n{\"level\": -1", "no JSON"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n{\"level\": -1}", "its level"),
            ("SSH-2.0-x\r\n", "does not tell"),
        ] {
            let error = format!("{:#}", ask("", answer).0.unwrap_err());
            assert!(error.contains(said), "{answer}: {error}");
        }
    }

    #[test]
    fn only_urls_of_http_are_taken() {
        for text in ["127.0.0.1:8732", "ftp://a", "http://user@a", "http://", "https:///x"] {
            assert!(text.parse::<LevelUrl>().is_err(), "{text}");
        }
        let url: LevelUrl = "https://[::1]/v1/head".parse().unwrap();
        assert_eq!((url.host.as_str(), url.port, url.is_encrypted), ("::1", 443, true));
    }
}
