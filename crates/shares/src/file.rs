//! A share as it is kept: text, with all that is known of its key, and its secret as octez wallets have secrets.
//!
//! ```toml
//! index = 1
//! threshold = 2
//! public_key = "BLpk…"
//! shares = ["BLpk…", "BLpk…", "BLpk…"]
//! secret = "encrypted:BLesk…"
//! ```
//!
//! The public keys of all shares are what commits the secret: they belong together in one way only, which is checked each
//! time they are read, and the secret belongs to one of them.

use std::fmt::Write;

use serde::{Deserialize, Deserializer};
use tezos::{OpenKeyError, PublicKey, WalletKey, WalletKeyError, mask_secrets};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    Group, GroupError, Share, ShareError, ShareIndex, ShareIndexError, Threshold, ThresholdError,
};

/// A share as it is kept.
#[derive(Debug, Clone)]
pub struct ShareFile {
    group: Group,
    index: ShareIndex,
    secret: WalletKey,
}

/// A text that is no share. It never repeats a secret. *Misused*.
#[derive(Debug, Error)]
pub enum ShareFileError {
    /// Cut, damaged, or something else.
    #[error("no share of a key, or not all of it: {0}")]
    Text(String),
    /// A number that no share has.
    #[error("index: {0}")]
    Index(#[from] ShareIndexError),
    /// t of n that is none.
    #[error(transparent)]
    Threshold(#[from] ThresholdError),
    /// The public keys do not belong together.
    #[error(transparent)]
    Group(#[from] GroupError),
    /// The secret is not that of this share.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// The secret is no key.
    #[error("secret: {0}")]
    Secret(#[from] WalletKeyError),
    /// The password is missing, needless or wrong, or the secret is damaged.
    #[error("secret: {0}")]
    Open(#[from] OpenKeyError),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    index: u8,
    threshold: u8,
    public_key: String,
    shares: Vec<String>,
    #[serde(deserialize_with = "secret")]
    secret: Zeroizing<String>,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(deserializer).map(Zeroizing::new)
}

impl ShareFile {
    /// A share, with its own secret as it is to be written down.
    #[must_use]
    pub fn new(share: &Share, secret: WalletKey) -> ShareFile {
        ShareFile { group: share.group().clone(), index: share.index(), secret }
    }

    /// A share, with its secret for every reader of the file.
    #[must_use]
    pub fn unencrypted(share: &Share) -> ShareFile {
        ShareFile::new(share, WalletKey::Unencrypted(Box::new(share.secret().clone())))
    }

    /// Reads it. All but an encrypted secret is checked.
    ///
    /// # Errors
    /// When it is no share, or not all of it.
    pub fn parse(text: &str) -> Result<ShareFile, ShareFileError> {
        let failed =
            |error: toml::de::Error| ShareFileError::Text(mask_secrets(error.message()).into());
        let typed: Typed = toml::from_str(text).map_err(failed)?;
        let public = |text: &String| {
            let key: Result<PublicKey, _> = text.parse();
            key.map_err(|error| ShareFileError::Text(format!("{error}")))
        };
        let shares = typed.shares.iter().map(public).collect::<Result<Vec<_>, _>>()?;
        let count = u8::try_from(shares.len()).unwrap_or(u8::MAX);
        let threshold = Threshold::new(typed.threshold, count)?;
        let group = Group::new(threshold, public(&typed.public_key)?, shares)?;
        let index = ShareIndex::new(typed.index)?;
        let secret = typed.secret.parse()?;
        let file = ShareFile { group, index, secret };
        if let WalletKey::Unencrypted(_) = file.secret {
            file.open(None)?;
        }
        Ok(file)
    }

    /// The share, checked.
    ///
    /// # Errors
    /// When the password is missing, needless or wrong, or the secret is not that of this share.
    pub fn open(&self, password: Option<&[u8]>) -> Result<Share, ShareFileError> {
        let secret = self.secret.open(password)?;
        Ok(Share::new(self.group.clone(), self.index, secret)?)
    }

    /// The key that it is a share of, as everybody may know it.
    #[must_use]
    pub fn group(&self) -> &Group {
        &self.group
    }

    /// Which share it is.
    #[must_use]
    pub fn index(&self) -> ShareIndex {
        self.index
    }

    /// Whether a password is needed to open it.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        matches!(self.secret, WalletKey::Encrypted(_))
    }

    /// As it is kept.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let (group, index) = (&self.group, self.index);
        let (threshold, key) = (group.threshold(), group.public_key());
        let shares: Vec<String> = group.shares().map(|share| format!("\"{share}\"")).collect();
        let mut text = Zeroizing::new(String::with_capacity(4096));
        // Writing into a string does not fail.
        let _ = write!(
            text,
            "# Share {index} of {} of the key {}; {} of them sign. One computer has one share, and no other has this one.\n\
             index = {index}\nthreshold = {}\npublic_key = \"{key}\"\nshares = [{}]\nsecret = \"{}\"\n",
            threshold.shares(),
            key.hash(),
            threshold.needed(),
            threshold.needed(),
            shares.join(", "),
            *self.secret.to_text()
        );
        text
    }
}
