//! Secret keys held in memory.
//!
//! Every signature made here is deterministic (RFC 8032, RFC 6979, BLS): the same bytes can never
//! get two signatures, which for a block would be evidence of double baking. The key material
//! zeroises itself when dropped, and `Debug` shows the public hash only.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use k256::ecdsa::signature::hazmat::PrehashSigner;
use sha2::Sha256;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use crate::base58::{self, Base58Error};
use crate::bls::BlsSecretKey;
use crate::digest::blake2b_256;
use crate::{BlsScheme, Curve, PublicKey, PublicKeyHash, Signature, Statement};

/// A secret key of tz1 to tz4.
#[derive(Clone)]
pub struct SecretKey {
    material: Material,
    public: PublicKey,
}

#[derive(Clone)]
enum Material {
    Ed25519(ed25519_dalek::SigningKey),
    Secp256k1(k256::ecdsa::SigningKey),
    P256(p256::ecdsa::SigningKey),
    Bls(BlsSecretKey),
}

/// What is no secret key. The texts never repeat the key.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SecretKeyError {
    /// Not the text of one.
    #[error("no secret key: {0}")]
    Text(#[from] Base58Error),
    /// Zero, or not below the group's order, or of the wrong length.
    #[error("no secret key: the number is not below the order of {0}, or zero")]
    OutOfRange(Curve),
    /// An `edsk…` of 64 bytes whose second half is not the public key of the first.
    #[error("no secret key: its public half belongs to another key; export it anew")]
    Halves,
    /// A key of tz5 cannot be a delegate or a consensus key.
    #[error("ML-DSA-44 keys (tz5) can neither bake nor attest; use tz1 to tz4")]
    Unsupported,
}

/// A seed nonce as octez derives it, with the hash that goes on the chain.
pub struct Nonce {
    /// HMAC-SHA256 of the data under the raw secret key.
    pub nonce: Zeroizing<[u8; 32]>,
    /// BLAKE2b-256 of the nonce.
    pub hash: [u8; 32],
}

impl SecretKey {
    /// The key of these raw bytes: the seed for ed25519, a big-endian scalar for secp256k1 and
    /// P-256, a little-endian scalar for BLS.
    ///
    /// # Errors
    /// When the bytes are no key of the curve.
    pub fn from_bytes(curve: Curve, bytes: &[u8]) -> Result<SecretKey, SecretKeyError> {
        let out_of_range = || SecretKeyError::OutOfRange(curve);
        let material = match curve {
            Curve::Ed25519 => Material::Ed25519(ed25519(bytes).ok_or_else(out_of_range)?),
            Curve::Secp256k1 => Material::Secp256k1(
                k256::ecdsa::SigningKey::from_slice(bytes).map_err(|_| out_of_range())?,
            ),
            Curve::P256 => Material::P256(
                p256::ecdsa::SigningKey::from_slice(bytes).map_err(|_| out_of_range())?,
            ),
            Curve::Bls => Material::Bls(BlsSecretKey::from_bytes(bytes).ok_or_else(out_of_range)?),
            Curve::MlDsa44 => return Err(SecretKeyError::Unsupported),
        };
        SecretKey::new(material)
    }

    /// A key from 32 bytes of fresh randomness. For BLS they are the seed of its key generation;
    /// for the others the key itself.
    ///
    /// # Errors
    /// For secp256k1 and P-256 once in 2^32 or rarer, when the bytes are out of range: draw anew.
    pub fn generate(curve: Curve, randomness: &[u8; 32]) -> Result<SecretKey, SecretKeyError> {
        match curve {
            Curve::Bls => SecretKey::new(Material::Bls(
                BlsSecretKey::from_seed(randomness).ok_or(SecretKeyError::OutOfRange(curve))?,
            )),
            Curve::Ed25519 | Curve::Secp256k1 | Curve::P256 | Curve::MlDsa44 => {
                SecretKey::from_bytes(curve, randomness)
            }
        }
    }

    /// Reads `edsk…` (both forms), `spsk…`, `p2sk…` or `BLsk…`.
    ///
    /// # Errors
    /// When the text is none of them or its bytes are no key.
    pub fn from_base58(text: &str) -> Result<SecretKey, SecretKeyError> {
        const FORMS: [(&base58::Prefix, Curve); 6] = [
            (&base58::EDSK_SEED, Curve::Ed25519),
            (&base58::SPSK, Curve::Secp256k1),
            (&base58::P2SK, Curve::P256),
            (&base58::BLSK, Curve::Bls),
            (&base58::EDSK, Curve::Ed25519),
            (&base58::MDSK, Curve::MlDsa44),
        ];
        let (at, bytes) = base58::decode(text, &FORMS.map(|(prefix, _)| prefix))?;
        let (_, curve) = FORMS.get(at).ok_or(Base58Error::Alphabet)?;
        if *curve == Curve::MlDsa44 {
            return Err(SecretKeyError::Unsupported);
        }
        let Some((seed, public)) = bytes.split_first_chunk::<32>() else {
            return Err(SecretKeyError::OutOfRange(*curve));
        };
        let key = SecretKey::from_bytes(*curve, seed)?;
        if !public.is_empty() && public != key.public.bytes() {
            return Err(SecretKeyError::Halves);
        }
        Ok(key)
    }

