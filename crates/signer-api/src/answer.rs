//! Everything that is answered, and its HTTP status. No status is chosen anywhere else.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ACCESS_CONTROL_ALLOW_METHODS, ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};
use shares::{PartialSignature, ShareIndex};
use tezos::{PublicKey, PublicKeyHash, Signature};

use crate::bson;
use crate::call::CallError;
use crate::marks::Marks;
use crate::media::Media;
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
    /// A signature of one share of a key, or its part of a proof of possession.
    Share(PartialSignature),
    /// The key is not known, to a GET.
    UnknownKey,
    /// *Refused*, or *failed* for good: asking again does not help.
    Failure(String),
    /// *Failed*: the signer or its device was not reached, or cannot sign now, and nothing was signed. Ask again.
    AskAgain(String),
    /// *Misused*: the request line or body means nothing here.
    Misuse(CallError),
    /// *Refused*: a page in a browser asks, as it seems.
    Forbidden(OriginError),
    /// The body is none of the media types that are read.
    UnsupportedMedia,
    /// The client takes none of the media types that are written.
    NotAcceptable,
    /// The body is larger than any signing request.
    TooLarge,
    /// The body did not come in time.
    TooSlow,
    /// The key can sign now, or why not.
    Status(Result<String, String>),
    /// What a signer tells its gateway of its store.
    Marks(Marks),
    /// Metrics, in the text format of Prometheus; or *failed*: too many ask for them at once. Ask again.
    Metrics(Result<String, String>),
    /// What a signer tells its gateway of its health, in JSON.
    Report(String),
    /// What can be done with a path.
    Options(&'static [&'static str]),
}

const TEXT: &str = "text/plain";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

impl Answer {
    /// What a refusal or a failure says; none of any other answer.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        if let Answer::Failure(why) | Answer::AskAgain(why) = self { Some(why) } else { None }
    }

    /// The answer as it goes over the wire: values and errors as the client wants them, the rest as text.
    #[must_use]
    pub fn into_response(self, media: Media) -> Response<AnswerBody> {
        match &self {
            Answer::AuthorizedKeys(None) => self.value(media, &json!({})),
            Answer::AuthorizedKeys(Some(keys)) => {
                self.value(media, &json!({ "authorized_keys": texts(keys) }))
            }
            Answer::KnownKeys(keys) => self.value(media, &json!({ "known_keys": texts(keys) })),
            Answer::PublicKey(key) => self.value(media, &json!({ "public_key": key.to_string() })),
            Answer::Signature(made) => self.value(media, &json!({ "signature": made.to_string() })),
            Answer::Possession(made) => {
                self.value(media, &json!({ "bls_prove_possession": made.to_string() }))
            }
            Answer::Share(made) => {
                let (share, signature) = (made.index().number(), made.signature().to_string());
                self.value(Media::Json, &json!({ "share": share, "signature": signature }))
            }
            Answer::UnknownKey => body(StatusCode::NOT_FOUND, media.name(), Bytes::new()),
            Answer::Failure(why) => errors(StatusCode::INTERNAL_SERVER_ERROR, media, why),
            Answer::AskAgain(why) => errors(StatusCode::BAD_GATEWAY, media, why),
            Answer::Misuse(error) => misuse(error),
            Answer::Forbidden(error) => text(StatusCode::FORBIDDEN, format!("{error}\n")),
            Answer::UnsupportedMedia => {
                text(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("only {} is read\n", names()))
            }
            Answer::NotAcceptable => text(StatusCode::NOT_ACCEPTABLE, names()),
            Answer::TooLarge => text(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large\n"),
            Answer::TooSlow => text(StatusCode::REQUEST_TIMEOUT, "the body came too slowly\n"),
            Answer::Status(Ok(line)) => text(StatusCode::OK, format!("{line}\n")),
            Answer::Status(Err(line)) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{line}\n")),
            Answer::Marks(marks) => self.value(Media::Json, &marks.to_json()),
            Answer::Metrics(Ok(text)) => body(StatusCode::OK, PROMETHEUS, text.clone()),
            Answer::Metrics(Err(why)) => {
                let mut response = text(StatusCode::TOO_MANY_REQUESTS, format!("{why}\n"));
                set(&mut response, RETRY_AFTER, "1");
                response
            }
            Answer::Report(json) => body(StatusCode::OK, Media::Json.name(), json.clone()),
            Answer::Options(methods) => {
                let mut response = text(StatusCode::OK, "");
                set(&mut response, ACCESS_CONTROL_ALLOW_METHODS, &methods.join(", "));
                response
            }
        }
    }

    /// A value in the form that the client wants.
    fn value(&self, media: Media, value: &Value) -> Response<AnswerBody> {
        let bytes = match media {
            Media::Json => (value.to_string() + "\n").into_bytes(),
            Media::Bson => bson::to_bytes(value),
            Media::OctetStream => with_length(&self.octets().unwrap_or_default()),
        };
        body(StatusCode::OK, media.name(), bytes)
    }

    /// Octez's binary form of a value; for everything else, what a client is told where there is no HTTP status.
    pub(crate) fn octets(&self) -> Result<Vec<u8>, String> {
        match self {
            Answer::AuthorizedKeys(None) => Ok(vec![ABSENT]),
            Answer::AuthorizedKeys(Some(keys)) => Ok([&[PRESENT], list(keys).as_slice()].concat()),
            Answer::KnownKeys(keys) => Ok(list(keys)),
            Answer::PublicKey(key) => Ok(key.tagged_bytes()),
            Answer::Signature(made) | Answer::Possession(made) => Ok(made.bytes().to_vec()),
            Answer::Failure(why) | Answer::AskAgain(why) | Answer::Status(Err(why)) => {
                Err(why.clone())
            }
            Answer::UnknownKey => Err("this signer has no such key".to_owned()),
            Answer::Misuse(error) => Err(error.to_string()),
            Answer::Forbidden(error) => Err(error.to_string()),
            Answer::UnsupportedMedia
            | Answer::NotAcceptable
            | Answer::TooLarge
            | Answer::TooSlow
            | Answer::Share(_)
            | Answer::Status(Ok(_))
            | Answer::Marks(_)
            | Answer::Metrics(_)
            | Answer::Report(_)
            | Answer::Options(_) => Err("this is answered over HTTP only".to_owned()),
        }
    }

    /// Reads what a signer has answered in JSON; none when it is something else. The message of an error stays whole.
    #[must_use]
    pub fn parse(status: StatusCode, body: &[u8]) -> Option<Answer> {
        let value: Value = serde_json::from_slice(body).ok()?;
        let message = || Some(value.get(0)?.get("msg")?.as_str()?.to_owned());
        let member = |name| value.get(name)?.as_str();
        let keys = |name| {
            let texts = value.get(name)?.as_array()?.iter();
            texts.map(|text| text.as_str()?.parse().ok()).collect::<Option<Vec<PublicKeyHash>>>()
        };
        match status {
            StatusCode::INTERNAL_SERVER_ERROR => message().map(Answer::Failure),
            StatusCode::BAD_GATEWAY => message().map(Answer::AskAgain),
            StatusCode::OK if value == json!({}) => Some(Answer::AuthorizedKeys(None)),
            StatusCode::OK if value.get("share").is_some() => read_share(&value).map(Answer::Share),
            StatusCode::OK => None
                .or_else(|| Some(Answer::Signature(member("signature")?.parse().ok()?)))
                .or_else(|| Some(Answer::PublicKey(member("public_key")?.parse().ok()?)))
                .or_else(|| Some(Answer::Possession(member("bls_prove_possession")?.parse().ok()?)))
                .or_else(|| Some(Answer::AuthorizedKeys(Some(keys("authorized_keys")?))))
                .or_else(|| Some(Answer::KnownKeys(keys("known_keys")?))),
            _ => None,
        }
    }
}

