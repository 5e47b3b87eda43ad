//! What a client signs to prove that it may ask for something.

use crate::{BlsScheme, PublicKey, PublicKeyHash, Signature};

/// A request that a client signs. Octez declares a tag for each, and signs and checks its nonce requests with
/// that of [`AuthenticatedRequest::Sign`] all the same (`src/bin_signer/handler.ml`): there, take both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthenticatedRequest {
    /// A signature.
    Sign,
    /// A deterministic nonce.
    Nonce,
    /// The hash of one.
    NonceHash,
}

impl AuthenticatedRequest {
    fn tag(self) -> u8 {
        match self {
            AuthenticatedRequest::Sign => 1,
            AuthenticatedRequest::Nonce => 2,
            AuthenticatedRequest::NonceHash => 3,
        }
    }

    /// The bytes an authorised key signs to ask this of the key of `key_hash` for `data`: magic byte
    /// 0x04, tag, tagged key hash, data (octez `src/lib_signer_services/signer_messages.ml`).
    #[must_use]
    pub fn bytes(self, key_hash: &PublicKeyHash, data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x04, self.tag()];
        bytes.extend_from_slice(&key_hash.tagged_bytes());
        bytes.extend_from_slice(data);
        bytes
    }

    /// Whether one of `authorized` signed this request.
    #[must_use]
    pub fn is_authorized(
        self,
        key_hash: &PublicKeyHash,
        data: &[u8],
        signature: &Signature,
        authorized: &[PublicKey],
    ) -> bool {
        let bytes = self.bytes(key_hash, data);
        authorized.iter().any(|key| key.verifies(&bytes, signature, BlsScheme::default()))
    }
}
