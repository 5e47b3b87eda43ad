//! Hashes that say what they are of.

use std::iter;

use tezos::{Digest, blake2b_256};
use zeroize::Zeroizing;

/// The version of the protocol: of its messages, and of what they mean.
const PROTOCOL: &[u8] = b"peel ceremony 1";

/// BLAKE2b-256 of `parts`, each with its length before it, for one use that `of` names.
pub(super) fn digest(of: &str, parts: &[&[u8]]) -> Digest {
    blake2b_256(&joined(of, parts))
}

/// The same, before it is hashed: parts that are joined so cannot be taken apart in another way.
pub(super) fn joined(of: &str, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    // As long as all of it: a vector that grows leaves copies behind, and a part may be a secret.
    let length = parts.iter().map(|part| part.len() + 8).sum::<usize>();
    let mut bytes = Zeroizing::new(Vec::with_capacity(PROTOCOL.len() + 8 + of.len() + length));
    bytes.extend(PROTOCOL);
    for part in iter::once(of.as_bytes()).chain(parts.iter().copied()) {
        bytes.extend((part.len() as u64).to_be_bytes());
        bytes.extend(part);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_part_ends_and_what_it_is_of_counts() {
        let all = [
            digest("a", &[b"b", b"c"]),
            digest("a", &[b"bc"]),
            digest("a", &[b"b", b"c", b""]),
            digest("ab", &[b"c"]),
            digest("a", &[b"", b"bc"]),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(all.iter().skip(at + 1).all(|other| other != one), "{at}");
        }
    }
}
