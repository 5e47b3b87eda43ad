//! The bytes of a command and of its answer (ISO 7816-4).

use crate::status::StatusWord;

/// A command to the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Command<'a> {
    pub(crate) class: u8,
    pub(crate) instruction: Instruction,
    pub(crate) p1: u8,
    pub(crate) p2: u8,
    pub(crate) data: &'a [u8],
}

/// What the Baking app, and the system below it, can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Instruction {
    Version,
    Authorize,
    PublicKey,
    ShowPublicKey,
    ResetMarks,
    Git,
    Setup,
    AllMarks,
    Deauthorize,
    AuthorizedKey,
    SignWithHash,
    /// Of the system: which app runs. Its class is b0.
    RunningApp,
}

/// What came back: the data, and the last two bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer<'a> {
    pub(crate) data: &'a [u8],
    pub(crate) status: StatusWord,
}

/// The most data one packet takes.
pub(crate) const MAX_DATA: usize = 235;

impl Instruction {
    fn byte(self) -> u8 {
        match self {
            Instruction::Version => 0x00,
            Instruction::Authorize | Instruction::RunningApp => 0x01,
            Instruction::PublicKey => 0x02,
            Instruction::ShowPublicKey => 0x03,
            Instruction::ResetMarks => 0x06,
            Instruction::Git => 0x09,
            Instruction::Setup => 0x0a,
            Instruction::AllMarks => 0x0b,
            Instruction::Deauthorize => 0x0c,
            Instruction::AuthorizedKey => 0x0d,
            Instruction::SignWithHash => 0x0f,
        }
    }

    /// For messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Instruction::Version => "its version",
            Instruction::Authorize => "to authorise a key",
            Instruction::PublicKey => "a public key",
            Instruction::ShowPublicKey => "to show a public key",
            Instruction::ResetMarks => "to set its marks",
            Instruction::Git => "its build",
            Instruction::Setup => "to be set up for baking",
            Instruction::AllMarks => "its marks",
            Instruction::Deauthorize => "to forget the authorised key",
            Instruction::AuthorizedKey => "its authorised key",
            Instruction::SignWithHash => "a signature",
            Instruction::RunningApp => "which app runs",
        }
    }
}

impl<'a> Command<'a> {
    /// A command of the Baking app without parameters.
    pub(crate) fn plain(instruction: Instruction) -> Command<'a> {
        let class = if instruction == Instruction::RunningApp { 0xb0 } else { 0x80 };
        Command { class, instruction, p1: 0, p2: 0, data: &[] }
    }

    /// None when the data is more than one packet takes.
    pub(crate) fn encode(&self) -> Option<Vec<u8>> {
        let length = u8::try_from(self.data.len()).ok().filter(|_| self.data.len() <= MAX_DATA)?;
        let mut bytes = vec![self.class, self.instruction.byte(), self.p1, self.p2, length];
        bytes.extend_from_slice(self.data);
        Some(bytes)
    }
}

impl<'a> Answer<'a> {
    /// None when there is not even a status word.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Answer<'a>> {
        let (data, status) = bytes.split_last_chunk::<2>()?;
        Some(Answer { data, status: StatusWord(u16::from_be_bytes(*status)) })
    }
}
