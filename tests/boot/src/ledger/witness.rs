//! What left a Ledger: the last word on whether two votes were signed at one mark.

use std::collections::BTreeMap;

use tezos::{KeyForm, Kind, Mark, Payload};

/// Every signature of a Ledger, by what it is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Witness {
    signed: BTreeMap<(u32, u32, u8), Vec<Vec<u8>>>,
}

/// A mark that was signed, of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signed {
    /// Its level.
    pub level: u32,
    /// Its round.
    pub round: u32,
}

/// `80 04` and `80 0f`: sign. P1 81: the message.
const CLASS: u8 = 0x80;
const SIGN: [u8; 2] = [0x04, 0x0f];
const MESSAGE: u8 = 0x81;
const DONE: [u8; 2] = [0x90, 0x00];

impl Witness {
    /// Notes an exchange, if it gave a signature of a block or a vote.
    pub(super) fn note(&mut self, apdu: &[u8], answer: &[u8]) {
        let [CLASS, instruction, MESSAGE, _, _, message @ ..] = apdu else { return };
        if !SIGN.contains(instruction) || !answer.ends_with(&DONE) {
            return;
        }
        if let Ok(payload) = Payload::parse(message, KeyForm::Slot) {
            let Mark { level, round } = payload.mark();
            let place = (u32::from(level), u32::from(round), number(payload.kind()));
            let signed = self.signed.entry(place).or_default();
            if !signed.iter().any(|other| other == message) {
                signed.push(message.to_owned());
            }
        }
    }

    /// A mark for which two different payloads of one kind were signed.
    #[must_use]
    pub fn conflict(&self) -> Option<Signed> {
        let twice = self.signed.iter().find(|(_, payloads)| payloads.len() > 1);
        twice.map(|((level, round, _), _)| Signed { level: *level, round: *round })
    }

    /// The highest level of which anything was signed.
    #[must_use]
    pub fn last(&self) -> Option<u32> {
        self.signed.last_key_value().map(|((level, ..), _)| *level)
    }
}

fn number(kind: Kind) -> u8 {
    match kind {
        Kind::Block => 0,
        Kind::Preattestation => 1,
        Kind::Attestation => 2,
    }
}

#[cfg(test)]
mod tests {
    use tezos::sample_payload;

    use super::*;

    fn apdu(level: u32, variant: u8) -> Vec<u8> {
        let message = sample_payload(Kind::Attestation, level, 0, variant);
        [&[CLASS, 0x0f, MESSAGE, 1, 0][..], &message].concat()
    }

    #[test]
    fn other_bytes_at_a_mark_are_a_conflict_and_the_same_bytes_are_none() {
        let mut witness = Witness::default();
        witness.note(&apdu(7, 1), &DONE);
        witness.note(&apdu(7, 1), &DONE);
        witness.note(&apdu(8, 2), &DONE);
        assert_eq!((witness.conflict(), witness.last()), (None, Some(8)));
        witness.note(&apdu(7, 2), &DONE);
        assert_eq!(witness.conflict(), Some(Signed { level: 7, round: 0 }));
    }

    #[test]
    fn what_was_refused_is_not_signed() {
        let mut witness = Witness::default();
        witness.note(&apdu(7, 1), &[0x6a, 0x80]);
        assert_eq!(witness, Witness::default());
    }
}
