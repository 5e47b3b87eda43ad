//! HTTP with a signer, over one stream through the tunnel.
//!
//! The connection has no task of its own: the task that sends a request drives it meanwhile, so that a response
//! wakes one task and not three.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use signer_api::{Answer, timing};
use thiserror::Error;
use tokio::time::Instant;
use tunnel::Stream;

use crate::witness::Position;

/// A request to a signer. Sent over several paths, it is still one request.
#[derive(Debug, Clone)]
pub(crate) struct SignerRequest {
    pub(crate) method: Method,
    /// As the baker wrote it.
    pub(crate) path_and_query: String,
    pub(crate) body: Bytes,
    /// Where in the chain a signature is asked for; none for anything else.
    pub(crate) position: Option<Position>,
}

/// A signer's response, as it came.
#[derive(Debug, Clone)]
pub(crate) struct SignerResponse {
    pub(crate) status: StatusCode,
    pub(crate) content_type: Option<HeaderValue>,
    /// How long the signer itself took, if it says so.
    pub(crate) took: Option<Duration>,
    pub(crate) body: Bytes,
}

/// An HTTP connection, with at most one request in flight.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    connection: Pin<Box<http1::Connection<TokioIo<Stream>, Full<Bytes>>>>,
    /// The signer has closed; the connection must not be polled again.
    is_closed: bool,
    pub(crate) idle_since: Instant,
}

/// The connection failed, or what came is not HTTP. *Failed*.
#[derive(Debug, Error)]
#[error("{0}")]
pub(crate) struct HttpError(pub(crate) String);

/// Bytes of a body; metrics are the longest.
const MAX_RESPONSE: usize = 1024 * 1024;
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const SIGNER: HeaderValue = HeaderValue::from_static("signer");
const ANYTHING: HeaderValue = HeaderValue::from_static("*/*");

impl SignerRequest {
    pub(crate) fn get(path: &str) -> SignerRequest {
        let (path_and_query, body) = (path.to_owned(), Bytes::new());
        SignerRequest { method: Method::GET, path_and_query, body, position: None }
    }

    /// Whether a signature is asked for: of a vote, a block or an operation.
    pub(crate) fn is_to_sign(&self) -> bool {
        self.method == Method::POST
    }

    /// The kind and the level of the block or vote that a signature is asked for.
    pub(crate) fn vote(&self) -> Option<(&'static str, u32)> {
        self.position.map(|position| (position.kind.name(), u32::from(position.level)))
    }

    fn to_http(&self) -> Result<Request<Full<Bytes>>, HttpError> {
        let mut request = Request::new(Full::new(self.body.clone()));
        let uri = self.path_and_query.parse();
        *request.uri_mut() = uri.map_err(|_| HttpError("the path is no path".to_owned()))?;
        *request.method_mut() = self.method.clone();
        let headers = request.headers_mut();
        headers.insert(HOST, SIGNER);
        if self.is_to_sign() {
            headers.insert(ACCEPT, JSON);
            headers.insert(CONTENT_TYPE, JSON);
        } else {
            headers.insert(ACCEPT, ANYTHING);
        }
        Ok(request)
    }
}

impl SignerResponse {
    pub(crate) fn is_ok(&self) -> bool {
        self.status == StatusCode::OK
    }

    /// What the signer says; none when it is no answer of octez's.
    pub(crate) fn parse(&self) -> Option<Answer> {
        Answer::parse(self.status, &self.body)
    }

    pub(crate) fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        if let Some(content_type) = self.content_type {
            response.headers_mut().insert(CONTENT_TYPE, content_type);
        }
        response
    }
}

impl Connection {
    pub(crate) async fn new(stream: Stream) -> Result<Connection, HttpError> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = Box::pin(connection);
        Ok(Connection { sender, connection, is_closed: false, idle_since: Instant::now() })
    }

    /// Sends a request, and gives the response. Another one may be sent if [`Connection::is_reusable`].
    pub(crate) async fn send(
        &mut self,
        request: &SignerRequest,
    ) -> Result<SignerResponse, HttpError> {
        let request = request.to_http()?;
        let Connection { sender, connection, is_closed, .. } = self;
        let answer = async {
            sender.ready().await?;
            let response = sender.send_request(request).await?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, MAX_RESPONSE).collect().await;
            let body = body.map_err(|error| HttpError(error.to_string()))?.to_bytes();
            let content_type = parts.headers.get(CONTENT_TYPE).cloned();
            let took = timing::read(&parts.headers);
            Ok(SignerResponse { status: parts.status, content_type, took, body })
        };
        tokio::pin!(answer);
        let answered = tokio::select! {
            biased;
            answered = &mut answer => answered,
            // The signer closes after its response: what came is still there.
            _ = connection.as_mut(), if !*is_closed => {
                *is_closed = true;
                answer.await
            }
        };
        self.idle_since = Instant::now();
        answered
    }

    /// Whether another request can be sent: the signer has not closed, as far as is known.
    pub(crate) async fn is_reusable(&mut self) -> bool {
        tokio::select! {
            biased;
            () = self.closed() => false,
            () = std::future::ready(()) => !self.sender.is_closed(),
        }
    }

    /// Returns when the signer closes.
    pub(crate) async fn closed(&mut self) {
        if !self.is_closed {
            // Closed, with an error or without.
            let _ = self.connection.as_mut().await;
            self.is_closed = true;
        }
    }
}

impl From<hyper::Error> for HttpError {
    fn from(error: hyper::Error) -> HttpError {
        HttpError(error.to_string())
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection, idle since {:?}", self.idle_since)
    }
}
