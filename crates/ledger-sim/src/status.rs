//! Status words, by what the app means with them (`src/exception.h` of the app).

/// The two bytes at the end of every answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status(pub(crate) u16);

impl Status {
    pub(crate) const DONE: Self = Self(0x9000);
    /// A path that the system does not derive for this app.
    pub(crate) const DERIVATION: Self = Self(0x9001);
    pub(crate) const REJECTED: Self = Self(0x6985);
    /// Not the authorised key.
    pub(crate) const SECURITY: Self = Self(0x6982);
    /// The mark refuses, or data is missing or out of range.
    pub(crate) const WRONG_VALUES: Self = Self(0x6a80);
    /// P1 or P2.
    pub(crate) const WRONG_PARAMETER: Self = Self(0x6b00);
    /// The length byte and the length disagree, or bytes are left over.
    pub(crate) const WRONG_LENGTH: Self = Self(0x6c00);
    /// More data than the app takes, or nothing is selected.
    pub(crate) const WRONG_LENGTH_FOR_INSTRUCTION: Self = Self(0x917e);
    pub(crate) const UNKNOWN_INSTRUCTION: Self = Self(0x6d00);
    pub(crate) const UNKNOWN_CLASS: Self = Self(0x6e00);
    /// The message does not parse, or a second packet came.
    pub(crate) const PARSE: Self = Self(0x9405);
    /// The system, not the app: the device is locked.
    pub(crate) const LOCKED: Self = Self(0x5515);

    /// `data` and this status word, as they leave the device.
    pub(crate) fn after(self, mut data: Vec<u8>) -> Vec<u8> {
        data.extend(self.0.to_be_bytes());
        data
    }
}
