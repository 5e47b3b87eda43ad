//! The seed, and the HMACs that every derivation is built from.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Sha256, Sha512};

/// The 64 bytes that a BIP39 mnemonic stands for.
#[derive(Clone)]
pub(crate) struct Seed([u8; 64]);

/// BIP39, "From mnemonic to seed".
const ROUNDS: u32 = 2048;

impl Seed {
    /// The seed of a mnemonic with an empty passphrase. Whether the words are BIP39's and their
    /// checksum holds is not looked at.
    pub(crate) fn from_mnemonic(mnemonic: &str) -> Self {
        let words = mnemonic.split_whitespace().collect::<Vec<_>>().join(" ");
        Self(pbkdf2::pbkdf2_hmac_array::<Sha512, 64>(words.as_bytes(), b"mnemonic", ROUNDS))
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// HMAC-SHA512, in the two halves that derivations cut it into.
pub(crate) fn hmac_halves(key: &[u8], parts: &[&[u8]]) -> ([u8; 32], [u8; 32]) {
    let digest = hmac_sha512(key, parts);
    let (mut left, mut right) = ([0; 32], [0; 32]);
    for (to, from) in left.iter_mut().chain(&mut right).zip(digest) {
        *to = from;
    }
    (left, right)
}

pub(crate) fn hmac_sha512(key: &[u8], parts: &[&[u8]]) -> [u8; 64] {
    // An HMAC takes a key of any length: the error cannot occur.
    let Ok(mut mac) = Hmac::<Sha512>::new_from_slice(key) else { return [0; 64] };
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

pub(crate) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // An HMAC takes a key of any length: the error cannot occur.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}
