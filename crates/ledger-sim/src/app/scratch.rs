//! The bytes that instructions share: what one has left there, another one reads.

use crate::payload::{Kind, Payload};

/// What "sign", "setup", "reset" and "HMAC" each keep at the same place of the app's memory (`global.apdu.u` in its
/// `src/globals.h`), in the words of "sign".
///
/// ```text
///  byte    0         4            8            12       16
///  sign    packets   chain        kind         level    round
///  setup   chain     main level   test level
///  reset   level
///  HMAC    a signature …
/// ```
///
/// For a manager operation the app parses none of these, and yet holds them against the marks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scratch {
    packets: u32,
    chain_id: u32,
    kind: u32,
    level: u32,
    round: u32,
}

/// The processor is little-endian: a byte shares its place with the lowest one of a word.
const BYTE: u32 = 0xff;

impl Scratch {
    /// Counts a packet of a message; whether it is the first one.
    pub(super) fn is_first_packet(&mut self) -> bool {
        let is_first = self.packets & BYTE == 0;
        self.packets |= 1;
        is_first
    }

    pub(super) fn parsed(&mut self, payload: &Payload) {
        let Payload { chain_id, level, round, kind } = *payload;
        let packets = self.packets;
        *self = Scratch { packets, chain_id, kind: kind.number(), level, round };
    }

    pub(super) fn set_up(&mut self, chain_id: u32, main: u32, test: u32) {
        *self = Scratch { packets: chain_id, chain_id: main, kind: test, ..*self };
    }

    pub(super) fn reset(&mut self, level: u32) {
        self.packets = level;
    }

    /// A signature of "HMAC" is written over everything.
    pub(super) fn overwrite(&mut self, signature: &[u8]) {
        let mut words = signature.chunks(4).map(|word| match *word {
            [one, two, three, four] => u32::from_le_bytes([one, two, three, four]),
            _ => 0,
        });
        let mut word = || words.next().unwrap_or_default();
        let (packets, chain_id, kind) = (word(), word(), word());
        *self = Scratch { packets, chain_id, kind, level: word(), round: word() };
    }

    /// What a mark is held against, whichever command has written it.
    pub(super) fn payload(&self) -> Payload {
        let kind = Kind::of_number(self.kind & BYTE);
        Payload { chain_id: self.chain_id, level: self.level, round: self.round, kind }
    }
}
