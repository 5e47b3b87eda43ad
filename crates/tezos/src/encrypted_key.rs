//! Secret keys encrypted with a password, as octez wallets hold them.
//!
//! `edesk…`, `spesk…`, `p2esk…`, `BLesk…`: a salt of 8 bytes, then a NaCl secretbox. Its key is
//! PBKDF2-HMAC-SHA512 of the password (32768 rounds), its nonce 24 zero bytes: the salt makes the
//! key unique. Source: octez `src/lib_signer_backends/encrypted.ml`.

use std::fmt;
use std::str::FromStr;

use crypto_secretbox::aead::{Aead, KeyInit};
use crypto_secretbox::{Key, Nonce, XSalsa20Poly1305};
use sha2::Sha512;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::base58::{self, Base58Error, Prefix};
use crate::{Curve, SecretKey, SecretKeyError};

/// Eight random bytes that make an encryption unique.
pub type Salt = [u8; 8];

/// An encrypted secret key.
#[derive(Clone, PartialEq, Eq)]
pub struct EncryptedKey {
    curve: Curve,
    salt: Salt,
    sealed: Vec<u8>,
}

/// Why an encrypted key cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum EncryptedKeyError {
    /// Not the text of one.
    #[error("no encrypted secret key: {0}")]
    Text(#[from] Base58Error),
    /// The password does not open it (or it was damaged; the two cannot be told apart).
    #[error("the password does not open this key; check it, a trailing space counts too")]
    Password,
    /// It opens, and what is inside is no key.
    #[error(transparent)]
    Key(#[from] SecretKeyError),
}

const PBKDF2_ROUNDS: u32 = 32_768;

const FORMS: [(&Prefix, Curve); 5] = [
    (&base58::EDESK, Curve::Ed25519),
    (&base58::SPESK, Curve::Secp256k1),
    (&base58::P2ESK, Curve::P256),
    (&base58::BLESK, Curve::Bls),
    (&base58::MDESK, Curve::MlDsa44),
];

impl EncryptedKey {
    /// Encrypts `key` with `password`; `salt` must be fresh randomness. None if the cipher fails,
    /// which it does for no key.
    #[must_use]
    pub fn seal(key: &SecretKey, password: &[u8], salt: Salt) -> Option<EncryptedKey> {
        let sealed = cipher(password, &salt).encrypt(&Nonce::default(), &**key.to_bytes()).ok()?;
        Some(EncryptedKey { curve: key.public_key().curve(), salt, sealed })
    }

    /// The curve of the key inside.
    #[must_use]
    pub fn curve(&self) -> Curve {
        self.curve
    }

    /// Decrypts it. Takes some ten milliseconds, on purpose.
    ///
    /// # Errors
    /// When the password is wrong, or what is inside is no key.
    pub fn open(&self, password: &[u8]) -> Result<SecretKey, EncryptedKeyError> {
        let opened = cipher(password, &self.salt)
            .decrypt(&Nonce::default(), self.sealed.as_slice())
            .map_err(|_| EncryptedKeyError::Password)?;
        let bytes = Zeroizing::new(opened);
        Ok(SecretKey::from_bytes(self.curve, &bytes)?)
    }
}

fn cipher(password: &[u8], salt: &Salt) -> XSalsa20Poly1305 {
    let mut key = Zeroizing::new([0; 32]);
    pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, PBKDF2_ROUNDS, &mut *key);
    XSalsa20Poly1305::new(Key::from_slice(&*key))
}

impl FromStr for EncryptedKey {
    type Err = EncryptedKeyError;

    fn from_str(text: &str) -> Result<EncryptedKey, EncryptedKeyError> {
        let (at, bytes) = base58::decode(text, &FORMS.map(|(prefix, _)| prefix))?;
        let (_, curve) = FORMS.get(at).ok_or(Base58Error::Alphabet)?;
        let (salt, sealed) = bytes.split_first_chunk::<8>().ok_or(Base58Error::Alphabet)?;
        Ok(EncryptedKey { curve: *curve, salt: *salt, sealed: sealed.to_vec() })
    }
}

impl fmt::Display for EncryptedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.salt.to_vec();
        bytes.extend_from_slice(&self.sealed);
        let form = FORMS.iter().find(|(_, curve)| *curve == self.curve);
        form.map_or(Err(fmt::Error), |(prefix, _)| f.write_str(&prefix.encode(&bytes)))
    }
}

impl fmt::Debug for EncryptedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncryptedKey({})", self.curve)
    }
}
