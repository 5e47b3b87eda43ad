//! What everybody may know of a key that is shared.

use blst::MultiPoint;
use blst::min_pk;
use tezos::{Curve, PublicKey, Statement};
use thiserror::Error;

use crate::lagrange::{self, BITS};
use crate::scalar::Scalar;
use crate::{PartialSignature, ShareIndex, Threshold};

/// The public key of the whole, and of each share. They belong together: that is checked when it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    threshold: Threshold,
    public_key: PublicKey,
    /// By the place of the share.
    shares: Vec<PublicKey>,
}

/// Public keys that are not those of one key and its shares.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GroupError {
    /// Not a tz4 key.
    #[error("{0} is no key of tz4; only such keys can be shared")]
    Curve(PublicKey),
    /// Fewer or more public keys than shares.
    #[error("{threshold} shares, and {given} public keys of shares; give one for each")]
    Count {
        /// As it is said.
        threshold: Threshold,
        /// Public keys that are there.
        given: usize,
    },
    /// A share of another key, of another index, or of another splitting.
    #[error(
        "the public key of share {0} does not belong to the others; take all of them from one \"peel key split\" or one \
         ceremony, in their order"
    )]
    Foreign(ShareIndex),
    /// Fewer than the threshold are the key.
    #[error(
        "fewer than {0} of these shares make the key; write the threshold that it was split with"
    )]
    Fewer(u8),
    /// The shares belong together, and make another key.
    #[error(
        "these are the shares of another key than {0}; take all of them from one \"peel key split\" or one ceremony"
    )]
    OtherKey(PublicKey),
}

impl Group {
    /// A key and its shares, in the order of their indices.
    ///
    /// # Errors
    /// When they do not belong together.
    pub fn new(
        threshold: Threshold,
        public_key: PublicKey,
        shares: Vec<PublicKey>,
    ) -> Result<Group, GroupError> {
        if shares.len() != usize::from(threshold.shares()) {
            return Err(GroupError::Count { threshold, given: shares.len() });
        }
        let points = shares.iter().map(point).collect::<Result<Vec<_>, _>>()?;
        let needed = usize::from(threshold.needed());
        let of = |wanted, count| value_at(wanted, points.get(..count).unwrap_or_default());
        for (index, share) in threshold.indices().zip(&shares).skip(needed) {
            if of(lagrange::place(index), needed) != *share.bytes() {
                return Err(GroupError::Foreign(index));
            }
        }
        let secret = lagrange::secret();
        if of(secret, needed) != *public_key.bytes() {
            return Err(GroupError::OtherKey(public_key));
        }
        if of(secret, needed - 1) == *public_key.bytes() {
            return Err(GroupError::Fewer(threshold.needed()));
        }
        Ok(Group { threshold, public_key, shares })
    }

    /// How many of how many make a signature.
    #[must_use]
    pub fn threshold(&self) -> Threshold {
        self.threshold
    }

    /// The key, as the chain knows it.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The public key of a share, if there is one of that index.
    #[must_use]
    pub fn share(&self, index: ShareIndex) -> Option<&PublicKey> {
        self.shares.get(index.place())
    }

    /// The public keys of all shares, in the order of their indices.
    pub fn shares(&self) -> impl Iterator<Item = &PublicKey> {
        self.shares.iter()
    }

    /// Whether a partial signature is of its share, and for this statement.
    #[must_use]
    pub fn verifies(&self, partial: &PartialSignature, statement: Statement<'_>) -> bool {
        let share = self.share(partial.index());
        share
            .is_some_and(|key| key.verifies_share(&self.public_key, statement, partial.signature()))
    }
}

/// The public key at a place, from those of the first shares.
fn value_at(wanted: Scalar, first: &[min_pk::PublicKey]) -> [u8; 48] {
    let indices = (1..).map_while(|number| ShareIndex::new(number).ok());
    let known: Vec<ShareIndex> = indices.take(first.len()).collect();
    let factors = lagrange::factors(wanted, &known).unwrap_or_default();
    first.mult(&factors, BITS).to_public_key().compress()
}

fn point(key: &PublicKey) -> Result<min_pk::PublicKey, GroupError> {
    let is_bls = key.curve() == Curve::Bls;
    let point = is_bls.then(|| min_pk::PublicKey::key_validate(key.bytes()).ok()).flatten();
    point.ok_or_else(|| GroupError::Curve(key.clone()))
}
