//! A key that exists, split.

use tezos::{Curve, PublicKey, SecretKey};
use thiserror::Error;
use vsss_rs::elliptic_curve::rand_core::CryptoRng;
use vsss_rs::{IdentifierPrimeField, PrimeFieldShare, Share as _, shamir};
use zeroize::Zeroize;

use crate::scalar::Scalar;
use crate::{Group, Share, Threshold};

/// Why a key was not split.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SplitError {
    /// Not a tz4 key.
    #[error("{0} is no key of tz4; only such keys can be shared")]
    Curve(PublicKey),
    /// The library did not do it, or made something else: nothing was given out.
    #[error("the key could not be split; try again, and report it if that happens twice")]
    Library,
}

/// Splits `secret` into shares, which are checked against each other and against the key's own public key. Any
/// `threshold.needed()` of them are the key; from then on it need not be anywhere.
///
/// # Errors
/// When it is no tz4 key.
pub fn split(
    secret: &SecretKey,
    threshold: Threshold,
    rng: impl CryptoRng,
) -> Result<Vec<Share>, SplitError> {
    let public_key = secret.public_key();
    if public_key.curve() != Curve::Bls {
        return Err(SplitError::Curve(public_key.clone()));
    }
    shares(secret, threshold, rng).ok_or(SplitError::Library)
}

fn shares(secret: &SecretKey, threshold: Threshold, rng: impl CryptoRng) -> Option<Vec<Share>> {
    let mut scalar = IdentifierPrimeField(Scalar::of(secret)?);
    let (needed, count) = (usize::from(threshold.needed()), usize::from(threshold.shares()));
    let made = shamir::split_secret::<PrimeFieldShare<Scalar>>(needed, count, &scalar, rng);
    scalar.0.zeroize();
    let mut made = made.ok()?;
    let secrets = made.iter().map(|share| share.value().0.to_secret_key());
    let secrets: Option<Vec<SecretKey>> = secrets.collect();
    made.iter_mut().for_each(|share| share.value_mut().0.zeroize());
    let secrets = secrets?;
    let public = secrets.iter().map(|secret| secret.public_key().clone()).collect();
    let group = Group::new(threshold, secret.public_key().clone(), public).ok()?;
    let shares = threshold.indices().zip(secrets);
    shares.map(|(index, secret)| Share::new(group.clone(), index, secret).ok()).collect()
}
