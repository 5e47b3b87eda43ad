//! BIP32 on secp256k1, and the same on P-256 as SLIP-10 defines it.

use k256::elliptic_curve::sec1::{FromSec1Point, ModulusSize, ToSec1Point};
use k256::elliptic_curve::{
    AffinePoint, CurveArithmetic, FieldBytesSize, NonZeroScalar, PublicKey, Scalar, SecretKey,
};

use super::DerivationError;
use super::seed::{Seed, hmac_halves};
use crate::path::is_hardened;

/// What the master key's HMAC is keyed with.
pub(crate) trait Master {
    const MASTER: &'static [u8];
}

impl Master for k256::Secp256k1 {
    const MASTER: &'static [u8] = b"Bitcoin seed";
}

impl Master for p256::NistP256 {
    const MASTER: &'static [u8] = b"Nist256p1 seed";
}

pub(super) fn derive<C>(seed: &Seed, path: &[u32]) -> Result<SecretKey<C>, DerivationError>
where
    C: CurveArithmetic + Master,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
{
    let (mut left, mut chain) = hmac_halves(C::MASTER, &[seed.as_bytes()]);
    while SecretKey::<C>::from_slice(&left).is_err() {
        (left, chain) = hmac_halves(C::MASTER, &[&left, &chain]);
    }
    let mut key = SecretKey::from_slice(&left).map_err(|_| DerivationError::NoKey)?;
    for component in path {
        (key, chain) = child(&key, chain, *component)?;
    }
    Ok(key)
}

fn child<C>(
    parent: &SecretKey<C>,
    chain: [u8; 32],
    component: u32,
) -> Result<(SecretKey<C>, [u8; 32]), DerivationError>
where
    C: CurveArithmetic,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
{
    let named = if is_hardened(component) {
        [&[0], parent.to_bytes().as_slice()].concat()
    } else {
        compressed(&parent.public_key())
    };
    let (left, right) = hmac_halves(&chain, &[&named, &component.to_be_bytes()]);
    let tweak = SecretKey::<C>::from_slice(&left).map_err(|_| DerivationError::NoKey)?;
    let sum: Scalar<C> = *tweak.to_nonzero_scalar() + *parent.to_nonzero_scalar();
    let key = NonZeroScalar::<C>::new(sum).into_option().ok_or(DerivationError::NoKey)?;
    Ok((SecretKey::from(key), right))
}

pub(super) fn compressed<C>(key: &PublicKey<C>) -> Vec<u8>
where
    C: CurveArithmetic,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
{
    key.as_affine().to_sec1_point(true).as_bytes().to_vec()
}
