//! Which key of the device: a derivation scheme and a path, as octez writes them.

use std::fmt;
use std::str::FromStr;

use tezos::Curve;
use thiserror::Error;

/// A key of the device: `secp256k1/0h/0h` is the secp256k1 key at 44h/1729h/0h/0h.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyPath {
    /// How the key is derived from the seed.
    pub derivation: Derivation,
    /// All of the path, the first two included. The high bit says hardened.
    path: Vec<u32>,
}

/// The derivation schemes of the app, in the order of their numbers (P2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Derivation {
    /// SLIP-10, tz1.
    Ed25519,
    /// BIP32, tz2. The fastest on a Nano S Plus.
    Secp256k1,
    /// SLIP-10, tz3.
    P256,
    /// BIP32-Ed25519, tz1. Slow: 0.8 s a signature on a Nano S Plus.
    Bip32Ed25519,
    /// EIP-2333, tz4. The app cannot sign votes in the form that the chain wants.
    Bls,
}

/// A text that names no key of the device.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{text:?} is no key of a Ledger: {why}; write CURVE/PATH, as in secp256k1/0h/0h")]
pub struct KeyPathError {
    text: String,
    why: &'static str,
}

const HARDENED: u32 = 0x8000_0000;
const PURPOSE: u32 = HARDENED | 44;
const TEZOS: u32 = HARDENED | 1729;
/// More than any wallet uses; the app takes ten.
const MAX_DEPTH: usize = 10;

impl Derivation {
    const NAMES: [(&'static str, Derivation); 7] = [
        ("ed25519", Derivation::Ed25519),
        ("secp256k1", Derivation::Secp256k1),
        ("P-256", Derivation::P256),
        ("bip25519", Derivation::Bip32Ed25519),
        ("bls12-381", Derivation::Bls),
        ("secp256r1", Derivation::P256),
        ("bip32-ed25519", Derivation::Bip32Ed25519),
    ];

    /// The number of the derivation in commands (P2).
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Derivation::Ed25519 => 0,
            Derivation::Secp256k1 => 1,
            Derivation::P256 => 2,
            Derivation::Bip32Ed25519 => 3,
            Derivation::Bls => 4,
        }
    }

    /// The derivation of this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Derivation> {
        Derivation::NAMES.iter().map(|(_, own)| *own).find(|own| own.number() == number)
    }

    /// The curve of its keys.
    #[must_use]
    pub fn curve(self) -> Curve {
        match self {
            Derivation::Ed25519 | Derivation::Bip32Ed25519 => Curve::Ed25519,
            Derivation::Secp256k1 => Curve::Secp256k1,
            Derivation::P256 => Curve::P256,
            Derivation::Bls => Curve::Bls,
        }
    }
}

impl KeyPath {
    /// The key that names a device: the ed25519 key at 44h/1729h, as octez does it.
    #[must_use]
    pub fn root() -> KeyPath {
        KeyPath { derivation: Derivation::Ed25519, path: vec![PURPOSE, TEZOS] }
    }

    /// Depth, then each part in four bytes: how commands carry it.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![u8::try_from(self.path.len()).unwrap_or(u8::MAX)];
        bytes.extend(self.path.iter().flat_map(|part| part.to_be_bytes()));
        bytes
    }

    /// Reads what [`KeyPath::to_bytes`] writes; none when the length is a lie.
    pub(crate) fn from_bytes(derivation: Derivation, bytes: &[u8]) -> Option<KeyPath> {
        let (depth, rest) = bytes.split_first()?;
        let (parts, []) = rest.as_chunks::<4>() else { return None };
        (parts.len() == usize::from(*depth)).then(|| KeyPath {
            derivation,
            path: parts.iter().map(|part| u32::from_be_bytes(*part)).collect(),
        })
    }
}

impl FromStr for KeyPath {
    type Err = KeyPathError;

    fn from_str(text: &str) -> Result<KeyPath, KeyPathError> {
        let error = |why| KeyPathError { text: text.to_owned(), why };
        let mut parts = text.split('/');
        let name = parts.next().unwrap_or_default();
        let derivation = Derivation::NAMES
            .iter()
            .find(|(own, _)| *own == name)
            .map(|(_, derivation)| *derivation)
            .ok_or_else(|| {
                error("its curve is none of ed25519, secp256k1, P-256, bip25519, bls12-381")
            })?;
        let mut path = vec![PURPOSE, TEZOS];
        for part in parts {
            path.push(parse_part(part).ok_or_else(|| error("a part of its path is no number"))?);
        }
        if path.len() > MAX_DEPTH {
            return Err(error("its path is too long"));
        }
        Ok(KeyPath { derivation, path })
    }
}

fn parse_part(part: &str) -> Option<u32> {
    let (digits, mark) = match part.strip_suffix(['h', '\'']) {
        Some(digits) => (digits, HARDENED),
        None => (part, 0),
    };
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.parse().ok().filter(|number: &u32| plain && *number < HARDENED)?;
    Some(number | mark)
}

impl fmt::Display for Derivation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Derivation::NAMES.iter().find(|(_, own)| own == self);
        f.write_str(name.map_or("?", |(name, _)| name))
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.derivation.fmt(f)?;
        for part in self.path.iter().skip(2) {
            let mark = if part & HARDENED == 0 { "" } else { "h" };
            write!(f, "/{}{mark}", part & !HARDENED)?;
        }
        Ok(())
    }
}
