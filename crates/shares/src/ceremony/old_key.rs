//! The key that is reshared, and which of its shares deal. All dealers have to say the same of it.

use thiserror::Error;

use super::block::{Block, BlockError, Reader};
use super::body::{BodyError, key};
use super::commitments::{Point, times};
use crate::{Group, ShareIndex, Threshold, lagrange};

/// A key, and as many of its shares as make a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OldKey {
    group: Group,
    dealers: Vec<ShareIndex>,
}

/// What are no dealers. *Misused*.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the dealers have to be {} different shares of {}, the same at each of them", .0.needed(), .0.shares())]
pub struct DealersError(Threshold);

impl OldKey {
    /// Sorts the dealers.
    pub(super) fn new(group: Group, dealers: &[ShareIndex]) -> Result<OldKey, DealersError> {
        let (threshold, mut sorted) = (group.threshold(), dealers.to_vec());
        sorted.sort_unstable();
        sorted.dedup();
        let exist = sorted.iter().all(|index| group.share(*index).is_some());
        let suffice = sorted.len() == usize::from(threshold.needed());
        if !exist || !suffice || sorted.len() != dealers.len() {
            return Err(DealersError(threshold));
        }
        Ok(OldKey { group, dealers: sorted })
    }

    /// What all may know of the key.
    pub(super) fn group(&self) -> &Group {
        &self.group
    }

    /// The shares that deal, sorted.
    pub(super) fn dealers(&self) -> &[ShareIndex] {
        &self.dealers
    }

    /// Whether this share deals.
    pub(super) fn is_dealer(&self, index: ShareIndex) -> bool {
        self.dealers.contains(&index)
    }

    /// By what the secret of a dealer is multiplied, so that all of them together are the key: 32 bytes, little endian.
    pub(super) fn factor(&self, dealer: ShareIndex) -> Option<[u8; 32]> {
        let factors = lagrange::factors(lagrange::secret(), &self.dealers)?;
        let (factors, _) = factors.as_chunks::<32>();
        let at = self.dealers.iter().position(|index| *index == dealer)?;
        factors.get(at).copied()
    }

    /// The public key of what a dealer has to deal.
    pub(super) fn part(&self, dealer: ShareIndex) -> Option<Point> {
        let public_key: &Point = self.group.share(dealer)?.bytes().try_into().ok()?;
        times(public_key, &self.factor(dealer)?)
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<OldKey, BodyError> {
        let needed = reader.parse("old-threshold")?;
        let public_key = key(reader.one("old-public-key")?, "old-public-key")?;
        let shares: Vec<Point> = reader.bytes("old-shares")?;
        let count = u8::try_from(shares.len()).unwrap_or(u8::MAX);
        let threshold = Threshold::new(needed, count)?;
        let shares = shares.into_iter().map(|share| key(share, "old-shares"));
        let group = Group::new(threshold, public_key, shares.collect::<Result<_, _>>()?)?;
        let dealers = reader.bytes::<1>("dealers")?.into_iter();
        let dealers =
            dealers.map(|[number]| ShareIndex::new(number)).collect::<Result<Vec<_>, _>>();
        let dealers = dealers.map_err(|_| BlockError::Value("dealers"))?;
        Ok(OldKey::new(group, &dealers)?)
    }

    pub(super) fn write(&self, block: Block) -> Block {
        let dealers: Vec<[u8; 1]> = self.dealers.iter().map(|index| [index.number()]).collect();
        let shares = self.group.threshold().indices().filter_map(|index| self.group.share(index));
        let shares: String = shares.map(|share| hex::encode(share.bytes())).collect();
        block
            .with("old-threshold", self.group.threshold().needed().to_string())
            .with("old-public-key", hex::encode(self.group.public_key().bytes()))
            .with("old-shares", shares)
            .with_bytes("dealers", &dealers)
    }
}
