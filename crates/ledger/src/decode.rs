//! Keys and signatures as the app writes them, into those of the chain.

use tezos::{Curve, PublicKey, Signature};

use crate::path::Derivation;

/// A length byte, then a point: 02 and 32 bytes (ed25519), 04 and both coordinates (the others).
/// None when it is anything else.
pub(crate) fn public_key(derivation: Derivation, data: &[u8]) -> Option<PublicKey> {
    let (length, point) = data.split_first()?;
    if usize::from(*length) != point.len() {
        return None;
    }
    let curve = derivation.curve();
    let compressed = match (curve, point) {
        (Curve::Ed25519, [0x02, key @ ..]) => key.to_vec(),
        (Curve::Secp256k1 | Curve::P256, [0x04, coordinates @ ..]) => compress(coordinates)?,
        // The first half is the compressed key already.
        (Curve::Bls, [0x04, coordinates @ ..]) => coordinates.first_chunk::<48>()?.to_vec(),
        _ => return None,
    };
    PublicKey::new(curve, &compressed).ok()
}

/// SEC 1: 02 or 03 by the last bit of Y, then X.
fn compress(coordinates: &[u8]) -> Option<Vec<u8>> {
    let (x, y) = coordinates.split_first_chunk::<32>()?;
    let y: &[u8; 32] = y.try_into().ok()?;
    let mut key = vec![0x02 | (y.last()? & 1)];
    key.extend_from_slice(x);
    Some(key)
}

/// 64 bytes (ed25519), DER (secp256k1, P-256) or 96 bytes (BLS). None when it is anything else.
pub(crate) fn signature(derivation: Derivation, data: &[u8]) -> Option<Signature> {
    let curve = derivation.curve();
    match derivation {
        Derivation::Ed25519 | Derivation::Bip32Ed25519 | Derivation::Bls => {
            Signature::new(curve, data)
        }
        Derivation::Secp256k1 | Derivation::P256 => Signature::new(curve, &der(data)?),
    }
}

/// A sequence of two integers, each padded to 32 bytes. The low bit of the first byte is a parity
/// that the app adds: it is cleared.
fn der(data: &[u8]) -> Option<Vec<u8>> {
    let (tag, rest) = data.split_first()?;
    let (length, body) = rest.split_first()?;
    if tag & !1 != 0x30 || usize::from(*length) != body.len() {
        return None;
    }
    let (r, rest) = integer(body)?;
    let (s, rest) = integer(rest)?;
    rest.is_empty().then(|| [r, s].concat())
}

fn integer(data: &[u8]) -> Option<([u8; 32], &[u8])> {
    let [0x02, length, rest @ ..] = data else { return None };
    let (number, rest) = rest.split_at_checked(usize::from(*length))?;
    let number = match number {
        [0, number @ ..] => number,
        number => number,
    };
    let mut padded = [0; 32];
    let start = padded.len().checked_sub(number.len())?;
    padded.get_mut(start..)?.copy_from_slice(number);
    Some((padded, rest))
}
