//! ECDSA keys, and signatures as the app answers them.

use k256::elliptic_curve::scalar::IsHigh as _;
use k256::elliptic_curve::sec1::{FromSec1Point, ModulusSize, ToSec1Point};
use k256::elliptic_curve::{AffinePoint, CurveArithmetic, FieldBytesSize, SecretKey};

use super::DerivationError;
use super::bip32::{self, Master};
use super::seed::Seed;

/// A key on a Weierstrass curve.
#[derive(Debug)]
pub(crate) struct Key<C: CurveArithmetic>(SecretKey<C>);

impl<C> Key<C>
where
    C: Master + Sign,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
{
    pub(super) fn derive(seed: &Seed, path: &[u32]) -> Result<Self, DerivationError> {
        bip32::derive(seed, path).map(Self)
    }

    /// 04, X, Y.
    pub(super) fn public_key(&self) -> Vec<u8> {
        self.0.public_key().as_affine().to_sec1_point(false).as_bytes().to_vec()
    }

    /// 02 or 03, X.
    pub(super) fn compressed_public_key(&self) -> Vec<u8> {
        bip32::compressed(&self.0.public_key())
    }

    pub(super) fn sign(&self, digest: &[u8; 32]) -> Vec<u8> {
        C::sign(&self.0, digest).der()
    }
}

/// Signing a digest: RFC 6979 with SHA-256, and s made low.
pub(crate) trait Sign: CurveArithmetic {
    fn sign(key: &SecretKey<Self>, digest: &[u8; 32]) -> Signature;
}

impl Sign for k256::Secp256k1 {
    /// The library makes s low by itself on this curve.
    fn sign(key: &SecretKey<Self>, digest: &[u8; 32]) -> Signature {
        let (signature, id) = k256::ecdsa::SigningKey::from(key).sign_prehash_recoverable(digest);
        let (r, s) = signature.split_bytes();
        Signature { r: r.into(), s: s.into(), is_odd: id.is_y_odd() }
    }
}

impl Sign for p256::NistP256 {
    fn sign(key: &SecretKey<Self>, digest: &[u8; 32]) -> Signature {
        let (signature, id) = p256::ecdsa::SigningKey::from(key).sign_prehash_recoverable(digest);
        let is_high = bool::from(signature.s().is_high());
        let (r, s) = signature.normalize_s().split_bytes();
        Signature { r: r.into(), s: s.into(), is_odd: id.is_y_odd() != is_high }
    }
}

/// A signature with a low s.
pub(crate) struct Signature {
    r: [u8; 32],
    s: [u8; 32],
    /// Whether the nonce's point, negated along with s, has an odd y.
    is_odd: bool,
}

impl Signature {
    /// A DER sequence of two integers; the app puts the parity in the lowest bit of its tag.
    fn der(&self) -> Vec<u8> {
        let integers = [der_integer(&self.r), der_integer(&self.s)].concat();
        [vec![0x30 | u8::from(self.is_odd), short_length(&integers)], integers].concat()
    }
}

fn der_integer(number: &[u8; 32]) -> Vec<u8> {
    let digits = number.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<_>>();
    let sign = if digits.first().is_none_or(|first| first & 0x80 != 0) { &[0][..] } else { &[] };
    let content = [sign, digits.as_slice()].concat();
    [vec![0x02, short_length(&content)], content].concat()
}

/// A DER length below 128; two integers of 33 bytes make 70.
fn short_length(content: &[u8]) -> u8 {
    u8::try_from(content.len()).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Such r and s come once in 2^8 and 2^16 signatures.
    #[test]
    fn der_drops_leading_zeroes_and_keeps_numbers_positive() {
        let (mut r, mut s) = ([0; 32], [0; 32]);
        (r[31], s[30], s[31]) = (0x7f, 0x80, 0x01);
        let der = |is_odd| Signature { r, s, is_odd }.der();
        assert_eq!(der(false), [0x30, 8, 2, 1, 0x7f, 2, 3, 0, 0x80, 0x01]);
        assert_eq!(der(true).first(), Some(&0x31));
    }
}
