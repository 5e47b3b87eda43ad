//! Asking another signer, the way octez asks.
//!
//! A new connection for each request and a chunked body, so that a signer that answers Peel
//! answers a stock baker, too. Nothing is asked again here: the caller knows what a repeat may cost.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited, StreamBody, combinators::BoxBody};
use hyper::body::Frame;
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use shares::PartialSignature;
use tezos::{PublicKey, PublicKeyHash, Signature};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::answer::read_share;
use crate::call::signing_body;
use crate::media::Media;

/// Where another signer listens: `http://HOST:PORT`, and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignerUrl {
    /// `HOST:PORT`.
    authority: String,
    /// What stands before `/keys`, without a slash at its end.
    prefix: String,
    /// Which of its keys.
    pub key: PublicKeyHash,
}

/// A text that names no key of another signer.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{text:?} is no signer's key: {why}; write http://HOST:PORT/tz…")]
pub struct SignerUrlError {
    text: String,
    why: &'static str,
}

/// Why another signer gave no result.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ClientError {
    /// *Failed*: it was not reached; it has seen nothing of the request.
    #[error("the signer at {at} cannot be reached: {why}")]
    Unreachable {
        /// Its address.
        at: String,
        /// Why.
        why: String,
    },
    /// *Failed*: the connection broke, or no answer came in time. It may have done its work.
    #[error("the signer at {at} did not answer: {why}")]
    NoAnswer {
        /// Its address.
        at: String,
        /// Why.
        why: String,
    },
    /// *Failed*: it says "ask again".
    #[error("the signer at {at} has nobody to ask: {message}")]
    AskAgain {
        /// Its address.
        at: String,
        /// What it says.
        message: String,
    },
    /// *Refused*, or failed on its side for good.
    #[error("the signer at {at} says {status}: {message}")]
    Answer {
        /// Its address.
        at: String,
        /// The HTTP status.
        status: u16,
        /// What it says.
        message: String,
    },
    /// *Failed*: its answer is not the protocol's.
    #[error("the answer of the signer at {at} makes no sense")]
    Nonsense {
        /// Its address.
        at: String,
    },
}

/// More than any answer of the protocol has.
const MAX_ANSWER: usize = 64 * 1024;

impl FromStr for SignerUrl {
    type Err = SignerUrlError;

    fn from_str(text: &str) -> Result<SignerUrl, SignerUrlError> {
        let error = |why| SignerUrlError { text: text.to_owned(), why };
        let rest = text.strip_prefix("http://").ok_or_else(|| error("it is not http://"))?;
        let (place, key) = rest.rsplit_once('/').ok_or_else(|| error("it has no key"))?;
        let key = key.parse().map_err(|_| error("what follows the last slash is no key hash"))?;
        let (authority, prefix) = place.split_once('/').unwrap_or((place, ""));
        if authority.is_empty() {
            return Err(error("it has no host"));
        }
        if authority.contains('@') {
            let text = "http://…@…".to_owned();
            return Err(SignerUrlError { text, why: "user and password are not sent" });
        }
        let port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let authority = if port { authority.to_owned() } else { format!("{authority}:80") };
        let prefix = if prefix.is_empty() { String::new() } else { format!("/{prefix}") };
        Ok(SignerUrl { authority, prefix, key })
    }
}

impl fmt::Display for SignerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}/{}", self.authority, self.prefix, self.key)
    }
}

