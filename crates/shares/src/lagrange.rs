//! Where a polynomial is known at some places, what it is at another one: a sum of the known values, each times a factor
//! that depends on the places alone. The values may be points of a curve: the sum is then one of points.

use ff::Field;

use crate::ShareIndex;
use crate::scalar::Scalar;

/// Bits of a factor.
pub(crate) const BITS: usize = 255;

/// The place of the secret.
pub(crate) fn secret() -> Scalar {
    Scalar::ZERO
}

/// The place of a share.
pub(crate) fn place(index: ShareIndex) -> Scalar {
    Scalar::from(u64::from(index.number()))
}

/// The factors for the value at `wanted`, from those at `known`, each 32 bytes, little endian, one behind the other. None if
/// two of the known places are the same.
pub(crate) fn factors(wanted: Scalar, known: &[ShareIndex]) -> Option<Vec<u8>> {
    let mut factors = Vec::with_capacity(32 * known.len());
    for (at, own) in known.iter().enumerate() {
        let (mut above, mut below) = (Scalar::ONE, Scalar::ONE);
        for (_, other) in known.iter().enumerate().filter(|(other, _)| *other != at) {
            above *= wanted - place(*other);
            below *= place(*own) - place(*other);
        }
        let below: Option<Scalar> = below.invert().into();
        factors.extend((above * below?).to_bytes());
    }
    Some(factors)
}
