//! An APDU as the app takes it apart, and which instruction gets it.

use super::{App, Reply, query};
use crate::bytes::Bytes;
use crate::curve::Curve;
use crate::instruction::Instruction;
use crate::status::Status;

/// An APDU of the app's class.
#[derive(Clone, Copy, Debug)]
pub(super) struct Command<'a> {
    instruction: u8,
    pub(super) p1: u8,
    pub(super) p2: u8,
    pub(super) data: &'a [u8],
}

const CLASS: u8 = 0x80;
/// `MAX_APDU_SIZE` in the app.
const LONGEST_DATA: usize = 235;

impl<'a> Command<'a> {
    /// The length byte may be missing; if it is there, it must be right.
    pub(super) fn parse(apdu: &'a [u8]) -> Result<Self, Status> {
        let mut bytes = Bytes::new(apdu);
        let header = bytes.array().ok_or(Status::WRONG_LENGTH)?;
        let [class, instruction, p1, p2] = header;
        let length = bytes.byte().unwrap_or_default();
        let data = bytes.rest();
        if data.len() != usize::from(length) {
            return Err(Status::WRONG_LENGTH);
        }
        if data.len() > LONGEST_DATA {
            return Err(Status::WRONG_LENGTH_FOR_INSTRUCTION);
        }
        if class != CLASS {
            return Err(Status::UNKNOWN_CLASS);
        }
        Ok(Self { instruction, p1, p2, data })
    }

    /// The curve that P2 names.
    pub(super) fn curve(&self) -> Result<Curve, Status> {
        Curve::from_byte(self.p2).ok_or(Status::WRONG_PARAMETER)
    }

    /// P1 is 0 and P2 names a curve.
    fn keyed(&self) -> Result<Keyed<'a>, Status> {
        require(self.p1 == 0, Status::WRONG_PARAMETER)?;
        Ok(Keyed { curve: self.curve()?, data: self.data })
    }

    /// P1 and P2 are 0.
    fn plain(&self) -> Result<&Self, Status> {
        require(self.p1 == 0 && self.p2 == 0, Status::WRONG_PARAMETER)?;
        Ok(self)
    }

    /// P1 and P2 are 0 and there is no data.
    fn bare(&self) -> Result<(), Status> {
        require(self.plain()?.data.is_empty(), Status::WRONG_VALUES)
    }
}

/// The data of an instruction about one key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keyed<'a> {
    pub(super) curve: Curve,
    pub(super) data: &'a [u8],
}

impl App {
    pub(super) fn dispatch(&mut self, command: &Command<'_>) -> Result<Reply, Status> {
        let instruction = Instruction::from_byte(command.instruction);
        match instruction.ok_or(Status::UNKNOWN_INSTRUCTION)? {
            Instruction::Version => command.bare().map(|()| Reply::Data(query::VERSION.to_vec())),
            Instruction::Authorize => self.ask_to_authorize(&command.keyed()?),
            Instruction::PublicKey => self.tell_public_key(&command.keyed()?),
            Instruction::PromptPublicKey => self.ask_to_show(&command.keyed()?),
            Instruction::Sign => self.select_or_sign(command, false),
            Instruction::SignWithHash => self.select_or_sign(command, true),
            Instruction::Reset => self.ask_to_reset(command.plain()?.data),
            Instruction::AuthorizedPath => {
                command.bare().map(|()| Reply::Data(self.authorized_path()))
            }
            Instruction::MainMark => command.bare().map(|()| Reply::Data(self.main_mark())),
            Instruction::Git => command.bare().map(|()| Reply::Data(query::GIT.to_vec())),
            Instruction::Setup => self.ask_to_set_up(&command.keyed()?),
            Instruction::AllMarks => command.bare().map(|()| Reply::Data(self.all_marks())),
            Instruction::Deauthorize => command.bare().map(|()| Reply::Data(self.deauthorize())),
            Instruction::AuthorizedPathAndCurve => {
                command.bare().map(|()| Reply::Data(self.authorized_path_and_curve()))
            }
            Instruction::Hmac => self.hmac(&command.keyed()?),
            Instruction::Select | Instruction::AppInfo | Instruction::Any => {
                Err(Status::UNKNOWN_INSTRUCTION)
            }
        }
    }
}

pub(super) fn require(holds: bool, otherwise: Status) -> Result<(), Status> {
    if holds { Ok(()) } else { Err(otherwise) }
}