/// A share's part of a signature, as [`Answer::Share`] is written.
pub(crate) fn read_share(value: &Value) -> Option<PartialSignature> {
    let index = u8::try_from(value.get("share")?.as_u64()?).ok()?;
    let signature = value.get("signature")?.as_str()?.parse().ok()?;
    Some(PartialSignature::new(ShareIndex::new(index).ok()?, signature))
}

fn misuse(error: &CallError) -> Response<AnswerBody> {
    match error {
        CallError::NotFound => text(StatusCode::NOT_FOUND, ""),
        CallError::Head => text(StatusCode::NOT_IMPLEMENTED, ""),
        CallError::Method(allowed) => {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "");
            set(&mut response, ALLOW, &allowed.join(", "));
            response
        }
        CallError::Path(_) | CallError::Query(_) | CallError::Body(_) => {
            text(StatusCode::BAD_REQUEST, error.to_string())
        }
    }
}

/// The error list of octez, with one error.
fn errors(status: StatusCode, media: Media, why: &str) -> Response<AnswerBody> {
    let list = || bson::list_of_one(&error_object(why));
    let bytes = match media {
        Media::Json => {
            let why = Value::from(why);
            let text = format!("[{{\"kind\":\"temporary\",\"id\":\"failure\",\"msg\":{why}}}]\n");
            text.into_bytes()
        }
        Media::Bson => list(),
        // Octez has no binary form of errors: it writes their BSON.
        Media::OctetStream => with_length(&with_length(&list())),
    };
    body(status, media.name(), bytes)
}

/// An error of octez in BSON.
pub(crate) fn error_object(why: &str) -> Vec<u8> {
    bson::object(&[("kind", "temporary"), ("id", "failure"), ("msg", why)])
}

/// Octez's tags of a field that may be missing.
pub(crate) const ABSENT: u8 = 0x00;
pub(crate) const PRESENT: u8 = 0xff;

fn texts(keys: &[PublicKeyHash]) -> Vec<String> {
    keys.iter().map(ToString::to_string).collect()
}

pub(crate) fn list(keys: &[PublicKeyHash]) -> Vec<u8> {
    with_length(&keys.iter().map(PublicKeyHash::tagged_bytes).collect::<Vec<_>>().concat())
}

pub(crate) fn with_length(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), bytes].concat()
}

fn names() -> String {
    Media::ALL.map(Media::name).join(", ")
}

fn text(status: StatusCode, text: impl Into<String>) -> Response<AnswerBody> {
    body(status, TEXT, text.into())
}

fn body(status: StatusCode, name: &'static str, bytes: impl Into<Bytes>) -> Response<AnswerBody> {
    let mut response = Response::new(Full::new(bytes.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(name));
    response
}

fn set(response: &mut Response<AnswerBody>, name: hyper::header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
