//! What a request asks for.

use std::borrow::Cow;
use std::fmt::Display;

use hyper::{Method, Uri};
use percent_encoding::percent_decode_str;
use tezos::{BlsScheme, Curve, PublicKey, PublicKeyHash, Signature};
use thiserror::Error;

use crate::bson;
use crate::media::Media;

/// A request line that means something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// `GET /authorized_keys`: the keys that may ask.
    AuthorizedKeys,
    /// `GET /known_keys`: which keys there are.
    KnownKeys,
    /// `GET /keys/<pkh>`: a public key.
    PublicKey(PublicKeyHash),
    /// `POST /keys/<pkh>`: a signature.
    Sign {
        /// By which key.
        key: PublicKeyHash,
        /// In which form.
        version: SignatureVersion,
        /// Proof that the client may ask.
        authentication: Option<Signature>,
    },
    /// `GET /bls_prove_possession/<pkh>`.
    ProvePossession {
        /// Of which key.
        key: PublicKeyHash,
        /// Another public key to sign instead of one's own.
        over: Option<PublicKey>,
    },
    /// `POST /shares/<pkh>`, ours: what this signer's share of a key makes of the bytes.
    SignShare {
        /// Of which key.
        key: PublicKeyHash,
        /// In which form.
        version: SignatureVersion,
        /// Proof that the client may ask.
        authentication: Option<Signature>,
    },
    /// `GET /shares/<pkh>`, ours: what this signer's share of a key makes of the proof of possession.
    ProveSharePossession(PublicKeyHash),
    /// `GET /statusz/<pkh>`, ours: can that key sign now?
    Status(PublicKeyHash),
    /// `GET /healthz`, ours: metrics.
    Health,
    /// `GET /marks`, ours, through the tunnel only: up to where everything is signed or closed.
    Marks,
    /// `GET /status`, ours, through the tunnel only: facts.
    Report,
    /// `OPTIONS` of a path that exists.
    Options(&'static [&'static str]),
}

/// The form of a signature that is asked for. It matters for tz4 only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SignatureVersion {
    /// Before tz4 existed.
    V0,
    /// tz4 with message augmentation: protocols up to 022.
    V1,
    /// tz4 with proof of possession: protocols 023 and 024.
    V2,
    /// The same, and tz5: protocol 025.
    #[default]
    V3,
}

/// A request line that means nothing here. Always *misused*.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CallError {
    /// No such path.
    #[error("not found")]
    NotFound,
    /// A path that exists, with another method.
    #[error("method not allowed")]
    Method(&'static [&'static str]),
    /// `HEAD`, which octez does not do.
    #[error("not implemented")]
    Head,
    /// A part of the path does not parse.
    #[error("Failed to parse an argument in path: {0}")]
    Path(String),
    /// An argument of the query does not parse.
    #[error("Failed to parse the query string: {0}")]
    Query(String),
    /// The body does not parse.
    #[error("Failed to parse the request body: {0}")]
    Body(String),
}

impl SignatureVersion {
    fn parse(text: &str) -> Option<SignatureVersion> {
        match text.as_bytes() {
            [digit @ b'0'..=b'9'] => SignatureVersion::from_number(digit - b'0'),
            _ => None,
        }
    }

    pub(crate) fn from_number(number: u8) -> Option<SignatureVersion> {
        match number {
            0 => Some(SignatureVersion::V0),
            1 => Some(SignatureVersion::V1),
            2 => Some(SignatureVersion::V2),
            3 => Some(SignatureVersion::V3),
            _ => None,
        }
    }

    /// How a key of this curve signs in this version; none when there is no such form.
    #[must_use]
    pub fn scheme(self, curve: Curve) -> Option<BlsScheme> {
        match (self, curve) {
            (SignatureVersion::V0, Curve::Bls) => None,
            (SignatureVersion::V1, Curve::Bls) => Some(BlsScheme::MessageAugmentation),
            _ => Some(BlsScheme::ProofOfPossession),
        }
    }
}

const GET: &[&str] = &["GET"];
const GET_AND_POST: &[&str] = &["POST", "GET"];

