//! Keys: from the seed, by curve and path, as the device's system derives them.

mod bip32;
mod bip32_ed25519;
mod bls;
mod ecdsa;
mod ed25519;
mod permission;
mod seed;

use blake2::digest::consts::U32;
use blake2::{Blake2b, Digest as _};

use crate::curve::Curve;
use crate::path::KeyName;

pub(crate) use seed::{Seed, hmac_sha256};

/// A private key of one of the five kinds.
#[derive(Debug)]
pub(crate) enum Key {
    Ed25519(ed25519::Key),
    Secp256k1(ecdsa::Key<k256::Secp256k1>),
    Secp256r1(ecdsa::Key<p256::NistP256>),
    Bls(bls::Key),
}

/// Why a key cannot be derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DerivationError {
    /// The system derives only below `44'/1729'` for this app.
    #[error("refused: the path is not below 44'/1729'")]
    Forbidden,
    /// SLIP-10 on Ed25519 has hardened steps only.
    #[error("refused: a step of the path is not hardened")]
    NotHardened,
    /// The curve's arithmetic gave no key (a chance of 2^-127).
    #[error("failed: no key at this path")]
    NoKey,
}

impl Key {
    /// Derives the key at a path, if the system lets the app have it.
    pub(crate) fn derive(seed: &Seed, name: &KeyName) -> Result<Self, DerivationError> {
        permission::check(name)?;
        let path = name.path.components();
        match name.curve {
            Curve::Ed25519 => ed25519::Key::slip10(seed, path).map(Self::Ed25519),
            Curve::Bip32Ed25519 => bip32_ed25519::derive(seed, path).map(Self::Ed25519),
            Curve::Secp256k1 => ecdsa::Key::derive(seed, path).map(Self::Secp256k1),
            Curve::Secp256r1 => ecdsa::Key::derive(seed, path).map(Self::Secp256r1),
            Curve::Bls => bls::Key::derive(seed, path).map(Self::Bls),
        }
    }

    /// The public key as the app answers it: a length byte, a format byte, the key.
    pub(crate) fn public_key_answer(&self) -> Vec<u8> {
        match self {
            Self::Ed25519(key) => [&[0x21, 0x02], key.public_key().as_slice()].concat(),
            Self::Secp256k1(key) => [&[0x41], key.public_key().as_slice()].concat(),
            Self::Secp256r1(key) => [&[0x41], key.public_key().as_slice()].concat(),
            Self::Bls(key) => [&[0x61, 0x04], key.public_key().as_slice()].concat(),
        }
    }

    /// The public key as Tezos writes it.
    pub(crate) fn compressed_public_key(&self) -> Vec<u8> {
        match self {
            Self::Ed25519(key) => key.public_key().to_vec(),
            Self::Secp256k1(key) => key.compressed_public_key(),
            Self::Secp256r1(key) => key.compressed_public_key(),
            Self::Bls(key) => key.compressed_public_key().to_vec(),
        }
    }

    /// Signs a message as the app does: all but BLS sign its hash.
    pub(crate) fn sign_message(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Bls(key) => key.sign(message),
            Self::Ed25519(_) | Self::Secp256k1(_) | Self::Secp256r1(_) => {
                self.sign_digest(&blake2b_256(message))
            }
        }
    }

    /// Signs 32 bytes that are a hash already; BLS takes them for a message.
    pub(crate) fn sign_digest(&self, digest: &[u8; 32]) -> Vec<u8> {
        match self {
            Self::Ed25519(key) => key.sign(digest),
            Self::Secp256k1(key) => key.sign(digest),
            Self::Secp256r1(key) => key.sign(digest),
            Self::Bls(key) => key.sign(digest),
        }
    }
}

/// The hash that Tezos signs.
pub(crate) fn blake2b_256(message: &[u8]) -> [u8; 32] {
    Blake2b::<U32>::digest(message).into()
}
