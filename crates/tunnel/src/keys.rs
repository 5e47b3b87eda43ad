//! ssh keys: an end's own, and the one that its peer must have.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use russh::keys::ssh_key::private::{Ed25519Keypair, KeypairData};
use russh::keys::ssh_key::{self, Algorithm, HashAlg, LineEnding, PrivateKey};
use thiserror::Error;

use crate::short_scalar::with_whole_scalar;

/// A private key: a signer's identity, or a gateway's host key. `Debug` shows its fingerprint only.
#[derive(Clone)]
pub struct Identity(Arc<PrivateKey>);

/// The public key of a peer. Its comment is ignored.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(ssh_key::PublicKey);

/// A text that is no key we can use. Always *misused*.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyError {
    /// Not a private key of OpenSSH.
    #[error("no OpenSSH private key; make one with \"ssh-keygen -t ed25519 -N ''\"")]
    NotPrivate,
    /// A private key behind a passphrase.
    #[error(
        "the private key has a passphrase, and nobody is there to type it; take it off with \
         \"ssh-keygen -p -N '' -f FILE\""
    )]
    Encrypted,
    /// A private key of another kind.
    #[error("a private key of kind {0} is not used; ed25519 or ecdsa is")]
    PrivateKind(String),
    /// Not a public key of OpenSSH.
    #[error("{0:?} is no OpenSSH public key; it looks like \"ssh-ed25519 AAAA…\"")]
    NotPublic(String),
    /// A public key of another kind.
    #[error("a public key of kind {0} is not used; ed25519, ecdsa or rsa (2048 bits or more) is")]
    PublicKind(String),
    /// The system has no randomness.
    #[error("the system gives no random numbers: {0}")]
    NoRandomness(String),
}

/// Below it a key can be broken.
const RSA_BITS: u32 = 2048;

impl Identity {
    /// Reads the text of an OpenSSH private key without a passphrase, ed25519 or ecdsa.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn parse(text: &str) -> Result<Identity, KeyError> {
        let text = text.trim_start();
        let key = PrivateKey::from_openssh(text)
            .ok()
            .or_else(|| PrivateKey::from_bytes(&with_whole_scalar(text)?).ok())
            .ok_or(KeyError::NotPrivate)?;
        if key.is_encrypted() {
            return Err(KeyError::Encrypted);
        }
        let is_used = matches!(key.key_data(), KeypairData::Ed25519(_) | KeypairData::Ecdsa(_));
        if !is_used {
            return Err(KeyError::PrivateKind(key.algorithm().to_string()));
        }
        Ok(Identity(Arc::new(key)))
    }

    /// A new ed25519 key.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn generate(comment: &str) -> Result<Identity, KeyError> {
        let no_randomness = |error: String| KeyError::NoRandomness(error);
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| no_randomness(error.to_string()))?;
        let pair = KeypairData::from(Ed25519Keypair::from_seed(&seed));
        let key = PrivateKey::new(pair, comment.to_owned());
        Ok(Identity(Arc::new(key.map_err(|error| no_randomness(error.to_string()))?)))
    }

    /// The private key as OpenSSH writes it. A secret.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn to_openssh(&self) -> Result<String, KeyError> {
        let text = self.0.to_openssh(LineEnding::LF).map_err(|_| KeyError::NotPrivate)?;
        Ok(text.as_str().to_owned())
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey::of(self.0.public_key())
    }

    pub(crate) fn private(&self) -> Arc<PrivateKey> {
        Arc::clone(&self.0)
    }
}

impl PublicKey {
    /// `SHA256:…`, as OpenSSH shows it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.0.fingerprint(HashAlg::Sha256).to_string()
    }

    /// Whether a signature of this kind is made with such a key. An RSA key makes several.
    pub(crate) fn is_of_kind(&self, kind: &Algorithm) -> bool {
        let is_rsa = |kind: &Algorithm| matches!(kind, Algorithm::Rsa { .. });
        let own = self.0.algorithm();
        own == *kind || is_rsa(&own) && is_rsa(kind)
    }

    pub(crate) fn of(key: &ssh_key::PublicKey) -> PublicKey {
        PublicKey(ssh_key::PublicKey::from(key.key_data().clone()))
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<PublicKey, KeyError> {
        let text = text.trim();
        let key = ssh_key::PublicKey::from_openssh(text)
            .map_err(|_| KeyError::NotPublic(text.chars().take(80).collect()))?;
        let data = key.key_data();
        let is_used = data.is_ed25519()
            || data.is_ecdsa()
            || data.rsa().is_some_and(|rsa| rsa.key_size() >= RSA_BITS);
        if !is_used {
            return Err(KeyError::PublicKind(key.algorithm().to_string()));
        }
        Ok(PublicKey::of(&key))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_openssh().map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.fingerprint())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "identity {}", self.public().fingerprint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_shows_only_its_fingerprint() {
        let identity = Identity::generate("home").unwrap();
        let text = identity.to_openssh().unwrap();
        assert_eq!(Identity::parse(&text).unwrap().public(), identity.public());
        assert_eq!(
            format!("{identity:?}"),
            format!("identity {}", identity.public().fingerprint())
        );
    }

    #[test]
    fn a_public_key_reads_back_without_its_comment() {
        let line = Identity::generate("home").unwrap().public().to_string();
        assert_eq!(
            format!("{line} somebody@somewhere").parse::<PublicKey>().unwrap().to_string(),
            line
        );
    }

    #[test]
    fn what_is_no_key_is_named() {
        assert_eq!(Identity::parse("hello").err(), Some(KeyError::NotPrivate));
        assert!(matches!("hello".parse::<PublicKey>(), Err(KeyError::NotPublic(_))));
    }
}
