//! Made-up payloads in the layouts of octez, for the demo, the figures and the tests.

use crate::{ChainId, Kind};

/// The bytes that a tz1, tz2 or tz3 baker of mainnet has signed for `kind` at `level` and `round`.
/// Another `variant` is another block at the same mark.
#[must_use]
pub fn sample_payload(kind: Kind, level: u32, round: u32, variant: u8) -> Vec<u8> {
    let mut bytes = vec![kind.magic_byte()];
    bytes.extend(ChainId::MAINNET.to_bytes());
    match kind {
        Kind::Block => block(&mut bytes, level, round, variant),
        Kind::Preattestation => vote(&mut bytes, 20, level, round, variant),
        Kind::Attestation => vote(&mut bytes, 21, level, round, variant),
    }
    bytes
}

fn vote(bytes: &mut Vec<u8>, tag: u8, level: u32, round: u32, variant: u8) {
    bytes.extend([0x42; 32]); // branch
    bytes.push(tag);
    bytes.extend([0, 7]); // slot
    bytes.extend(level.to_be_bytes());
    bytes.extend(round.to_be_bytes());
    bytes.extend([variant; 32]); // payload hash
}

fn block(bytes: &mut Vec<u8>, level: u32, round: u32, variant: u8) {
    bytes.extend(level.to_be_bytes());
    bytes.push(24); // protocol number
    bytes.extend([0x42; 32]); // predecessor
    bytes.extend((1_700_000_000_i64 + 6 * i64::from(level)).to_be_bytes());
    bytes.push(4); // validation passes
    bytes.extend([0x17; 32]); // operations hash
    bytes.extend(33_u32.to_be_bytes());
    let element = |bytes: &mut Vec<u8>, content: &[u8]| {
        bytes.extend(u32::try_from(content.len()).unwrap_or_default().to_be_bytes());
        bytes.extend(content);
    };
    element(bytes, &[2]); // version
    element(bytes, &level.to_be_bytes());
    element(bytes, &[]); // no locked round
    element(bytes, &[0xff; 4]); // predecessor's round 0
    element(bytes, &round.to_be_bytes());
    bytes.extend([0x33; 32]); // context
    bytes.extend([variant; 32]); // payload hash
    bytes.extend([0; 4]); // payload round
    bytes.extend([0; 8]); // proof of work
    bytes.extend([0, 0]); // no seed nonce, votes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyForm, Payload};

    #[test]
    fn a_sample_is_what_a_baker_sends() {
        for kind in Kind::ALL {
            let bytes = sample_payload(kind, 1234, 2, 5);
            let parsed = Payload::parse(&bytes, KeyForm::Slot).unwrap();
            let (level, round) = (u32::from(parsed.mark().level), u32::from(parsed.mark().round));
            assert_eq!((parsed.kind(), level, round), (kind, 1234, 2));
            assert_ne!(bytes, sample_payload(kind, 1234, 2, 6));
        }
    }
}
