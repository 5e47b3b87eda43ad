//! P-256 private keys whose secret scalar begins with a zero byte: one in 256.
//!
//! OpenSSH writes the scalar as the shortest integer that holds it (`mpint`, RFC 4251 §5); ssh-key 0.7.0-rc.11
//! takes no fewer than 32 bytes. Here the scalar gets its zeros back before ssh-key reads the key. The layout is
//! that of OpenSSH's `PROTOCOL.key`.

use pem_rfc7468::Decoder;
use zeroize::Zeroizing;

const MAGIC: &[u8] = b"openssh-key-v1\0";
const UNENCRYPTED: &[u8] = b"none";
const P256: &[u8] = b"ecdsa-sha2-nistp256";
/// Bytes of a scalar of P-256.
const SCALAR: usize = 32;
/// What the private part is padded to a multiple of, without a cipher.
const BLOCK: usize = 8;
/// More than any key with its comment has.
const LONGEST: usize = 64 * 1024;

/// The binary form of a private key, its scalar in full length; none if it is any other key, or no key.
pub(crate) fn with_whole_scalar(pem: &str) -> Option<Zeroizing<Vec<u8>>> {
    let key = decode(pem)?;
    let mut rest = key.as_slice();
    let is_plain = take(&mut rest, MAGIC.len())? == MAGIC
        && string(&mut rest)? == UNENCRYPTED
        && string(&mut rest)? == UNENCRYPTED;
    let (_options, _count, _public) = (string(&mut rest)?, take(&mut rest, 4)?, string(&mut rest)?);
    let head = key.get(..key.len() - rest.len())?;
    let private = string(&mut rest)?;
    if !is_plain || !rest.is_empty() {
        return None;
    }
    let mut whole = Zeroizing::new(head.to_vec());
    push_string(&mut whole, &lengthen(private)?);
    Some(whole)
}

/// The private part with a scalar in full length; none if it has one, or is not of P-256.
fn lengthen(private: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut rest = private;
    let checks = take(&mut rest, 8)?;
    let (kind, curve, point) = (string(&mut rest)?, string(&mut rest)?, string(&mut rest)?);
    let (scalar, comment) = (string(&mut rest)?, string(&mut rest)?);
    if kind != P256 || scalar.len() >= SCALAR {
        return None;
    }
    let mut zeros = Zeroizing::new(vec![0; SCALAR - scalar.len()]);
    zeros.extend_from_slice(scalar);
    let mut whole = Zeroizing::new(checks.to_vec());
    for part in [kind, curve, point, &zeros, comment] {
        push_string(&mut whole, part);
    }
    let padding = whole.len().next_multiple_of(BLOCK) - whole.len();
    whole.extend((1_u8..).take(padding));
    Some(whole)
}

fn decode(pem: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut decoder = Decoder::new_detect_wrap(pem.trim_end().as_bytes()).ok()?;
    let length = decoder.remaining_len();
    if length > LONGEST {
        return None;
    }
    let mut key = Zeroizing::new(vec![0; length]);
    decoder.decode(&mut key).ok()?;
    Some(key)
}

/// The next `count` bytes.
fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}

/// The next string: its length in four bytes, then its bytes (RFC 4251 §5).
fn string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u32::from_be_bytes(take(rest, 4)?.try_into().ok()?);
    take(rest, usize::try_from(length).ok()?)
}

fn push_string(to: &mut Vec<u8>, bytes: &[u8]) {
    // Nothing here is near four gigabytes: it was read from a file of some kilobytes.
    to.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    to.extend_from_slice(bytes);
}
