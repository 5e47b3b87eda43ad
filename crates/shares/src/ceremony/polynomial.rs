//! The polynomial of one dealer: its value at the place of a share is that share's part, its constant the dealer's secret.
//!
//! The value is computed here, and not by `vsss-rs`: that shows no coefficients, which have to be committed to, and its
//! Feldman scheme wants points of another library than `blst`.

use ff::Field;
use tezos::SecretKey;
use vsss_rs::elliptic_curve::rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::commitments::Point;
use crate::Threshold;
use crate::scalar::Scalar;

/// Coefficients, the constant first. It zeroises itself.
pub(super) struct Polynomial(Zeroizing<Vec<Scalar>>);

impl Polynomial {
    /// Any, of which as many values are needed as the threshold says.
    pub(super) fn random(threshold: Threshold, rng: &mut impl CryptoRng) -> Polynomial {
        let constant = Zeroizing::new(Scalar::random(rng));
        Polynomial::with_constant(&constant, threshold, rng)
    }

    /// Any with this constant.
    pub(super) fn with_constant(
        constant: &Scalar,
        threshold: Threshold,
        rng: &mut impl CryptoRng,
    ) -> Polynomial {
        // Of its whole size at once: a vector that grows leaves copies behind.
        let mut coefficients = Zeroizing::new(Vec::with_capacity(usize::from(threshold.needed())));
        coefficients.push(*constant);
        coefficients.extend((1..threshold.needed()).map(|_| Scalar::random(rng)));
        Polynomial(coefficients)
    }

    /// From coefficients that were kept.
    pub(super) fn from_coefficients(
        bytes: &[[u8; 32]],
        threshold: Threshold,
    ) -> Option<Polynomial> {
        if bytes.len() != usize::from(threshold.needed()) {
            return None;
        }
        let mut coefficients = Zeroizing::new(Vec::with_capacity(bytes.len()));
        for bytes in bytes {
            coefficients.push(Scalar::from_bytes(*bytes)?);
        }
        Some(Polynomial(coefficients))
    }

    /// The coefficients, to be kept.
    pub(super) fn to_coefficients(&self) -> Zeroizing<Vec<[u8; 32]>> {
        Zeroizing::new(self.0.iter().map(|coefficient| coefficient.to_bytes()).collect())
    }

    /// Its value (Horner).
    pub(super) fn at(&self, place: Scalar) -> Zeroizing<Scalar> {
        let value = self.0.iter().rev();
        Zeroizing::new(value.fold(Scalar::ZERO, |sum, coefficient| sum * place + coefficient))
    }

    /// Its constant as a key. None if it is 0, once in 2^255.
    pub(super) fn constant(&self) -> Option<SecretKey> {
        self.0.first()?.to_secret_key()
    }

    /// Each coefficient times the generator (Feldman). None if one is 0, once in 2^255.
    pub(super) fn commitments(&self) -> Option<Vec<Point>> {
        self.0.iter().map(|coefficient| coefficient.to_point()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_that_of_the_formula() {
        let bytes = [5, 3, 2].map(|coefficient| Scalar::from(coefficient).to_bytes());
        let threshold = Threshold::new(3, 5).unwrap();
        let polynomial = Polynomial::from_coefficients(&bytes, threshold).unwrap();
        assert_eq!(*polynomial.at(Scalar::ZERO), Scalar::from(5));
        assert_eq!(*polynomial.at(Scalar::from(4)), Scalar::from(5 + 3 * 4 + 2 * 16));
        assert_eq!(*polynomial.to_coefficients(), bytes);
        assert!(Polynomial::from_coefficients(&[[0xff; 32]; 3], threshold).is_none());
        assert!(Polynomial::from_coefficients(&bytes[..2], threshold).is_none());
    }
}
