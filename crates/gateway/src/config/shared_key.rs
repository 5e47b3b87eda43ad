//! `[[shared_key]]`: a tz4 key in shares, and the signers that have them.

use std::collections::HashSet;

use shares::{Group, GroupError, ShareIndex, Threshold, ThresholdError};
use tezos::{PublicKey, PublicKeyError, PublicKeyHash};
use thiserror::Error;

use super::{SignerConfig, typed};

/// A key in shares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedKeyConfig {
    /// Its public keys.
    pub group: Group,
    /// The names of the signers that have its shares, by index.
    pub signers: Vec<String>,
}

#[derive(Debug, Error)]
pub(super) enum SharedKeyWhy {
    #[error("public_key: {0}")]
    PublicKey(#[from] PublicKeyError),
    #[error("threshold: {0}")]
    Threshold(#[from] ThresholdError),
    #[error("shares: {0}")]
    Group(#[from] GroupError),
    #[error("shares: the indices have to be 1 to {0}, each once")]
    Indices(usize),
    #[error("shares: there is no [[signer]] with the name {0:?}")]
    NoSigner(String),
    #[error(
        "shares: signer {0:?} has two of them; each share lies on a computer of its own, else one that fails, or is \
         broken into, counts twice"
    )]
    TwoShares(String),
    #[error(
        "signer {0:?} names it under keys, and has no share of it: does it have the whole key? Stop it, destroy that, and \
         take it out there"
    )]
    Whole(String),
    #[error("it stands there twice; keep one")]
    Twice,
}

impl SharedKeyConfig {
    /// The key's hash.
    #[must_use]
    pub fn hash(&self) -> PublicKeyHash {
        self.group.public_key().hash()
    }

    /// The share that a signer has, if it has one.
    #[must_use]
    pub fn share_of(&self, signer: &str) -> Option<ShareIndex> {
        self.holders().find(|(_, name)| *name == signer).map(|(index, _)| index)
    }

    /// Which signer has which share.
    pub fn holders(&self) -> impl Iterator<Item = (ShareIndex, &str)> {
        self.group.threshold().indices().zip(self.signers.iter().map(String::as_str))
    }

    pub(super) fn understand(
        typed: &typed::SharedKey,
        signers: &[SignerConfig],
    ) -> Result<SharedKeyConfig, SharedKeyWhy> {
        let count = typed.shares.len();
        let threshold = Threshold::new(typed.threshold, u8::try_from(count).unwrap_or(u8::MAX))?;
        let mut shares: Vec<&typed::SharedKeyShare> = typed.shares.iter().collect();
        shares.sort_by_key(|share| share.index);
        let indices = threshold.indices().map(ShareIndex::number);
        if !indices.eq(shares.iter().map(|share| share.index)) {
            return Err(SharedKeyWhy::Indices(count));
        }
        let public = |text: &str| -> Result<PublicKey, PublicKeyError> { text.parse() };
        let keys = shares.iter().map(|share| public(&share.public_key));
        let group = Group::new(
            threshold,
            public(&typed.public_key)?,
            keys.collect::<Result<Vec<_>, _>>()?,
        )?;
        let names = shares.iter().map(|share| share.signer.clone()).collect();
        check_signers(&names, signers)?;
        let config = SharedKeyConfig { group, signers: names };
        config.check_keys(signers)?;
        Ok(config)
    }

    /// Of one key there are shares, or the whole.
    fn check_keys(&self, signers: &[SignerConfig]) -> Result<(), SharedKeyWhy> {
        let hash = self.hash();
        let names_it =
            |signer: &&SignerConfig| signer.keys.as_ref().is_some_and(|keys| keys.contains(&hash));
        let mut others = signers.iter().filter(|signer| self.share_of(&signer.name).is_none());
        match others.find(names_it) {
            Some(signer) => Err(SharedKeyWhy::Whole(signer.name.clone())),
            None => Ok(()),
        }
    }
}

fn check_signers(names: &Vec<String>, signers: &[SignerConfig]) -> Result<(), SharedKeyWhy> {
    let mut seen = HashSet::new();
    for name in names {
        if !signers.iter().any(|signer| signer.name == *name) {
            return Err(SharedKeyWhy::NoSigner(name.clone()));
        }
        if !seen.insert(name) {
            return Err(SharedKeyWhy::TwoShares(name.clone()));
        }
    }
    Ok(())
}

/// No key twice.
pub(super) fn check_distinct(
    keys: &[SharedKeyConfig],
) -> Result<(), (PublicKeyHash, SharedKeyWhy)> {
    let mut seen = HashSet::new();
    match keys.iter().map(SharedKeyConfig::hash).find(|hash| !seen.insert(*hash)) {
        Some(hash) => Err((hash, SharedKeyWhy::Twice)),
        None => Ok(()),
    }
}