impl SignerUrl {
    /// Whether it answers, and whether it wants requests to be authenticated.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn wants_authentication(&self, limit: Duration) -> Result<bool, ClientError> {
        let answer = self.get("/authorized_keys", limit).await?;
        Ok(answer.get("authorized_keys").is_some())
    }

    /// Its public key.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn public_key(&self, limit: Duration) -> Result<PublicKey, ClientError> {
        let answer = self.get(&format!("/keys/{}", self.key), limit).await?;
        self.field(&answer, "public_key")
    }

    /// Its signature for `data`, as signature version 3.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn sign(&self, data: &[u8], limit: Duration) -> Result<Signature, ClientError> {
        let answer = self.post(&format!("/keys/{}?version=3", self.key), data, limit).await?;
        self.field(&answer, "signature")
    }

    /// What its share of the key makes of `data`, as signature version 3.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn sign_share(
        &self,
        data: &[u8],
        limit: Duration,
    ) -> Result<PartialSignature, ClientError> {
        let answer = self.post(&format!("/shares/{}?version=3", self.key), data, limit).await?;
        read_share(&answer).ok_or_else(|| ClientError::Nonsense { at: self.authority.clone() })
    }

    async fn post(&self, path: &str, data: &[u8], limit: Duration) -> Result<Value, ClientError> {
        let body = Bytes::from(signing_body(data));
        let frames = [Ok::<_, Infallible>(Frame::data(body))];
        let chunked = BodyExt::boxed(StreamBody::new(Once(frames.into_iter())));
        self.ask(Method::POST, path, chunked, limit).await
    }

    async fn get(&self, path: &str, limit: Duration) -> Result<Value, ClientError> {
        self.ask(Method::GET, path, Empty::new().boxed(), limit).await
    }

    fn field<T: FromStr>(&self, answer: &Value, name: &str) -> Result<T, ClientError> {
        let text = answer.get(name).and_then(Value::as_str);
        let nonsense = || ClientError::Nonsense { at: self.authority.clone() };
        text.and_then(|text| text.parse().ok()).ok_or_else(nonsense)
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: BoxBody<Bytes, Infallible>,
        limit: Duration,
    ) -> Result<Value, ClientError> {
        let at = || self.authority.clone();
        let end = Instant::now() + limit;
        let stream = timeout_at(end, TcpStream::connect(&self.authority))
            .await
            .map_err(|_| ClientError::Unreachable {
                at: at(),
                why: "no connection in time".into(),
            })?
            .map_err(|error| ClientError::Unreachable { at: at(), why: error.to_string() })?;
        let (status, body) = timeout_at(end, self.exchange(stream, method, path, body))
            .await
            .map_err(|_| ClientError::NoAnswer {
                at: at(),
                why: format!("{:.1} s have passed", limit.as_secs_f64()),
            })?
            .map_err(|why| ClientError::NoAnswer { at: at(), why })?;
        match status {
            StatusCode::OK => {
                serde_json::from_slice(&body).map_err(|_| ClientError::Nonsense { at: at() })
            }
            StatusCode::BAD_GATEWAY => {
                Err(ClientError::AskAgain { at: at(), message: message(&body) })
            }
            status => Err(ClientError::Answer {
                at: at(),
                status: status.as_u16(),
                message: message(&body),
            }),
        }
    }

    async fn exchange(
        &self,
        stream: TcpStream,
        method: Method,
        path: &str,
        body: BoxBody<Bytes, Infallible>,
    ) -> Result<(StatusCode, Bytes), String> {
        let text = |error: hyper::Error| error.to_string();
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let io = TokioIo::new(stream);
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(io).await.map_err(text)?;
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.prefix))
            .header(HOST, &self.authority)
            .header(ACCEPT, Media::Json.name())
            .header(CONTENT_TYPE, Media::Json.name())
            .body(body)
            .map_err(|error| error.to_string())?;
        let answer = async {
            let response = sender.send_request(request).await.map_err(text)?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
            Ok((status, body.map_err(|error| error.to_string())?.to_bytes()))
        };
        tokio::pin!(connection, answer);
        tokio::select! {
            answer = &mut answer => answer,
            driven = &mut connection => {
                driven.map_err(text)?;
                answer.await
            }
        }
    }
}

/// The message in octez's error list, or the text as it is; on one line, and not long: it goes into a log.
fn message(body: &[u8]) -> String {
    let errors: Option<Value> = serde_json::from_slice(body).ok();
    let first = errors.as_ref().and_then(|errors| errors.get(0)?.get("msg")?.as_str());
    let text = first.map_or_else(|| String::from_utf8_lossy(body), Cow::Borrowed);
    let mut line = String::new();
    for letter in text.chars().take(LONGEST_MESSAGE) {
        match letter {
            '"' | '\'' => line.push(letter),
            _ => line.extend(letter.escape_debug()),
        }
    }
    line
}

/// Characters.
const LONGEST_MESSAGE: usize = 200;

/// A body in one piece of unknown length, hence chunked.
struct Once<I>(I);

impl<I: Iterator + Unpin> futures_core::Stream for Once<I> {
    type Item = I::Item;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<I::Item>> {
        std::task::Poll::Ready(self.0.next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_signer_says_stays_on_its_line_of_the_log() {
        let forged = "no\n2026-11-21 INFO signed level=7\x1b[2K";
        for body in [forged.to_owned(), serde_json::json!([{ "msg": forged }]).to_string()] {
            assert_eq!(message(body.as_bytes()), "no\\n2026-11-21 INFO signed level=7\\u{1b}[2K");
        }
        assert_eq!(message("x".repeat(10_000).as_bytes()).len(), LONGEST_MESSAGE);
    }
}
