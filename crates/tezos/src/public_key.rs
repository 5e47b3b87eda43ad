//! Public keys, and the verification of what they signed.

use std::fmt;
use std::str::FromStr;

use k256::ecdsa::signature::hazmat::PrehashVerifier;
use thiserror::Error;

use crate::base58::{self, Base58Error};
use crate::bls;
use crate::digest::blake2b_256;
use crate::{BlsScheme, Curve, PublicKeyHash, Signature};

/// A public key that is a point of its curve. 32 bytes (tz1), 33 compressed (tz2, tz3), 48
/// compressed (tz4), 1312 (tz5).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PublicKey {
    curve: Curve,
    bytes: Box<[u8]>,
}

/// What is no public key.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PublicKeyError {
    /// Not the text of one.
    #[error("no public key: {0}")]
    Text(#[from] Base58Error),
    /// Bytes of the wrong length, or no point of the curve's group.
    #[error("no public key: the bytes are no point on {0}")]
    NotOnCurve(Curve),
}

impl PublicKey {
    /// The key of these raw bytes; the point is checked.
    ///
    /// # Errors
    /// When the length is wrong or the bytes are no usable point.
    pub fn new(curve: Curve, bytes: &[u8]) -> Result<PublicKey, PublicKeyError> {
        let on_curve = bytes.len() == curve.public_key_prefix().length
            && match curve {
                Curve::Ed25519 => ed25519(bytes).is_some(),
                Curve::Secp256k1 => k256::ecdsa::VerifyingKey::from_sec1_bytes(bytes).is_ok(),
                Curve::P256 => p256::ecdsa::VerifyingKey::from_sec1_bytes(bytes).is_ok(),
                Curve::Bls => bls::is_public_key(bytes),
                Curve::MlDsa44 => true,
            };
        if on_curve {
            Ok(PublicKey { curve, bytes: bytes.into() })
        } else {
            Err(PublicKeyError::NotOnCurve(curve))
        }
    }

    /// The curve of the key.
    #[must_use]
    pub fn curve(&self) -> Curve {
        self.curve
    }

    /// The raw bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The binary form: the curve's tag, then the raw bytes.
    #[must_use]
    pub fn tagged_bytes(&self) -> Vec<u8> {
        [&[self.curve.tag()], self.bytes()].concat()
    }

    /// The hash that names this key.
    #[must_use]
    pub fn hash(&self) -> PublicKeyHash {
        PublicKeyHash::of_key(self.curve, &self.bytes)
    }

    /// Whether `signature` is this key's for `message` (the bytes before any hash). Of tz2 only low s
    /// counts, as in libsecp256k1. Signatures of tz5 are not verified here: never true.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &Signature, scheme: BlsScheme) -> bool {
        let bytes = signature.bytes();
        signature.fits(self.curve)
            && match self.curve {
                Curve::Ed25519 => self.verifies_ed25519(message, bytes),
                Curve::Secp256k1 => self.verifies_secp256k1(message, bytes),
                Curve::P256 => self.verifies_p256(message, bytes),
                Curve::Bls => bls::verify(&self.bytes, &self.bytes, message, bytes, scheme),
                Curve::MlDsa44 => false,
            }
    }

    fn verifies_ed25519(&self, message: &[u8], signature: &[u8]) -> bool {
        use ed25519_dalek::Verifier;
        let Ok(signature) = ed25519_dalek::Signature::from_slice(signature) else { return false };
        ed25519(&self.bytes)
            .is_some_and(|key| key.verify(&blake2b_256(message), &signature).is_ok())
    }

    fn verifies_secp256k1(&self, message: &[u8], signature: &[u8]) -> bool {
        let Ok(signature) = k256::ecdsa::Signature::from_slice(signature) else { return false };
        k256::ecdsa::VerifyingKey::from_sec1_bytes(&self.bytes)
            .is_ok_and(|key| key.verify_prehash(&blake2b_256(message), &signature).is_ok())
    }

    fn verifies_p256(&self, message: &[u8], signature: &[u8]) -> bool {
        let Ok(signature) = p256::ecdsa::Signature::from_slice(signature) else { return false };
        p256::ecdsa::VerifyingKey::from_sec1_bytes(&self.bytes)
            .is_ok_and(|key| key.verify_prehash(&blake2b_256(message), &signature).is_ok())
    }
}

fn ed25519(bytes: &[u8]) -> Option<ed25519_dalek::VerifyingKey> {
    ed25519_dalek::VerifyingKey::from_bytes(bytes.try_into().ok()?).ok()
}

impl FromStr for PublicKey {
    type Err = PublicKeyError;

    fn from_str(text: &str) -> Result<PublicKey, PublicKeyError> {
        let (at, bytes) = base58::decode(text, &Curve::ALL.map(Curve::public_key_prefix))?;
        let curve = Curve::ALL.get(at).copied().ok_or(Base58Error::Alphabet)?;
        PublicKey::new(curve, &bytes)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.curve.public_key_prefix().encode(&self.bytes))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}
