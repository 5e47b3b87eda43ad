//! Everything that is answered, and its HTTP status. No status is chosen anywhere else.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ACCESS_CONTROL_ALLOW_METHODS, ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};
use tezos::{PublicKey, PublicKeyHash, Signature};

use crate::call::CallError;
use crate::marks::Marks;
use crate::media::JSON;
use crate::origin::OriginError;

/// The body of an answer.
pub type AnswerBody = Full<Bytes>;

/// What a signer answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The hashes of the keys that may ask; none: no authentication.
    AuthorizedKeys(Option<Vec<PublicKeyHash>>),
    /// The keys that can sign.
    KnownKeys(Vec<PublicKeyHash>),
    /// A public key.
    PublicKey(PublicKey),
    /// A signature.
    Signature(Signature),
    /// A proof of possession.
    Possession(Signature),
    /// The key is not known, to a GET.
    UnknownKey,
    /// *Refused*, or *failed* for good: asking again does not help.
    Failure(String),
    /// *Failed*: the signer or its device was not reached, and nothing was signed or marked. Ask again.
    AskAgain(String),
    /// *Misused*: the request line or body means nothing here.
    Misuse(CallError),
    /// *Refused*: a page in a browser asks, as it seems.
    Forbidden(OriginError),
    /// The body is not JSON.
    UnsupportedMedia,
    /// The client takes no JSON.
    NotAcceptable,
    /// The body is larger than any signing request.
    TooLarge,
    /// The body did not come in time.
    TooSlow,
    /// The key can sign now, or why not.
    Status(Result<String, String>),
    /// What a signer tells its gateway of its store.
    Marks(Marks),
    /// Metrics, in the text format of Prometheus.
    Metrics(String),
    /// What can be done with a path.
    Options(&'static [&'static str]),
}

const TEXT: &str = "text/plain";
const PROMETHEUS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

impl Answer {
    /// The answer as it goes over the wire.
    #[must_use]
    pub fn into_response(self) -> Response<AnswerBody> {
        match self {
            Answer::AuthorizedKeys(None) => json_body(StatusCode::OK, &json!({})),
            Answer::AuthorizedKeys(Some(keys)) => {
                json_body(StatusCode::OK, &json!({ "authorized_keys": texts(&keys) }))
            }
            Answer::KnownKeys(keys) => {
                json_body(StatusCode::OK, &json!({ "known_keys": texts(&keys) }))
            }
            Answer::PublicKey(key) => {
                json_body(StatusCode::OK, &json!({ "public_key": key.to_string() }))
            }
            Answer::Signature(made) => {
                json_body(StatusCode::OK, &json!({ "signature": made.to_string() }))
            }
            Answer::Possession(made) => {
                json_body(StatusCode::OK, &json!({ "bls_prove_possession": made.to_string() }))
            }
            Answer::UnknownKey => body(StatusCode::NOT_FOUND, JSON, String::new()),
            Answer::Failure(why) => errors(StatusCode::INTERNAL_SERVER_ERROR, &why),
            Answer::AskAgain(why) => errors(StatusCode::BAD_GATEWAY, &why),
            Answer::Misuse(error) => misuse(&error),
            Answer::Forbidden(error) => body(StatusCode::FORBIDDEN, TEXT, format!("{error}\n")),
            Answer::UnsupportedMedia => {
                body(StatusCode::UNSUPPORTED_MEDIA_TYPE, TEXT, format!("only {JSON} is read\n"))
            }
            Answer::NotAcceptable => body(StatusCode::NOT_ACCEPTABLE, TEXT, JSON.to_owned()),
            Answer::TooLarge => {
                body(StatusCode::PAYLOAD_TOO_LARGE, TEXT, "the body is too large\n".to_owned())
            }
            Answer::TooSlow => {
                body(StatusCode::REQUEST_TIMEOUT, TEXT, "the body came too slowly\n".to_owned())
            }
            Answer::Status(Ok(line)) => body(StatusCode::OK, TEXT, line + "\n"),
            Answer::Status(Err(line)) => body(StatusCode::SERVICE_UNAVAILABLE, TEXT, line + "\n"),
            Answer::Marks(marks) => json_body(StatusCode::OK, &marks.to_json()),
            Answer::Metrics(text) => body(StatusCode::OK, PROMETHEUS, text),
            Answer::Options(methods) => {
                let mut response = body(StatusCode::OK, TEXT, String::new());
                set(&mut response, ACCESS_CONTROL_ALLOW_METHODS, &methods.join(", "));
                response
            }
        }
    }
}

fn misuse(error: &CallError) -> Response<AnswerBody> {
    match error {
        CallError::NotFound => body(StatusCode::NOT_FOUND, TEXT, String::new()),
        CallError::Head => body(StatusCode::NOT_IMPLEMENTED, TEXT, String::new()),
        CallError::Method(allowed) => {
            let mut response = body(StatusCode::METHOD_NOT_ALLOWED, TEXT, String::new());
            set(&mut response, ALLOW, &allowed.join(", "));
            response
        }
        CallError::Path(_) | CallError::Query(_) | CallError::Body(_) => {
            body(StatusCode::BAD_REQUEST, TEXT, error.to_string())
        }
    }
}

/// The error list of octez, with one error.
fn errors(status: StatusCode, why: &str) -> Response<AnswerBody> {
    let why = Value::from(why);
    let text = format!("[{{\"kind\":\"temporary\",\"id\":\"failure\",\"msg\":{why}}}]\n");
    body(status, JSON, text)
}

fn texts(keys: &[PublicKeyHash]) -> Vec<String> {
    keys.iter().map(ToString::to_string).collect()
}

fn json_body(status: StatusCode, value: &Value) -> Response<AnswerBody> {
    body(status, JSON, value.to_string() + "\n")
}

fn body(status: StatusCode, media: &'static str, text: String) -> Response<AnswerBody> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    response
}

fn set(response: &mut Response<AnswerBody>, name: hyper::header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
