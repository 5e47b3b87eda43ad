//! The signature schemes of Tezos, by the key hash that names them.

use std::fmt;

use crate::base58::{self, Prefix};

/// A signature scheme. The tag is the one of the binary encodings (octez `lib_crypto/signature_v3.ml`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Curve {
    /// tz1.
    Ed25519,
    /// tz2.
    Secp256k1,
    /// tz3, also called secp256r1.
    P256,
    /// tz4: BLS12-381 with 48-byte public keys.
    Bls,
    /// tz5: ML-DSA-44. It cannot be a delegate or a consensus key; only its public parts are known here.
    MlDsa44,
}

impl Curve {
    /// All of them, in the order of their tags.
    pub const ALL: [Curve; 5] =
        [Curve::Ed25519, Curve::Secp256k1, Curve::P256, Curve::Bls, Curve::MlDsa44];

    /// The tag in binary encodings: 0 for tz1 to 4 for tz5.
    #[must_use]
    pub fn tag(self) -> u8 {
        match self {
            Curve::Ed25519 => 0,
            Curve::Secp256k1 => 1,
            Curve::P256 => 2,
            Curve::Bls => 3,
            Curve::MlDsa44 => 4,
        }
    }

    /// The curve with this tag, if there is one.
    #[must_use]
    pub fn from_tag(tag: u8) -> Option<Curve> {
        Curve::ALL.into_iter().find(|curve| curve.tag() == tag)
    }

    pub(crate) fn hash_prefix(self) -> &'static Prefix {
        match self {
            Curve::Ed25519 => &base58::TZ1,
            Curve::Secp256k1 => &base58::TZ2,
            Curve::P256 => &base58::TZ3,
            Curve::Bls => &base58::TZ4,
            Curve::MlDsa44 => &base58::TZ5,
        }
    }

    pub(crate) fn public_key_prefix(self) -> &'static Prefix {
        match self {
            Curve::Ed25519 => &base58::EDPK,
            Curve::Secp256k1 => &base58::SPPK,
            Curve::P256 => &base58::P2PK,
            Curve::Bls => &base58::BLPK,
            Curve::MlDsa44 => &base58::MDPK,
        }
    }

    pub(crate) fn signature_prefix(self) -> &'static Prefix {
        match self {
            Curve::Ed25519 => &base58::EDSIG,
            Curve::Secp256k1 => &base58::SPSIG,
            Curve::P256 => &base58::P2SIG,
            Curve::Bls => &base58::BLSIG,
            Curve::MlDsa44 => &base58::MDSIG,
        }
    }
}

impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Curve::Ed25519 => "ed25519",
            Curve::Secp256k1 => "secp256k1",
            Curve::P256 => "P-256",
            Curve::Bls => "BLS12-381",
            Curve::MlDsa44 => "ML-DSA-44",
        })
    }
}
