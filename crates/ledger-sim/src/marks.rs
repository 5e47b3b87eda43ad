//! The two marks, and what may be signed above them.

use crate::payload::{Kind, Payload};

/// The last thing signed on a chain, as the app remembers it: one mark for all kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) level: u32,
    pub(crate) round: u32,
    attested: bool,
    preattested: bool,
}

impl Mark {
    /// A mark after "setup".
    pub(crate) fn at(level: u32) -> Self {
        Self { level, ..Self::default() }
    }

    /// What "reset" does. The app forgets to clear the preattestation flag.
    pub(crate) fn reset(&mut self, level: u32) {
        *self = Self { level, round: 0, attested: false, preattested: self.preattested };
    }

    pub(crate) fn allows(&self, payload: &Payload) -> bool {
        let (last, asked) = ((self.level, self.round), (payload.level, payload.round));
        let flags_allow = match payload.kind {
            Kind::Block => false,
            Kind::Preattestation => !self.preattested && !self.attested,
            Kind::Attestation => !self.attested,
        };
        is_valid_level(payload.level) && (asked > last || (asked == last && flags_allow))
    }

    /// Moves the mark; a round that is lower sets it back, as in the app.
    pub(crate) fn record(&mut self, payload: &Payload) {
        if payload.level > self.level || payload.round > self.round {
            (self.attested, self.preattested) = (false, false);
        }
        self.level = self.level.max(payload.level);
        self.round = payload.round;
        self.attested |= payload.kind == Kind::Attestation;
        self.preattested |= payload.kind == Kind::Preattestation;
    }
}

/// Levels from 2^30 on are refused, in a message and in "reset", but not in "setup".
pub(crate) fn is_valid_level(level: u32) -> bool {
    level < 1 << 30
}
