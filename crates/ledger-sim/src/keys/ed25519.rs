//! Ed25519 keys, and their derivation by SLIP-10.

use ed25519_dalek::{Signer as _, SigningKey};

use super::DerivationError;
use super::seed::{Seed, hmac_halves};
use crate::path::is_hardened;

/// What the master key's HMAC is keyed with (SLIP-10); BIP32-Ed25519 on a Ledger uses it too.
pub(super) const MASTER: &[u8] = b"ed25519 seed";

/// An Ed25519 key.
#[derive(Debug)]
pub(crate) struct Key(SigningKey);

impl Key {
    /// The key of a 32-byte seed (RFC 8032 §5.1.5).
    pub(super) fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// Derives by SLIP-10.
    pub(super) fn slip10(seed: &Seed, path: &[u32]) -> Result<Self, DerivationError> {
        let (mut key, mut chain) = hmac_halves(MASTER, &[seed.as_bytes()]);
        for component in path {
            if !is_hardened(*component) {
                return Err(DerivationError::NotHardened);
            }
            (key, chain) = hmac_halves(&chain, &[&[0], &key, &component.to_be_bytes()]);
        }
        Ok(Self::from_seed(&key))
    }

    pub(super) fn public_key(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).to_vec()
    }
}
