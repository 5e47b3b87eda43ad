//! What can go wrong between a computer and its Ledger, on demand.

use std::time::Duration;

use crate::instruction::Instruction;

/// One fault. All but the last two meet the next exchange that they name, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The APDU is read and the connection closed; the app never sees it.
    DisconnectBefore(Instruction),
    /// The app does what is asked, then the connection closes without the answer.
    DisconnectAfter(Instruction),
    /// The app does what is asked and its answer is held back; what arrives meanwhile is dropped.
    Late(Instruction, Duration),
    /// The next signature has a bit flipped. Its length and its DER are intact.
    WrongSignature,
    /// The app does what is asked, then random bytes of a random length are answered; the framing
    /// is intact.
    Garbage(Instruction),
    /// The app does what is asked, then the answer's length says that gigabytes follow.
    BrokenFrame(Instruction),
    /// This status word is answered; the app never sees the APDU.
    Status(Instruction, u16),
    /// Until [`Device::plug`](crate::Device::plug): another app runs, by this name.
    OtherApp(String),
    /// Until [`Device::plug`](crate::Device::plug): everything is answered with 5515.
    Locked,
}

impl Fault {
    /// Whether this fault meets an exchange that asks for `asked`.
    pub(super) fn meets(&self, asked: Option<Instruction>) -> bool {
        match self {
            Self::DisconnectBefore(named)
            | Self::DisconnectAfter(named)
            | Self::Late(named, _)
            | Self::Garbage(named)
            | Self::BrokenFrame(named)
            | Self::Status(named, _) => named.matches(asked),
            Self::WrongSignature | Self::OtherApp(_) | Self::Locked => false,
        }
    }
}
