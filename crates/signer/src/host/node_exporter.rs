//! Prometheus's node exporter on this computer, asked over HTTP.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use daemon::Listen;
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, HOST, HeaderValue};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodeExporter {
    address: SocketAddr,
    path: Uri,
}

/// A text that names no node exporter of this computer. *Misused*.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{text:?} {why}; write \"http://127.0.0.1:9100/metrics\"")]
pub(crate) struct NodeExporterTextError {
    text: String,
    why: &'static str,
}

/// Why there is no text of it. *Failed*.
#[derive(Debug, Error)]
pub(super) enum NodeExporterError {
    #[error("it has not answered within {0:?}")]
    Silent(Duration),
    #[error("it cannot be reached: {0}")]
    Unreachable(#[from] io::Error),
    #[error("it does not answer in HTTP: {0}")]
    Http(#[from] hyper::Error),
    #[error("its answer is longer than {} MiB", MAX_BYTES / (1024 * 1024))]
    TooLong,
    #[error("its answer breaks off: {0}")]
    BreaksOff(Box<dyn Error + Send + Sync>),
    #[error("it answers with HTTP status {0}")]
    Status(StatusCode),
    #[error("it shows no metric whose name begins with node_")]
    Nothing,
}

/// Twenty times what it shows of a large server.
const MAX_BYTES: usize = 2 * 1024 * 1024;
/// An exporter that knows several formats answers in this one, which is ours.
const TEXT_FORMAT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4");

impl FromStr for NodeExporter {
    type Err = NodeExporterTextError;

    fn from_str(text: &str) -> Result<NodeExporter, NodeExporterTextError> {
        let error = |why| NodeExporterTextError { text: text.to_owned(), why };
        let rest = text.strip_prefix("http://").ok_or_else(|| error("is not http://"))?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, "metrics"));
        if authority.contains('@') {
            let (text, why) = ("http://…@…".to_owned(), "has a user, which is not sent");
            return Err(NodeExporterTextError { text, why });
        }
        let address = authority.parse().map(|Listen(address)| address);
        let address = address.map_err(|_| error("has no address and port"))?;
        if !address.ip().is_loopback() {
            return Err(error("is not on this computer: only a loopback address is asked"));
        }
        if address.port() == 0 {
            return Err(error("has port 0"));
        }
        let path = format!("/{path}").parse().map_err(|_| error("has a path that is none"))?;
        Ok(NodeExporter { address, path })
    }
}

impl NodeExporter {
    /// What it shows, as it comes.
    pub(super) async fn ask(&self, limit: Duration) -> Result<Bytes, NodeExporterError> {
        timeout(limit, self.exchange()).await.map_err(|_| NodeExporterError::Silent(limit))?
    }

    async fn exchange(&self) -> Result<Bytes, NodeExporterError> {
        let stream = TcpStream::connect(self.address).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() = self.path.clone();
        let headers = request.headers_mut();
        if let Ok(host) = self.address.to_string().parse() {
            headers.insert(HOST, host);
        }
        headers.insert(ACCEPT, TEXT_FORMAT);
        let answer = async {
            let response = sender.send_request(request).await?;
            if response.status() != StatusCode::OK {
                return Err(NodeExporterError::Status(response.status()));
            }
            let body = Limited::new(response.into_body(), MAX_BYTES).collect().await;
            Ok(body.map_err(NodeExporterError::of_body)?.to_bytes())
        };
        tokio::pin!(connection, answer);
        tokio::select! {
            answer = &mut answer => answer,
            driven = &mut connection => {
                driven?;
                answer.await
            }
        }
    }
}

impl NodeExporterError {
    fn of_body(error: Box<dyn Error + Send + Sync>) -> NodeExporterError {
        if error.is::<LengthLimitError>() {
            return NodeExporterError::TooLong;
        }
        NodeExporterError::BreaksOff(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_of_this_computer_is_taken() {
        for text in [
            "http://127.0.0.1:9100/metrics",
            "http://127.0.0.1:9100",
            "http://localhost:9100/metrics",
        ] {
            let address = SocketAddr::from(([127, 0, 0, 1], 9100));
            let expected = NodeExporter { address, path: Uri::from_static("/metrics") };
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        assert!("http://[::1]:9100/a/b?collect[]=cpu".parse::<NodeExporter>().is_ok());
        for (text, word) in [
            ("https://127.0.0.1:9100/metrics", "is not http://"),
            ("127.0.0.1:9100", "is not http://"),
            ("http://192.168.1.7:9100/metrics", "only a loopback address"),
            ("http://0.0.0.0:9100/metrics", "only a loopback address"),
            ("http://[::ffff:10.0.0.1]:9100/metrics", "only a loopback address"),
            ("http://nas.home:9100/metrics", "has no address"),
            ("http://localhost.example.com:9100/metrics", "has no address"),
            ("http://127.0.0.1/metrics", "has no address and port"),
            ("http://127.0.0.1:0/metrics", "port 0"),
            ("http://127.0.0.1:9100/a b", "path"),
            ("http://me:secret@127.0.0.1:9100/", "has a user"),
        ] {
            let error = text.parse::<NodeExporter>().unwrap_err().to_string();
            assert!(error.contains(word) && error.contains("write \"http://"), "{text}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
