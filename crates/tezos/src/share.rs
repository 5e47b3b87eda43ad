//! A tz4 key that is a share of another one: it signs the same bytes, and what it signs is combined elsewhere.
//!
//! Two schemes put the public key before the message, or sign it: there it is the public key of the whole, for every share
//! alike.

use std::fmt;

use crate::{BlsScheme, Curve, PublicKey, SecretKey, Signature, bls};

/// What a tz4 key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statement<'a> {
    /// A message, the bytes before any hash.
    Message {
        /// The bytes.
        bytes: &'a [u8],
        /// How.
        scheme: BlsScheme,
    },
    /// That the secret key of its public key is held.
    Possession,
}

impl SecretKey {
    /// Its part of the signature of `whole`. None if it is no tz4 key.
    #[must_use]
    pub fn sign_share(&self, whole: &PublicKey, statement: Statement<'_>) -> Option<Signature> {
        let (key, whole) = (self.bls()?, whole.bytes());
        let made = match statement {
            Statement::Message { bytes, scheme } => key.sign(bytes, scheme, whole),
            Statement::Possession => key.prove_possession(whole),
        };
        Signature::new(Curve::Bls, &made)
    }
}

/// A verification that waits for its signature: all is done that needs none, which is half of it.
pub struct PreparedVerification(bls::Prepared);

impl PreparedVerification {
    /// Whether `signature` is the one.
    #[must_use]
    pub fn verifies(&self, signature: &Signature) -> bool {
        self.0.verifies(signature.bytes())
    }
}

impl fmt::Debug for PreparedVerification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedVerification").finish_non_exhaustive()
    }
}

impl PublicKey {
    /// Prepares [`PublicKey::verifies_share`] with this key as the whole. None if it is no tz4 key.
    #[must_use]
    pub fn prepare(&self, statement: Statement<'_>) -> Option<PreparedVerification> {
        let own = self.bytes();
        let prepared = match statement {
            Statement::Message { bytes, scheme } => bls::Prepared::message(own, own, bytes, scheme),
            Statement::Possession => bls::Prepared::possession(own, own),
        };
        prepared.filter(|_| self.curve() == Curve::Bls).map(PreparedVerification)
    }

    /// Whether `signature` is this key's part of the signature of `whole`; of the whole itself, if that is the same key.
    #[must_use]
    pub fn verifies_share(
        &self,
        whole: &PublicKey,
        statement: Statement<'_>,
        signature: &Signature,
    ) -> bool {
        let (own, whole, signature) = (self.bytes(), whole.bytes(), signature.bytes());
        match statement {
            Statement::Message { bytes, scheme } => {
                bls::verify(own, whole, bytes, signature, scheme)
            }
            Statement::Possession => bls::verify_possession(own, whole, signature),
        }
    }
}
