//! BIP32-Ed25519 (Khovratovich and Law) with Ledger's way to the master key.
//!
//! As in `src/bolos/os_bip32.c` of the emulator; the 32-byte halves are little-endian numbers.
//!
//! The app then takes the scalar at the path for an Ed25519 *seed*, which is hashed once more: the
//! key is not the one that the paper signs with. The recordings say so.

use ed25519_dalek::VerifyingKey;
use ed25519_dalek::hazmat::ExpandedSecretKey;

use super::DerivationError;
use super::ed25519::{Key, MASTER};
use super::seed::{Seed, hmac_halves, hmac_sha256, hmac_sha512};
use crate::path::is_hardened;

pub(super) fn derive(seed: &Seed, path: &[u32]) -> Result<Key, DerivationError> {
    let mut node = Node::master(seed);
    for component in path {
        node = node.child(*component);
    }
    Ok(Key::from_seed(&node.scalar))
}

/// A key (scalar, then prefix) and its chain code.
struct Node {
    scalar: [u8; 32],
    prefix: [u8; 32],
    chain: [u8; 32],
}

impl Node {
    fn master(seed: &Seed) -> Self {
        let chain = hmac_sha256(MASTER, &[&[1], seed.as_bytes()]);
        let (mut scalar, mut prefix) = hmac_halves(MASTER, &[seed.as_bytes()]);
        // The third highest bit must be clear, so that no child overflows.
        while has_third_highest_bit(&scalar) {
            (scalar, prefix) = hmac_halves(MASTER, &[&scalar, &prefix]);
        }
        let [first, .., last] = &mut scalar;
        *first &= 0xf8;
        *last = (*last & 0x7f) | 0x40;
        Self { scalar, prefix, chain }
    }

    fn child(&self, component: u32) -> Self {
        let index = component.to_le_bytes();
        let (z, chain) = if is_hardened(component) {
            let parent = [self.scalar, self.prefix].concat();
            (self.hmac(0, &parent, index), self.hmac(1, &parent, index))
        } else {
            let parent = scalar_times_base(&self.scalar);
            (self.hmac(2, &parent, index), self.hmac(3, &parent, index))
        };
        let ((z_left, z_right), (_, chain)) = (halves(&z), halves(&chain));
        Self {
            scalar: sum(&self.scalar, &eight_times_first_28_bytes(&z_left)),
            prefix: sum(&self.prefix, &z_right),
            chain,
        }
    }

    fn hmac(&self, tag: u8, parent: &[u8], index: [u8; 4]) -> [u8; 64] {
        hmac_sha512(&self.chain, &[&[tag], parent, &index])
    }
}

/// The public key whose private scalar this is, unhashed.
fn scalar_times_base(scalar: &[u8; 32]) -> [u8; 32] {
    let mut expanded = [0; 64];
    expanded.iter_mut().zip(scalar).for_each(|(to, from)| *to = *from);
    VerifyingKey::from(&ExpandedSecretKey::from_bytes(&expanded)).to_bytes()
}

fn has_third_highest_bit(scalar: &[u8; 32]) -> bool {
    let [.., last] = scalar;
    last & 0x20 != 0
}

fn halves(bytes: &[u8; 64]) -> ([u8; 32], [u8; 32]) {
    let mut both = bytes.iter().copied();
    let mut half = || std::array::from_fn(|_| both.next().unwrap_or_default());
    (half(), half())
}

/// `a + b` modulo 2^256, little-endian.
fn sum(a: &[u8; 32], b: &[u8; 32]) -> [u8; 32] {
    let mut carry = 0;
    let mut digits = a.iter().zip(b).map(|(a, b)| {
        let digit = u16::from(*a) + u16::from(*b) + carry;
        carry = digit >> 8;
        digit.to_le_bytes()[0]
    });
    std::array::from_fn(|_| digits.next().unwrap_or_default())
}

fn eight_times_first_28_bytes(z: &[u8; 32]) -> [u8; 32] {
    let mut cut = *z;
    cut.iter_mut().skip(28).for_each(|byte| *byte = 0);
    let twice = sum(&cut, &cut);
    let four_times = sum(&twice, &twice);
    sum(&four_times, &four_times)
}
