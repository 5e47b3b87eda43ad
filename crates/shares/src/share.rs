//! The share of one box, and what it signs.

use std::fmt;

use tezos::{PublicKey, SecretKey, Signature, Statement};
use thiserror::Error;

use crate::{Group, ShareIndex};

/// A share of a key: fewer than the threshold are worth nothing. It zeroises itself, and `Debug` shows no secret.
#[derive(Clone)]
pub struct Share {
    group: Group,
    index: ShareIndex,
    secret: SecretKey,
}

/// A secret that is not the share that it is said to be. The texts never repeat it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ShareError {
    /// The group has no share of that index.
    #[error("there is no share {index} of {of} shares")]
    NoIndex {
        /// As it is said.
        index: ShareIndex,
        /// Shares that there are.
        of: u8,
    },
    /// Its public key is another one: of another index, of another key, or damaged.
    #[error(
        "this is not share {0} of the key: its public key is not the one that the group has for it"
    )]
    Other(ShareIndex),
}

/// What one box made of a statement. It says nothing of the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartialSignature {
    index: ShareIndex,
    signature: Signature,
}

impl Share {
    /// The share of `index`, checked against the public key that the group has for it.
    ///
    /// # Errors
    /// When it is another one.
    pub fn new(group: Group, index: ShareIndex, secret: SecretKey) -> Result<Share, ShareError> {
        let of = group.threshold().shares();
        let public_key = group.share(index).ok_or(ShareError::NoIndex { index, of })?;
        if public_key != secret.public_key() {
            return Err(ShareError::Other(index));
        }
        Ok(Share { group, index, secret })
    }

    /// The key that it is a share of, as everybody may know it.
    #[must_use]
    pub fn group(&self) -> &Group {
        &self.group
    }

    /// Which one it is.
    #[must_use]
    pub fn index(&self) -> ShareIndex {
        self.index
    }

    /// The public key of this share alone.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        self.secret.public_key()
    }

    /// Its secret, to be kept.
    #[must_use]
    pub fn secret(&self) -> &SecretKey {
        &self.secret
    }

    /// Its part of the signature. None only if a library fails.
    #[must_use]
    pub fn sign(&self, statement: Statement<'_>) -> Option<PartialSignature> {
        let signature = self.secret.sign_share(self.group.public_key(), statement)?;
        Some(PartialSignature { index: self.index, signature })
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Share({} of {})", self.index, self.group.public_key().hash())
    }
}

impl PartialSignature {
    /// What a box says that it made. It may be anything.
    #[must_use]
    pub fn new(index: ShareIndex, signature: Signature) -> PartialSignature {
        PartialSignature { index, signature }
    }

    /// The signature alone.
    #[must_use]
    pub fn into_signature(self) -> Signature {
        self.signature
    }

    /// The share that made it.
    #[must_use]
    pub fn index(&self) -> ShareIndex {
        self.index
    }

    /// The signature, of the share's own key.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.signature
    }
}
