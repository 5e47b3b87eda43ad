//! The two bytes that end every answer, and what to do about them.

use std::fmt;

/// A status word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StatusWord(pub u16);

/// What a status word of the Baking app means for the signature that is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Meaning {
    /// Done.
    Done,
    /// The person at the device said no.
    RejectedByPerson,
    /// The key is not the authorised one, or the device is locked: the app has one word for both.
    NotAuthorized,
    /// The device is locked.
    Locked,
    /// The mark is not above the device's own, or the data is wrong.
    RefusedByMark,
    /// Nothing was selected, or the packet is too long: we were wrong.
    Misused,
    /// The message does not parse.
    NotParsed,
    /// The path is not one of Tezos.
    BadPath,
    /// Another app runs, or none.
    OtherApp,
    /// A word that is not known here: the device is not ready.
    Unknown,
}

impl StatusWord {
    /// 9000.
    pub const DONE: StatusWord = StatusWord(0x9000);

    /// What it means.
    #[must_use]
    pub fn meaning(self) -> Meaning {
        match self.0 {
            0x9000 => Meaning::Done,
            0x6985 => Meaning::RejectedByPerson,
            0x6982 => Meaning::NotAuthorized,
            0x5515 | 0x6804 | 0x530c => Meaning::Locked,
            0x6a80 => Meaning::RefusedByMark,
            0x917e | 0x6b00 | 0x6c00 => Meaning::Misused,
            0x9405 => Meaning::NotParsed,
            0x9001 => Meaning::BadPath,
            0x6d00 | 0x6e00 | 0x6e01 | 0x6511 => Meaning::OtherApp,
            _ => Meaning::Unknown,
        }
    }
}

impl fmt::Display for StatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.meaning() {
            Meaning::Done => "done",
            Meaning::RejectedByPerson => "rejected on the device",
            Meaning::NotAuthorized => {
                "not authorised for this key, or locked; unlock it, or run \"peel ledger setup\""
            }
            Meaning::Locked => "locked; enter the PIN on the device",
            Meaning::RefusedByMark => "refused: not above the mark on the device",
            Meaning::Misused => "the command was malformed; please report this",
            Meaning::NotParsed => "refused: the app does not know this message",
            Meaning::BadPath => "the path is not below 44h/1729h, or not hardened",
            Meaning::OtherApp => "the Tezos Baking app is not open; open it on the device",
            Meaning::Unknown => "not ready",
        };
        write!(f, "{text} (status {:04x})", self.0)
    }
}
