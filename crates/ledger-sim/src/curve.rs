//! The five kinds of key, as the app's P2 names them.

/// How a key is derived and what it signs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Curve {
    /// P2 = 0: Ed25519, derived as SLIP-10 says (tz1).
    Ed25519,
    /// P2 = 1: secp256k1, derived as BIP32 says (tz2).
    Secp256k1,
    /// P2 = 2: NIST P-256, derived as SLIP-10 says (tz3).
    Secp256r1,
    /// P2 = 3: Ed25519, derived as Ledger's BIP32-Ed25519 says (tz1).
    Bip32Ed25519,
    /// P2 = 4: BLS12-381, derived as EIP-2333 says (tz4).
    Bls,
}

impl Curve {
    /// The curve that a P2 names.
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Ed25519),
            1 => Some(Self::Secp256k1),
            2 => Some(Self::Secp256r1),
            3 => Some(Self::Bip32Ed25519),
            4 => Some(Self::Bls),
            _ => None,
        }
    }

    /// The P2 that names this curve.
    pub(crate) fn to_byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0,
            Self::Secp256k1 => 1,
            Self::Secp256r1 => 2,
            Self::Bip32Ed25519 => 3,
            Self::Bls => 4,
        }
    }

    /// The tag of this curve's keys and hashes inside an operation.
    pub(crate) fn operation_tag(self) -> u8 {
        match self {
            Self::Ed25519 | Self::Bip32Ed25519 => 0,
            Self::Secp256k1 => 1,
            Self::Secp256r1 => 2,
            Self::Bls => 3,
        }
    }
}
