//! Factors of points, as short numbers and signs: 2 and -1 for the parts of the shares 1 and 2. A point is multiplied by one
//! byte sooner than by 32.

use crate::scalar::Scalar;

/// A factor: the shorter of it and its opposite.
pub(crate) struct ShortFactor {
    /// It is the opposite.
    pub(crate) is_opposite: bool,
    number: [u8; 32],
}

impl ShortFactor {
    /// Of 32 bytes, little endian; none if they are no number below the order.
    pub(crate) fn of(factor: [u8; 32]) -> Option<ShortFactor> {
        let opposite = (-Scalar::from_bytes(factor)?).to_bytes();
        let is_opposite = opposite.iter().rev().lt(factor.iter().rev());
        Some(ShortFactor { is_opposite, number: if is_opposite { opposite } else { factor } })
    }

    /// The bytes that it takes.
    pub(crate) fn length(&self) -> usize {
        self.number.iter().rposition(|byte| *byte != 0).map_or(1, |last| last + 1)
    }

    /// Its first bytes, little endian.
    pub(crate) fn bytes(&self, length: usize) -> impl Iterator<Item = u8> {
        self.number.into_iter().take(length)
    }
}

#[cfg(test)]
mod tests {
    use ff::Field;

    use super::*;

    #[test]
    fn a_small_number_and_its_opposite_take_a_byte() {
        for (factor, is_opposite, bytes) in [
            (Scalar::from(2), false, vec![2]),
            (-Scalar::ONE, true, vec![1]),
            (Scalar::from(255), false, vec![255]),
            (-Scalar::from(256), true, vec![0, 1]),
        ] {
            let short = ShortFactor::of(factor.to_bytes()).unwrap();
            assert_eq!(short.is_opposite, is_opposite);
            assert_eq!(short.bytes(short.length()).collect::<Vec<_>>(), bytes);
        }
    }

    #[test]
    fn a_fraction_takes_all_of_them() {
        let half = Scalar::from(2).invert().unwrap();
        assert_eq!(ShortFactor::of(half.to_bytes()).unwrap().length(), 32);
        assert!(ShortFactor::of([0xff; 32]).is_none());
    }
}
