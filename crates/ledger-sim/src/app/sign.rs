//! "Sign": select a key, then send a message.

use super::command::{Command, require};
use super::scratch::Scratch;
use super::{App, Reply};
use crate::bytes::Bytes;
use crate::keys::blake2b_256;
use crate::marks::is_valid_level;
use crate::operations::{Group, Signer};
use crate::outcome::Prompt;
use crate::payload::{Kind, Payload};
use crate::status::Status;

const SELECT: u8 = 0x00;
const MESSAGE: u8 = 0x01;
/// The bit of P1 that marks the last packet.
const LAST: u8 = 0x80;

/// A message, by its magic byte.
enum Message {
    /// Blocks and consensus operations: the marks decide.
    Consensus(Payload),
    /// Manager operations: the marks do not count, yet move.
    Operations(Group),
}

impl App {
    pub(super) fn select_or_sign(
        &mut self,
        command: &Command<'_>,
        with_hash: bool,
    ) -> Result<Reply, Status> {
        let is_last = command.p1 & LAST != 0;
        match command.p1 & !LAST {
            SELECT => self.select(command),
            MESSAGE => self.message(command.data, is_last, with_hash),
            _ => Err(Status::WRONG_PARAMETER),
        }
    }

    /// Selects the key. The path is read in place, so a refused select may have moved it.
    fn select(&mut self, command: &Command<'_>) -> Result<Reply, Status> {
        let curve = command.curve()?;
        let mut bytes = Bytes::new(command.data);
        self.scratch = Scratch::default();
        self.selected.path.read(&mut bytes).ok_or(Status::WRONG_VALUES)?;
        require(bytes.is_empty(), Status::WRONG_LENGTH)?;
        self.selected.curve = curve;
        Ok(Reply::Data(Vec::new()))
    }

    fn message(&mut self, data: &[u8], is_last: bool, with_hash: bool) -> Result<Reply, Status> {
        require(!self.selected.path.is_empty(), Status::WRONG_LENGTH_FOR_INSTRUCTION)?;
        require(self.scratch.is_first_packet(), Status::PARSE)?;
        let message = self.parse(data)?;
        if let Message::Consensus(payload) = &message {
            self.scratch.parsed(payload);
        }
        if !is_last {
            return Ok(Reply::Data(Vec::new()));
        }
        match message {
            Message::Consensus(payload) => self.sign_consensus(data, &payload, with_hash),
            Message::Operations(group) => self.check_operations(data, group, with_hash),
        }
    }

    fn parse(&self, data: &[u8]) -> Result<Message, Status> {
        let mut bytes = Bytes::new(data);
        let payload = match bytes.byte() {
            Some(0x11) => Payload::block(bytes),
            Some(0x12) => Payload::consensus(bytes, Kind::Preattestation),
            Some(0x13) => Payload::consensus(bytes, Kind::Attestation),
            Some(0x03) => {
                let signer = Signer::new(self.selected.curve, &self.derive(&self.selected)?);
                return Group::parse(bytes, &signer).map(Message::Operations);
            }
            _ => None,
        };
        payload.map(Message::Consensus).ok_or(Status::PARSE)
    }

    fn sign_consensus(
        &mut self,
        message: &[u8],
        payload: &Payload,
        with_hash: bool,
    ) -> Result<Reply, Status> {
        require(self.is_authorized(), Status::SECURITY)?;
        let mark = self.memory.ram.mark(payload.chain_id);
        require(mark.allows(payload), Status::WRONG_VALUES)?;
        self.sign(message, with_hash).map(Reply::Data)
    }

    /// Reveals are signed without a prompt; a delegation must be to oneself and prompts.
    fn check_operations(
        &mut self,
        message: &[u8],
        group: Group,
        with_hash: bool,
    ) -> Result<Reply, Status> {
        match group {
            Group::Incomplete => Err(Status::PARSE),
            Group::Reveals => {
                require(self.is_authorized(), Status::SECURITY)?;
                self.sign(message, with_hash).map(Reply::Data)
            }
            Group::Delegation { to_self } => {
                require(to_self && self.is_authorized(), Status::SECURITY)?;
                Ok(Reply::Ask(Prompt::Delegation { message: message.to_vec(), with_hash }))
            }
        }
    }

    /// Moves the mark, then signs. For a manager operation the mark moves by what the memory happens to hold.
    pub(super) fn sign(&mut self, message: &[u8], with_hash: bool) -> Result<Vec<u8>, Status> {
        let payload = self.scratch.payload();
        require(is_valid_level(payload.level), Status::WRONG_VALUES)?;
        self.memory.ram.mark(payload.chain_id).record(&payload);
        self.memory.keep_marks();
        let signature = self.derive(&self.selected)?.sign_message(message);
        self.scratch = Scratch::default();
        self.signatures += 1;
        let hash = if with_hash { blake2b_256(message).to_vec() } else { Vec::new() };
        Ok([hash, signature].concat())
    }

    fn is_authorized(&self) -> bool {
        !self.selected.path.is_empty() && self.selected.is_same(&self.memory.ram.baking_key)
    }
}
