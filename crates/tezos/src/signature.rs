//! Signatures, and how BLS makes them.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::Curve;
use crate::base58::{self, Base58Error};

/// A signature: 64 bytes for tz1, tz2 and tz3 (r and s for the latter two), 96 for tz4, 2420 for tz5.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Signature {
    /// None for the `sig…` form, which leaves the curve open.
    curve: Option<Curve>,
    bytes: Box<[u8]>,
}

/// How a tz4 key signs; the version in a signing request chooses. Other keys know no such choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum BlsScheme {
    /// Proof of possession: the bytes themselves. Signature versions 2 and 3, and the default.
    #[default]
    ProofOfPossession,
    /// Message augmentation: the public key, then the bytes. Only signature version 1, of old protocols.
    MessageAugmentation,
}

/// A text that is no signature.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("no signature: {0}")]
pub struct SignatureError(Base58Error);

impl Signature {
    /// A signature of `curve`, if `bytes` has the length of one.
    #[must_use]
    pub fn new(curve: Curve, bytes: &[u8]) -> Option<Signature> {
        (bytes.len() == curve.signature_prefix().length)
            .then(|| Signature { curve: Some(curve), bytes: bytes.into() })
    }

    /// A signature of which only the length is known: 64 bytes leave the curve open.
    #[must_use]
    pub fn of_any_curve(bytes: &[u8]) -> Option<Signature> {
        if bytes.len() == base58::SIG.length {
            return Some(Signature { curve: None, bytes: bytes.into() });
        }
        [Curve::Bls, Curve::MlDsa44].into_iter().find_map(|curve| Signature::new(curve, bytes))
    }

    /// The raw bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether it can be a signature of `curve`.
    pub(crate) fn fits(&self, curve: Curve) -> bool {
        self.bytes.len() == curve.signature_prefix().length
            && self.curve.is_none_or(|own| own == curve)
    }

    /// The same bytes in the `sig…` form, which says nothing of the curve; tz1, tz2 and tz3 only.
    #[must_use]
    pub fn to_generic(&self) -> Option<String> {
        (self.bytes.len() == base58::SIG.length).then(|| base58::SIG.encode(&self.bytes))
    }
}

impl FromStr for Signature {
    type Err = SignatureError;

    fn from_str(text: &str) -> Result<Signature, SignatureError> {
        let [tz1, tz2, tz3, tz4, tz5] = Curve::ALL.map(Curve::signature_prefix);
        let prefixes = [tz1, tz2, tz3, tz4, tz5, &base58::SIG];
        let (at, bytes) = base58::decode(text, &prefixes).map_err(SignatureError)?;
        Ok(Signature { curve: Curve::ALL.get(at).copied(), bytes: bytes.as_slice().into() })
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = self.curve.map_or(&base58::SIG, Curve::signature_prefix);
        f.write_str(&prefix.encode(&self.bytes))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({self})")
    }
}
