//! Public keys, and which of them is authorised for baking.

use super::command::{Keyed, require};
use super::{App, Reply};
use crate::bytes::Bytes;
use crate::outcome::Prompt;
use crate::path::KeyName;
use crate::status::Status;

impl App {
    pub(super) fn tell_public_key(&mut self, command: &Keyed<'_>) -> Result<Reply, Status> {
        self.select_for_public_key(command)?;
        self.public_key(&self.selected).map(Reply::Data)
    }

    pub(super) fn ask_to_show(&mut self, command: &Keyed<'_>) -> Result<Reply, Status> {
        self.select_for_public_key(command)?;
        self.derive(&self.selected)?;
        Ok(Reply::Ask(Prompt::PublicKey))
    }

    /// Without a path, the key that is authorised already.
    pub(super) fn ask_to_authorize(&mut self, command: &Keyed<'_>) -> Result<Reply, Status> {
        if command.data.is_empty() {
            self.selected = self.memory.ram.baking_key;
        } else {
            self.select_for_public_key(command)?;
        }
        self.derive(&self.selected)?;
        Ok(Reply::Ask(Prompt::Authorize))
    }

    pub(super) fn authorize(&mut self, key: &KeyName) -> Result<Vec<u8>, Status> {
        self.memory.ram.baking_key = *key;
        self.memory.keep_key();
        self.public_key(key)
    }

    pub(super) fn deauthorize(&mut self) -> Vec<u8> {
        self.memory.ram.baking_key = KeyName::NONE;
        self.memory.keep_key();
        Vec::new()
    }

    pub(super) fn public_key(&self, key: &KeyName) -> Result<Vec<u8>, Status> {
        Ok(self.derive(key)?.public_key_answer())
    }

    /// Moves the selection, even when the path then does not read.
    fn select_for_public_key(&mut self, command: &Keyed<'_>) -> Result<(), Status> {
        let mut bytes = Bytes::new(command.data);
        self.selected.curve = command.curve;
        self.selected.path.read(&mut bytes).ok_or(Status::WRONG_VALUES)?;
        require(bytes.is_empty(), Status::WRONG_LENGTH)
    }
}
