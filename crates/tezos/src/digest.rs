//! BLAKE2b as the chain uses it.

use blake2::Blake2b;
use blake2::digest::Digest as _;
use blake2::digest::consts::{U20, U32};

/// A BLAKE2b digest of 32 bytes: what tz1, tz2 and tz3 keys sign, and how the store knows bytes again.
pub type Digest = [u8; 32];

/// BLAKE2b-256 of `bytes`.
#[must_use]
pub fn blake2b_256(bytes: &[u8]) -> Digest {
    Blake2b::<U32>::digest(bytes).into()
}

/// BLAKE2b-160 of `bytes`: a public key's hash.
pub(crate) fn blake2b_160(bytes: &[u8]) -> [u8; 20] {
    Blake2b::<U20>::digest(bytes).into()
}