    fn new(material: Material) -> Result<SecretKey, SecretKeyError> {
        let public = match &material {
            Material::Ed25519(key) => {
                PublicKey::new(Curve::Ed25519, key.verifying_key().as_bytes())
            }
            Material::Secp256k1(key) => {
                PublicKey::new(Curve::Secp256k1, key.verifying_key().to_sec1_point(true).as_bytes())
            }
            Material::P256(key) => {
                PublicKey::new(Curve::P256, key.verifying_key().to_sec1_point(true).as_bytes())
            }
            Material::Bls(key) => PublicKey::new(Curve::Bls, &key.public_key()),
        };
        let public = public.map_err(|_| SecretKeyError::OutOfRange(material.curve()))?;
        Ok(SecretKey { material, public })
    }

    /// The text form: `edsk…` (the seed form), `spsk…`, `p2sk…` or `BLsk…`.
    #[must_use]
    pub fn to_base58(&self) -> Zeroizing<String> {
        let prefix = match &self.material {
            Material::Ed25519(_) => &base58::EDSK_SEED,
            Material::Secp256k1(_) => &base58::SPSK,
            Material::P256(_) => &base58::P2SK,
            Material::Bls(_) => &base58::BLSK,
        };
        Zeroizing::new(prefix.encode(&self.to_bytes()))
    }

    /// The raw bytes, as [`SecretKey::from_bytes`] reads them.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        match &self.material {
            Material::Ed25519(key) => Zeroizing::new(key.as_bytes().to_vec()),
            Material::Secp256k1(key) => wipe_after_copy(&mut key.to_bytes()),
            Material::P256(key) => wipe_after_copy(&mut key.to_bytes()),
            Material::Bls(key) => key.to_bytes(),
        }
    }

    /// The public key.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// The hash of the public key.
    #[must_use]
    pub fn hash(&self) -> PublicKeyHash {
        self.public.hash()
    }

    /// Signs `message`, the bytes before any hash. None only if a library fails, which it does not
    /// for a digest of 32 bytes.
    #[must_use]
    pub fn sign(&self, message: &[u8], scheme: BlsScheme) -> Option<Signature> {
        let digest = blake2b_256(message);
        match &self.material {
            Material::Ed25519(key) => {
                use ed25519_dalek::Signer;
                Signature::new(Curve::Ed25519, &key.sign(&digest).to_bytes())
            }
            Material::Secp256k1(key) => {
                let signature: k256::ecdsa::Signature = key.sign_prehash(&digest).ok()?;
                Signature::new(Curve::Secp256k1, &signature.normalize_s().to_bytes())
            }
            Material::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign_prehash(&digest).ok()?;
                Signature::new(Curve::P256, &signature.normalize_s().to_bytes())
            }
            Material::Bls(key) => {
                Signature::new(Curve::Bls, &key.sign(message, scheme, self.public.bytes()))
            }
        }
    }

    /// The proof of possession of a tz4 key over its own public key; none for other keys.
    #[must_use]
    pub fn prove_possession(&self) -> Option<Signature> {
        self.sign_share(&self.public, Statement::Possession)
    }

    /// The secret of a tz4 key; none of other keys.
    pub(crate) fn bls(&self) -> Option<&BlsSecretKey> {
        match &self.material {
            Material::Bls(key) => Some(key),
            Material::Ed25519(_) | Material::Secp256k1(_) | Material::P256(_) => None,
        }
    }

    /// The seed nonce that octez derives from `data` (octez `src/lib_crypto/ed25519.ml`,
    /// `deterministic_nonce`).
    #[must_use]
    pub fn deterministic_nonce(&self, data: &[u8]) -> Option<Nonce> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.to_bytes()).ok()?;
        mac.update(data);
        let nonce: Zeroizing<[u8; 32]> = Zeroizing::new(mac.finalize().into_bytes().into());
        let hash = blake2b_256(&*nonce);
        Some(Nonce { nonce, hash })
    }
}

fn wipe_after_copy(bytes: &mut [u8]) -> Zeroizing<Vec<u8>> {
    let copy = Zeroizing::new(bytes.to_vec());
    bytes.zeroize();
    copy
}

fn ed25519(seed: &[u8]) -> Option<ed25519_dalek::SigningKey> {
    let seed = Zeroizing::new(<[u8; 32]>::try_from(seed).ok()?);
    Some(ed25519_dalek::SigningKey::from_bytes(&seed))
}

impl Material {
    fn curve(&self) -> Curve {
        match self {
            Material::Ed25519(_) => Curve::Ed25519,
            Material::Secp256k1(_) => Curve::Secp256k1,
            Material::P256(_) => Curve::P256,
            Material::Bls(_) => Curve::Bls,
        }
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.hash())
    }
}
