//! Made-up payloads in the layouts of octez, for the demo, the figures and the tests.

use crate::{ChainId, KeyForm, Kind};

/// The bytes that a tz1, tz2 or tz3 baker of mainnet has signed for `kind` at `level` and `round`.
/// Another `variant` is another block at the same mark.
#[must_use]
pub fn sample_payload(kind: Kind, level: u32, round: u32, variant: u8) -> Vec<u8> {
    sample_payload_of(KeyForm::Slot, kind, level, round, variant)
}

/// The same for a baker whose votes have this form.
#[must_use]
pub fn sample_payload_of(
    form: KeyForm,
    kind: Kind,
    level: u32,
    round: u32,
    variant: u8,
) -> Vec<u8> {
    let mut bytes = vec![kind.magic_byte()];
    bytes.extend(ChainId::MAINNET.to_bytes());
    match kind {
        Kind::Block => block(&mut bytes, level, round, variant),
        Kind::Preattestation | Kind::Attestation => {
            vote(&mut bytes, form, kind, level, round, variant);
        }
    }
    bytes
}

fn vote(bytes: &mut Vec<u8>, form: KeyForm, kind: Kind, level: u32, round: u32, variant: u8) {
    bytes.extend([0x42; 32]); // branch
    let is_pre = kind == Kind::Preattestation;
    match form {
        KeyForm::Slot => bytes.extend([if is_pre { 20 } else { 21 }, 0, 7]), // slot 7
        KeyForm::NoSlot => bytes.push(if is_pre { 40 } else { 41 }),
    }
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
    use crate::Payload;

    #[test]
    fn a_sample_is_what_a_baker_sends() {
        let forms = [KeyForm::Slot, KeyForm::NoSlot];
        for (kind, form) in Kind::ALL.into_iter().flat_map(|kind| forms.map(|form| (kind, form))) {
            let bytes = sample_payload_of(form, kind, 1234, 2, 5);
            let parsed = Payload::parse(&bytes, form).unwrap();
            let (level, round) = (u32::from(parsed.mark().level), u32::from(parsed.mark().round));
            assert_eq!((parsed.kind(), level, round), (kind, 1234, 2));
            assert_ne!(bytes, sample_payload_of(form, kind, 1234, 2, 6));
        }
    }
}
