//! A public key's hash: the address a baker is known by.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::Curve;
use crate::base58::{self, Base58Error};
use crate::digest::blake2b_160;

/// `tz1…` to `tz5…`: the curve, and BLAKE2b-160 of the raw public key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKeyHash {
    curve: Curve,
    hash: [u8; 20],
}

/// A text that is no public key hash.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{text:?} is no public key hash: {cause}")]
pub struct KeyHashError {
    text: String,
    cause: Base58Error,
}

/// No curve has this tag.
#[derive(Debug, Clone, Copy, Error, PartialEq, Eq)]
#[error("no curve has the tag {0}")]
pub struct UnknownTag(u8);

impl PublicKeyHash {
    /// Of the raw bytes of a public key.
    pub(crate) fn of_key(curve: Curve, bytes: &[u8]) -> PublicKeyHash {
        PublicKeyHash { curve, hash: blake2b_160(bytes) }
    }

    /// The curve of the key.
    #[must_use]
    pub fn curve(&self) -> Curve {
        self.curve
    }

    /// The binary form: the curve's tag, then the 20 bytes of the hash.
    #[must_use]
    pub fn tagged_bytes(&self) -> [u8; 21] {
        let mut bytes = [0; 21];
        let [tag, hash @ ..] = &mut bytes;
        *tag = self.curve.tag();
        *hash = self.hash;
        bytes
    }
}

impl TryFrom<[u8; 21]> for PublicKeyHash {
    type Error = UnknownTag;

    /// From the binary form.
    fn try_from([tag, hash @ ..]: [u8; 21]) -> Result<PublicKeyHash, UnknownTag> {
        Curve::from_tag(tag).map(|curve| PublicKeyHash { curve, hash }).ok_or(UnknownTag(tag))
    }
}

impl FromStr for PublicKeyHash {
    type Err = KeyHashError;

    fn from_str(text: &str) -> Result<PublicKeyHash, KeyHashError> {
        let error = |cause| KeyHashError { text: text.to_owned(), cause };
        let (at, bytes) =
            base58::decode(text, &Curve::ALL.map(Curve::hash_prefix)).map_err(error)?;
        let curve = Curve::ALL.get(at).copied().ok_or_else(|| error(Base58Error::Alphabet))?;
        let hash = bytes.as_slice().try_into().map_err(|_| error(Base58Error::Alphabet))?;
        Ok(PublicKeyHash { curve, hash })
    }
}

impl fmt::Display for PublicKeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.curve.hash_prefix().encode(&self.hash))
    }
}

impl fmt::Debug for PublicKeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKeyHash({self})")
    }
}
