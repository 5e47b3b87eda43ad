//! What a dealer publishes of its polynomial (Feldman 1987): each coefficient times the generator of G1. With it, every
//! value of the polynomial can be checked, and its public key computed, without the polynomial.

use blst::min_pk;
use blst::{BLST_ERROR, MultiPoint};
use ff::Field;
use tezos::{Curve, PublicKey};
use thiserror::Error;

use crate::lagrange::{self, BITS};
use crate::scalar::Scalar;
use crate::{Group, ShareIndex, Threshold};

/// A point of G1, compressed.
pub(super) type Point = [u8; 48];

/// Points of the right group, none of them at infinity, as many as the threshold says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Commitments {
    bytes: Vec<Point>,
    points: Vec<min_pk::PublicKey>,
}

/// What are no commitments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CommitmentsError {
    /// A polynomial of another degree would need another number of shares.
    #[error("it has {given} commitments, and {needed} belong to this threshold")]
    Count {
        /// Commitments that are there.
        given: usize,
        /// Commitments that the threshold wants.
        needed: u8,
    },
    /// No point, one of another group, or the one at infinity.
    #[error("its commitment {0} is no point of the group")]
    Point(usize),
}

impl Commitments {
    /// Checks them: each point, and how many there are.
    pub(super) fn new(
        bytes: Vec<Point>,
        threshold: Threshold,
    ) -> Result<Commitments, CommitmentsError> {
        let (given, needed) = (bytes.len(), threshold.needed());
        if given != usize::from(needed) {
            return Err(CommitmentsError::Count { given, needed });
        }
        let points = bytes
            .iter()
            .enumerate()
            .map(|(at, point)| validated(point).map_err(|_| CommitmentsError::Point(at + 1)));
        let points = points.collect::<Result<_, _>>()?;
        Ok(Commitments { bytes, points })
    }

    /// As they are sent.
    pub(super) fn bytes(&self) -> &[Point] {
        &self.bytes
    }

    /// The public key of the constant.
    pub(super) fn constant(&self) -> Option<&Point> {
        self.bytes.first()
    }

    /// Whether a value is the polynomial's at the place of a share.
    pub(super) fn fit(&self, index: ShareIndex, value: &Scalar) -> bool {
        let public_key = value.to_point();
        public_key.is_some_and(|public_key| public_key == self.at(index))
    }

    /// The public key of the value at the place of a share.
    fn at(&self, index: ShareIndex) -> Point {
        let place = lagrange::place(index);
        let powers = self.points.iter().scan(Scalar::ONE, |power, _| {
            let this = power.to_bytes();
            *power *= place;
            Some(this)
        });
        let powers: Vec<u8> = powers.flatten().collect();
        self.points.mult(&powers, BITS).to_public_key().compress()
    }
}

/// The key that several polynomials make together: its secret is the sum of their constants. None if their commitments make
/// no key, which takes a sum that is 0.
pub(super) fn group(threshold: Threshold, all: &[&Commitments]) -> Option<Group> {
    let sums = (0..usize::from(threshold.needed())).map(|at| sum(at, all));
    let bytes: Vec<Point> = sums.collect::<Option<_>>()?;
    let sum = Commitments::new(bytes, threshold).ok()?;
    let key = |point: &Point| PublicKey::new(Curve::Bls, point).ok();
    let shares =
        threshold.indices().map(|index| key(&sum.at(index))).collect::<Option<Vec<_>>>()?;
    Group::new(threshold, key(sum.constant()?)?, shares).ok()
}

fn sum(at: usize, all: &[&Commitments]) -> Option<Point> {
    let points = all.iter().map(|one| one.points.get(at).copied()).collect::<Option<Vec<_>>>()?;
    // The library adds up at least one point.
    (!points.is_empty()).then(|| points.add().to_public_key().compress())
}

/// A point times a number, as of a public key and a Lagrange factor.
pub(super) fn times(point: &Point, factor: &[u8; 32]) -> Option<Point> {
    let point = validated(point).ok()?;
    Some([point].mult(factor, BITS).to_public_key().compress())
}

fn validated(point: &Point) -> Result<min_pk::PublicKey, BLST_ERROR> {
    min_pk::PublicKey::key_validate(point)
}
