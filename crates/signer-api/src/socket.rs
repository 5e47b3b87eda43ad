//! The binary protocol, as octez-signer speaks it over tcp and unix sockets: one request in a message, one answer.
//!
//! Messages come in frames of two bytes of length; that is not done here. Source: octez
//! `src/lib_signer_services/signer_messages.ml`, `src/bin_signer/socket_daemon.ml`.

use tezos::{Curve, PublicKey, PublicKeyHash, Signature};
use thiserror::Error;

use crate::answer::{ABSENT, Answer, PRESENT, error_object, list, with_length};
use crate::call::SignatureVersion;

/// A request that means something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SocketRequest {
    /// A signature.
    Sign {
        /// In which form.
        version: SignatureVersion,
        /// By which key, of what, and who asks.
        question: Question,
    },
    /// A public key.
    PublicKey(PublicKeyHash),
    /// The keys that may ask.
    AuthorizedKeys,
    /// The seed nonce that a key derives from data.
    Nonce(Question),
    /// Its hash.
    NonceHash(Question),
    /// Whether a key derives nonces.
    SupportsNonces(PublicKeyHash),
    /// Which keys there are.
    KnownKeys,
    /// A proof of possession.
    ProvePossession {
        /// Of which key.
        key: PublicKeyHash,
        /// Another public key to sign instead of one's own.
        over: Option<PublicKey>,
    },
}

/// What a key is asked to make something of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The key.
    pub key: PublicKeyHash,
    /// The bytes.
    pub data: Vec<u8>,
    /// Proof that the client may ask.
    pub authentication: Option<Signature>,
}

/// An answer over a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SocketAnswer {
    /// One that there is over HTTP, too.
    Plain(Answer),
    /// A nonce or its hash.
    Nonce([u8; 32]),
    /// Whether a key derives nonces.
    SupportsNonces(bool),
}

