//! What a baker has signed: bytes in the layouts of octez, with made-up content.

use tezos::{ChainId, Kind};

/// Which block is meant: another variant is another block at the same place.
pub(super) type Variant = u8;

/// The bytes to sign for `kind` at `level` and round 0.
pub(super) fn payload(kind: Kind, level: u32, variant: Variant) -> Vec<u8> {
    let mut bytes = vec![kind.magic_byte()];
    bytes.extend(ChainId::MAINNET.to_bytes());
    match kind {
        Kind::Block => block(&mut bytes, level, variant),
        Kind::Preattestation => vote(&mut bytes, 20, level, variant),
        Kind::Attestation => vote(&mut bytes, 21, level, variant),
    }
    bytes
}

fn vote(bytes: &mut Vec<u8>, tag: u8, level: u32, variant: Variant) {
    bytes.extend([0x42; 32]); // branch
    bytes.push(tag);
    bytes.extend([0, 7]); // slot
    bytes.extend(level.to_be_bytes());
    bytes.extend([0; 4]); // round
    bytes.extend([variant; 32]); // payload hash
}

fn block(bytes: &mut Vec<u8>, level: u32, variant: Variant) {
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
    element(bytes, &[0; 4]); // round 0
    bytes.extend([0x33; 32]); // context
    bytes.extend([variant; 32]); // payload hash
    bytes.extend([0; 4]); // payload round
    bytes.extend([0; 8]); // proof of work
    bytes.extend([0, 0]); // no seed nonce, votes
}

#[cfg(test)]
mod tests {
    use tezos::{KeyForm, Payload};

    use super::*;

    #[test]
    fn a_signer_reads_what_the_demo_asks_for() {
        for kind in Kind::ALL {
            let parsed = Payload::parse(&payload(kind, 1234, 5), KeyForm::Slot).unwrap();
            assert_eq!((parsed.kind(), u32::from(parsed.mark().level)), (kind, 1234));
            assert_ne!(payload(kind, 1234, 5), payload(kind, 1234, 6));
        }
    }
}
