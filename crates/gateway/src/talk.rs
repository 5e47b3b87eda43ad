//! HTTP with a signer, over one stream through the tunnel.
//!
//! Nobody else drives the stream: whoever asks drives it meanwhile, so that an answer wakes one task
//! and not three.

use std::fmt;
use std::pin::Pin;
use std::time::Instant;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tunnel::Stream;

use crate::witness::Asked;

/// A question to a signer. Asked several times it is still one question.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) method: Method,
    /// As the baker wrote it.
    pub(crate) path_and_query: String,
    pub(crate) body: Bytes,
    /// Where in the chain a signature is asked for; none for anything else.
    pub(crate) asked: Option<Asked>,
}

/// A signer's answer, as it came.
#[derive(Debug, Clone)]
pub(crate) struct Relayed {
    pub(crate) status: StatusCode,
    pub(crate) content_type: Option<HeaderValue>,
    pub(crate) body: Bytes,
}

/// A conversation that can take a question now.
pub(crate) struct Talk {
    sender: SendRequest<Full<Bytes>>,
    connection: Pin<Box<http1::Connection<TokioIo<Stream>, Full<Bytes>>>>,
    /// The other side has closed; the connection must not be polled again.
    is_over: bool,
    pub(crate) rested_at: Instant,
}

/// The conversation broke, or what came is not HTTP. *Failed*.
#[derive(Debug, Error)]
#[error("{0}")]
pub(crate) struct Broken(pub(crate) String);

/// More than any answer has; metrics are the longest.
const MAX_ANSWER: usize = 1024 * 1024;
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const SIGNER: HeaderValue = HeaderValue::from_static("signer");
const ANYTHING: HeaderValue = HeaderValue::from_static("*/*");

impl Question {
    pub(crate) fn get(path: &str) -> Question {
        let (path_and_query, body) = (path.to_owned(), Bytes::new());
        Question { method: Method::GET, path_and_query, body, asked: None }
    }

    fn request(&self) -> Result<Request<Full<Bytes>>, Broken> {
        let mut request = Request::new(Full::new(self.body.clone()));
        let uri = self.path_and_query.parse();
        *request.uri_mut() = uri.map_err(|_| Broken("the path is no path".to_owned()))?;
        *request.method_mut() = self.method.clone();
        let headers = request.headers_mut();
        headers.insert(HOST, SIGNER);
        if self.method == Method::POST {
            headers.insert(ACCEPT, JSON);
            headers.insert(CONTENT_TYPE, JSON);
        } else {
            headers.insert(ACCEPT, ANYTHING);
        }
        Ok(request)
    }
}

impl Relayed {
    pub(crate) fn is_ok(&self) -> bool {
        self.status == StatusCode::OK
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

impl Talk {
    pub(crate) async fn begin(stream: Stream) -> Result<Talk, Broken> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = Box::pin(connection);
        Ok(Talk { sender, connection, is_over: false, rested_at: Instant::now() })
    }

    /// Asks, and gives the answer; the conversation can go on when [`Talk::goes_on`] says so.
    pub(crate) async fn ask(&mut self, question: &Question) -> Result<Relayed, Broken> {
        let request = question.request()?;
        let Talk { sender, connection, is_over, .. } = self;
        let answer = async {
            sender.ready().await?;
            let response = sender.send_request(request).await?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await;
            let body = body.map_err(|error| Broken(error.to_string()))?.to_bytes();
            let content_type = parts.headers.get(CONTENT_TYPE).cloned();
            Ok(Relayed { status: parts.status, content_type, body })
        };
        tokio::pin!(answer);
        let answered = tokio::select! {
            biased;
            answered = &mut answer => answered,
            // The signer closes after its answer: what came is still there.
            _ = connection.as_mut(), if !*is_over => {
                *is_over = true;
                answer.await
            }
        };
        self.rested_at = Instant::now();
        answered
    }

    /// Whether another question can be asked: the other side has not closed, as far as can be seen.
    pub(crate) async fn goes_on(&mut self) -> bool {
        tokio::select! {
            biased;
            () = self.ends() => false,
            () = std::future::ready(()) => !self.sender.is_closed(),
        }
    }

    /// Returns when the other side closes.
    pub(crate) async fn ends(&mut self) {
        if !self.is_over {
            // However it ends, it is over.
            let _ = self.connection.as_mut().await;
            self.is_over = true;
        }
    }
}

impl From<hyper::Error> for Broken {
    fn from(error: hyper::Error) -> Broken {
        Broken(error.to_string())
    }
}

impl fmt::Debug for Talk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "talk that rests since {:?}", self.rested_at)
    }
}