impl Call {
    /// Reads method, path and query. Unknown query arguments are passed over, as octez does.
    ///
    /// # Errors
    /// With octez's answer to what it does not understand.
    pub fn parse(method: &Method, uri: &Uri) -> Result<Call, CallError> {
        if method == Method::HEAD {
            return Err(CallError::Head);
        }
        let path = decode_segments(uri.path())?;
        let path: Vec<&str> = path.iter().map(AsRef::as_ref).collect();
        let allowed = methods(&path).ok_or(CallError::NotFound)?;
        if method == Method::OPTIONS {
            return Ok(Call::Options(allowed));
        }
        if !allowed.contains(&method.as_str()) {
            return Err(CallError::Method(allowed));
        }
        let query = Query(uri.query().unwrap_or_default());
        match path.as_slice() {
            ["authorized_keys"] => Ok(Call::AuthorizedKeys),
            ["known_keys"] => Ok(Call::KnownKeys),
            ["healthz"] => Ok(Call::Health),
            ["marks"] => Ok(Call::Marks),
            ["status"] => Ok(Call::Report),
            ["statusz", key] => Ok(Call::Status(parse_key(key)?)),
            ["keys", key] if method == Method::GET => Ok(Call::PublicKey(parse_key(key)?)),
            ["keys", key] => {
                let (version, authentication) = signing_arguments(&query)?;
                Ok(Call::Sign { key: parse_key(key)?, version, authentication })
            }
            ["shares", key] if method == Method::GET => {
                Ok(Call::ProveSharePossession(parse_key(key)?))
            }
            ["shares", key] => {
                let (version, authentication) = signing_arguments(&query)?;
                Ok(Call::SignShare { key: parse_key(key)?, version, authentication })
            }
            ["bls_prove_possession", key] => Ok(Call::ProvePossession {
                key: parse_key(key)?,
                over: query.parse("bls_pk", |text| text.parse().ok())?,
            }),
            _ => Err(CallError::NotFound),
        }
    }
}

fn signing_arguments(
    query: &Query<'_>,
) -> Result<(SignatureVersion, Option<Signature>), CallError> {
    let version = query.parse("version", SignatureVersion::parse)?.unwrap_or_default();
    let authentication = query.parse("authentication", |text| text.parse().ok())?;
    Ok((version, authentication))
}

fn decode_segments(path: &str) -> Result<Vec<Cow<'_, str>>, CallError> {
    path.split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| percent_decode_str(segment).decode_utf8())
        .collect::<Result<_, _>>()
        .map_err(|_| CallError::Path("it is not UTF-8".to_owned()))
}

fn methods(path: &[&str]) -> Option<&'static [&'static str]> {
    match path {
        ["authorized_keys" | "known_keys" | "healthz" | "marks" | "status"]
        | ["statusz" | "bls_prove_possession", _] => Some(GET),
        ["keys" | "shares", _] => Some(GET_AND_POST),
        _ => None,
    }
}

fn parse_key(text: &str) -> Result<PublicKeyHash, CallError> {
    text.parse().map_err(|error| CallError::Path(format!("{error}")))
}

struct Query<'a>(&'a str);

impl Query<'_> {
    /// The first argument of this name, parsed.
    fn parse<T>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, CallError> {
        let arguments = self.0.split('&').map(|part| part.split_once('=').unwrap_or((part, "")));
        let Some((_, value)) = arguments.into_iter().find(|(own, _)| *own == name) else {
            return Ok(None);
        };
        let value = percent_decode_str(value).decode_utf8_lossy();
        let failed = || CallError::Query(format!("Failed to parse argument '{name}' ({value:?})"));
        parse(&value).map(Some).ok_or_else(failed)
    }
}

/// The bytes to sign, from the body of a signing request: hex digits in a string, or the bytes behind their length.
///
/// # Errors
/// When it is anything else.
pub fn parse_signing_body(media: Media, body: &[u8]) -> Result<Vec<u8>, CallError> {
    let malformed = |why: &dyn Display| CallError::Body(why.to_string());
    let hex: String = match media {
        Media::Json => serde_json::from_slice(body).map_err(|error| malformed(&error))?,
        Media::Bson => {
            let text = bson::read_string(body);
            text.ok_or_else(|| malformed(&"it is no BSON string"))?.to_owned()
        }
        Media::OctetStream => {
            let data = after_length(body).and_then(after_length);
            return data.map(<[u8]>::to_vec).ok_or_else(|| malformed(&"its lengths are wrong"));
        }
    };
    hex::decode(&hex).map_err(|error| malformed(&error))
}

/// The body of a request for a signature of `data`, in JSON.
#[must_use]
pub fn signing_body(data: &[u8]) -> String {
    format!("\"{}\"\n", hex::encode(data))
}

/// What stands behind a length of four bytes, if it is so long.
fn after_length(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first_chunk()?;
    (usize::try_from(u32::from_be_bytes(*length)) == Ok(rest.len())).then_some(rest)
}
