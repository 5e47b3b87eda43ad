//! The numbers that secrets of tz4 keys are: those below the order of the group.

use ff::PrimeField;
use tezos::{Curve, SecretKey};
use zeroize::{DefaultIsZeroes, Zeroizing};

/// A number below the order of the group of BLS12-381.
#[derive(PrimeField)]
#[PrimeFieldModulus = "52435875175126190479447740508185965837690552500527637822603658699938581184513"]
#[PrimeFieldGenerator = "7"]
#[PrimeFieldReprEndianness = "little"]
pub(crate) struct Scalar([u64; 4]);

impl DefaultIsZeroes for Scalar {}

impl Scalar {
    /// From 32 bytes, little endian; none if that is no number below the order.
    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Option<Scalar> {
        Scalar::from_repr(ScalarRepr(bytes)).into()
    }

    /// 32 bytes, little endian.
    pub(crate) fn to_bytes(self) -> [u8; 32] {
        self.to_repr().0
    }

    /// The number that a secret key is; none if that is no tz4 key.
    pub(crate) fn of(secret: &SecretKey) -> Option<Scalar> {
        if secret.public_key().curve() != Curve::Bls {
            return None;
        }
        let bytes = Zeroizing::new(<[u8; 32]>::try_from(secret.to_bytes().as_slice()).ok()?);
        Scalar::from_bytes(*bytes)
    }

    /// The tz4 key that it is; none of 0.
    pub(crate) fn to_secret_key(self) -> Option<SecretKey> {
        let bytes = Zeroizing::new(self.to_bytes());
        SecretKey::from_bytes(Curve::Bls, bytes.as_slice()).ok()
    }

    /// Its public key, compressed; none of 0.
    pub(crate) fn to_point(self) -> Option<[u8; 48]> {
        self.to_secret_key()?.public_key().bytes().try_into().ok()
    }
}

#[cfg(test)]
mod tests {
    use ff::Field;

    use super::*;

    #[test]
    fn a_number_is_its_bytes_little_endian_and_below_the_order() {
        let seven = [&[7][..], &[0; 31]].concat().try_into().unwrap();
        assert_eq!(Scalar::from_bytes(seven), Some(Scalar::from(7)));
        assert_eq!(Scalar::from(7).to_bytes(), seven);
        let largest = (-Scalar::ONE).to_bytes();
        assert_eq!(
            hex::encode(largest),
            "00000000fffffffffe5bfeff02a4bd5305d8a10908d83933487d9d2953a7ed73"
        );
        let mut order = largest;
        order[0] = 1;
        assert_eq!(Scalar::from_bytes(order), None);
        assert_eq!(Scalar::from_bytes([0xff; 32]), None);
    }
}