/// A message that is no request. Always *misused*.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("no request: {0}")]
pub struct SocketRequestError(&'static str);

const SIGN: u8 = 0;
const PUBLIC_KEY: u8 = 1;
const AUTHORIZED_KEYS: u8 = 2;
const NONCE: u8 = 3;
const NONCE_HASH: u8 = 4;
const SUPPORTS_NONCES: u8 = 5;
const KNOWN_KEYS: u8 = 6;
const PROVE_POSSESSION: u8 = 7;

/// Before the hash of a tz4 key in a signing request, which names the version behind it.
const WITH_VERSION: u8 = 3;
/// The case of authorised keys, beside "no authentication".
const SOME_KEYS: u8 = 0x01;
const DONE: u8 = 0x00;
const FAILED: u8 = 0x01;

impl SocketRequest {
    /// Reads a message to its last byte.
    ///
    /// # Errors
    /// When it is no request.
    pub fn parse(message: &[u8]) -> Result<SocketRequest, SocketRequestError> {
        let mut reader = Reader(message);
        let request = match reader.u8()? {
            SIGN => {
                let (key, version) = reader.signing_key()?;
                SocketRequest::Sign { version, question: reader.question(key)? }
            }
            PUBLIC_KEY => SocketRequest::PublicKey(reader.key()?),
            AUTHORIZED_KEYS => SocketRequest::AuthorizedKeys,
            NONCE => SocketRequest::Nonce(reader.key().and_then(|key| reader.question(key))?),
            NONCE_HASH => {
                SocketRequest::NonceHash(reader.key().and_then(|key| reader.question(key))?)
            }
            SUPPORTS_NONCES => SocketRequest::SupportsNonces(reader.key()?),
            KNOWN_KEYS => SocketRequest::KnownKeys,
            PROVE_POSSESSION => {
                SocketRequest::ProvePossession { key: reader.key()?, over: reader.other_key()? }
            }
            _ => return Err(SocketRequestError("its tag is unknown")),
        };
        if reader.0.is_empty() {
            Ok(request)
        } else {
            Err(SocketRequestError("there are bytes behind its end"))
        }
    }
}

impl SocketAnswer {
    /// An error with octez's own words for it, or ours.
    #[must_use]
    pub fn failure(why: String) -> SocketAnswer {
        SocketAnswer::Plain(Answer::Failure(why))
    }

    /// The message.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let value = match self {
            // Over HTTP it is a field that may be missing, here one of two cases.
            SocketAnswer::Plain(Answer::AuthorizedKeys(Some(keys))) => {
                Ok([&[SOME_KEYS], list(keys).as_slice()].concat())
            }
            SocketAnswer::Plain(answer) => answer.octets(),
            SocketAnswer::Nonce(nonce) => Ok(with_length(nonce)),
            SocketAnswer::SupportsNonces(true) => Ok(vec![PRESENT]),
            SocketAnswer::SupportsNonces(false) => Ok(vec![ABSENT]),
        };
        match value {
            Ok(value) => [&[DONE], value.as_slice()].concat(),
            Err(why) => {
                // A list of errors with one in it.
                let list = with_length(&with_length(&error_object(&why)));
                [&[FAILED], list.as_slice()].concat()
            }
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], SocketRequestError> {
        let (head, rest) = self.0.split_first_chunk().ok_or(SocketRequestError("it is cut off"))?;
        self.0 = rest;
        Ok(*head)
    }

    fn u8(&mut self) -> Result<u8, SocketRequestError> {
        self.array().map(u8::from_be_bytes)
    }

    /// A tagged hash.
    fn key(&mut self) -> Result<PublicKeyHash, SocketRequestError> {
        let key = PublicKeyHash::try_from(self.array::<21>()?);
        key.map_err(|_| SocketRequestError("it names a key of an unknown kind"))
    }

    /// tz4 with a version behind it. A tz5 key cannot be asked for a signature over a socket.
    fn signing_key(&mut self) -> Result<(PublicKeyHash, SignatureVersion), SocketRequestError> {
        if self.0.first() != Some(&WITH_VERSION) {
            let key = self.key()?;
            if key.curve() == Curve::MlDsa44 {
                return Err(SocketRequestError("it asks a tz5 key for a signature"));
            }
            return Ok((key, SignatureVersion::default()));
        }
        self.u8()?;
        let key = self.key()?;
        let version = SignatureVersion::from_number(self.u8()?);
        Ok((key, version.ok_or(SocketRequestError("its signature version is unknown"))?))
    }

    /// Data behind its length; what is left is the proof that the client may ask.
    fn question(&mut self, key: PublicKeyHash) -> Result<Question, SocketRequestError> {
        let length = usize::try_from(u32::from_be_bytes(self.array()?)).unwrap_or(usize::MAX);
        let parts = self.0.split_at_checked(length);
        let (data, rest) = parts.ok_or(SocketRequestError("its data is shorter than it says"))?;
        self.0 = &[];
        let authentication = match rest {
            [] => None,
            proof => Some(
                Signature::of_any_curve(proof)
                    .ok_or(SocketRequestError("what is behind its data is no signature"))?,
            ),
        };
        Ok(Question { key, data: data.to_vec(), authentication })
    }

    /// A tz4 public key without a tag, or none.
    fn other_key(&mut self) -> Result<Option<PublicKey>, SocketRequestError> {
        match self.u8()? {
            ABSENT => Ok(None),
            PRESENT => {
                let key = PublicKey::new(Curve::Bls, &self.array::<48>()?);
                key.map(Some).map_err(|_| SocketRequestError("the other key is no tz4 key"))
            }
            _ => Err(SocketRequestError("a presence byte is neither 00 nor ff")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request of each kind, as hex digits: octez's own bytes are compared in the signer's tests.
    const REQUESTS: [&str; 5] = [
        "000002298c03ed7d454a101eb7022bc95f7e5f41ac780000000413aabbcc",
        "000303394bc8a4eb6527f6d40f899b889ab0a37278d2aa030000000413aabbcc",
        "030002298c03ed7d454a101eb7022bc95f7e5f41ac7800000004000003e8",
        "0703394bc8a4eb6527f6d40f899b889ab0a37278d2aa00",
        "06",
    ];

    fn requests() -> impl Iterator<Item = Vec<u8>> {
        REQUESTS.iter().map(|text| hex::decode(text).unwrap())
    }

    #[test]
    fn what_is_cut_anywhere_or_goes_on_is_no_request() {
        for request in requests() {
            SocketRequest::parse(&request).unwrap();
            for end in 0..request.len() {
                SocketRequest::parse(request.get(..end).unwrap()).unwrap_err();
            }
            SocketRequest::parse(&[request.as_slice(), &[0]].concat()).unwrap_err();
        }
    }

    #[test]
    fn a_length_that_lies_is_no_request() {
        let sign = requests().next().unwrap();
        for length in [0_u32, 3, 5, 1 << 31, u32::MAX] {
            let mut lying = sign.clone();
            lying.splice(22..26, length.to_be_bytes());
            SocketRequest::parse(&lying).unwrap_err();
        }
    }
}
