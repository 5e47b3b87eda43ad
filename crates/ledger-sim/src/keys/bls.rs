//! BLS12-381 keys: public keys in G1, signatures in G2, the key put before the message.

use blst::min_pk::SecretKey;

use super::DerivationError;
use super::seed::Seed;

/// The cipher suite in `src/crypto.c` of the app, and of octez: message augmentation.
const SUITE: &[u8] = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_AUG_";

#[derive(Debug)]
pub(crate) struct Key(SecretKey);

impl Key {
    /// Derives by EIP-2333, hardened bits and all.
    pub(super) fn derive(seed: &Seed, path: &[u32]) -> Result<Self, DerivationError> {
        let master = SecretKey::derive_master_eip2333(seed.as_bytes())
            .map_err(|_| DerivationError::NoKey)?;
        let key = path.iter().fold(master, |key, component| key.derive_child_eip2333(*component));
        Ok(Self(key))
    }

    pub(super) fn compressed_public_key(&self) -> [u8; 48] {
        self.0.sk_to_pk().compress()
    }

    /// X and Y, with the compressed form's flags in the first byte: the app puts them there.
    pub(super) fn public_key(&self) -> Vec<u8> {
        let point = self.0.sk_to_pk().serialize();
        let y = point.iter().skip(48);
        self.compressed_public_key().iter().chain(y).copied().collect()
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message, SUITE, &self.compressed_public_key()).compress().to_vec()
    }
}
