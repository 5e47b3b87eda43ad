//! Secret keys as an octez wallet writes them down: `unencrypted:edsk…`, `encrypted:edesk…`.
//!
//! Source: octez `src/lib_signer_backends/{unencrypted,encrypted}.ml`.

use std::str::FromStr;

use thiserror::Error;
use zeroize::Zeroizing;

use crate::{EncryptedKey, EncryptedKeyError, SecretKey, SecretKeyError};

/// A secret key as a wallet has it.
#[derive(Debug, Clone)]
pub enum WalletKey {
    /// A reader has the key.
    Unencrypted(Box<SecretKey>),
    /// A reader needs its password, too.
    Encrypted(EncryptedKey),
}

/// What is no key of a wallet. The texts never repeat it.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum WalletKeyError {
    /// Neither of the two forms.
    #[error("it must be unencrypted:… or encrypted:…, as in an octez wallet")]
    Form,
    /// `unencrypted:`, and no key behind it.
    #[error(transparent)]
    Unencrypted(#[from] SecretKeyError),
    /// `encrypted:`, and no encrypted key behind it.
    #[error(transparent)]
    Encrypted(#[from] EncryptedKeyError),
}

/// A key that is not opened with what is given. *Misused*.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum OpenKeyError {
    /// The password is wrong, or the key is damaged.
    #[error(transparent)]
    Encrypted(#[from] EncryptedKeyError),
    /// It is encrypted, and there is no password.
    #[error("it is encrypted: name its password_file")]
    NoPassword,
    /// It is not encrypted, and there is a password.
    #[error("it is not encrypted: take its password_file out")]
    NeedlessPassword,
}

const UNENCRYPTED: &str = "unencrypted";
const ENCRYPTED: &str = "encrypted";
/// An old name of octez for encrypted tz4 keys.
const AGGREGATE_ENCRYPTED: &str = "aggregate_encrypted";

impl WalletKey {
    /// The key. `password`: what opens it, where it is encrypted.
    ///
    /// # Errors
    /// When the password is missing, needless or wrong.
    pub fn open(&self, password: Option<&[u8]>) -> Result<SecretKey, OpenKeyError> {
        match (self, password) {
            (WalletKey::Unencrypted(key), None) => Ok(SecretKey::clone(key)),
            (WalletKey::Encrypted(sealed), Some(password)) => Ok(sealed.open(password)?),
            (WalletKey::Unencrypted(_), Some(_)) => Err(OpenKeyError::NeedlessPassword),
            (WalletKey::Encrypted(_), None) => Err(OpenKeyError::NoPassword),
        }
    }

    /// As it is written down.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(match self {
            WalletKey::Unencrypted(key) => format!("{UNENCRYPTED}:{}", *key.to_base58()),
            WalletKey::Encrypted(key) => format!("{ENCRYPTED}:{key}"),
        })
    }
}

impl FromStr for WalletKey {
    type Err = WalletKeyError;

    fn from_str(text: &str) -> Result<WalletKey, WalletKeyError> {
        match text.trim().split_once(':') {
            Some((UNENCRYPTED, key)) => {
                Ok(WalletKey::Unencrypted(Box::new(SecretKey::from_base58(key)?)))
            }
            Some((ENCRYPTED | AGGREGATE_ENCRYPTED, key)) => Ok(WalletKey::Encrypted(key.parse()?)),
            Some(_) | None => Err(WalletKeyError::Form),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNENCRYPTED: &str = "unencrypted:edsk3gUfUPyBSfrS9CCgmCiQsTCHGkviBDusMxDJstFtojtc1zcpsh";

    #[test]
    fn a_key_is_written_as_it_was_read() {
        let key: WalletKey = format!("{UNENCRYPTED}\n").parse().unwrap();
        assert_eq!(*key.to_text(), UNENCRYPTED);
        let WalletKey::Unencrypted(secret) = key else { panic!("it is not encrypted") };
        let sealed = EncryptedKey::seal(&secret, b"hush", [7; 8]).unwrap();
        let written = WalletKey::Encrypted(sealed).to_text();
        for text in [written.to_string(), format!("aggregate_{}", *written)] {
            assert_eq!(text.parse::<WalletKey>().unwrap().to_text(), written);
        }
    }

    #[test]
    fn a_password_opens_what_is_encrypted_and_nothing_else() {
        let open: WalletKey = UNENCRYPTED.parse().unwrap();
        let secret = open.open(None).unwrap();
        assert!(matches!(open.open(Some(b"hush")), Err(OpenKeyError::NeedlessPassword)));
        let sealed = WalletKey::Encrypted(EncryptedKey::seal(&secret, b"hush", [7; 8]).unwrap());
        assert_eq!(sealed.open(Some(b"hush")).unwrap().hash(), secret.hash());
        assert!(matches!(sealed.open(Some(b"hash")), Err(OpenKeyError::Encrypted(_))));
        assert!(matches!(sealed.open(None), Err(OpenKeyError::NoPassword)));
    }

    #[test]
    fn what_is_no_key_of_a_wallet_is_not_repeated() {
        for text in [
            "",
            "hush",
            "ledger://hush",
            "unencrypted:hush",
            "encrypted:hush",
            UNENCRYPTED.trim_end_matches('h'),
        ] {
            let error = text.parse::<WalletKey>().unwrap_err().to_string();
            assert!(!error.contains("hush") && !error.contains("edsk3g"), "{error}");
        }
    }
}
