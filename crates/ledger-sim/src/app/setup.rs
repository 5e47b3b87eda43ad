//! "Setup" and "reset": the two ways to set the marks by hand.

use super::command::{Keyed, require};
use super::{App, Reply};
use crate::bytes::Bytes;
use crate::config::{ConfigError, Setup};
use crate::keys::Key;
use crate::marks::{Mark, is_valid_level};
use crate::outcome::Prompt;
use crate::path::KeyName;
use crate::status::Status;

impl App {
    /// Reads chain, main level, other level and path.
    pub(super) fn ask_to_set_up(&mut self, command: &Keyed<'_>) -> Result<Reply, Status> {
        let mut bytes = Bytes::new(command.data);
        self.selected.curve = command.curve;
        let mut word = || bytes.word().ok_or(Status::WRONG_VALUES);
        let (chain_id, main, test) = (word()?, word()?, word()?);
        self.selected.path.read(&mut bytes).ok_or(Status::WRONG_VALUES)?;
        require(bytes.is_empty(), Status::WRONG_LENGTH)?;
        self.derive(&self.selected)?;
        self.scratch.set_up(chain_id, main, test);
        Ok(Reply::Ask(Prompt::Setup { chain_id, main, test }))
    }

    pub(super) fn finish_setup(
        &mut self,
        key: &KeyName,
        chain_id: u32,
        main: u32,
        test: u32,
    ) -> Result<Vec<u8>, Status> {
        self.write_setup(key, chain_id, main, test);
        self.public_key(key)
    }

    /// A setup that was approved before the app started.
    pub(super) fn set_up(&mut self, setup: &Setup) -> Result<(), ConfigError> {
        let key = KeyName { curve: setup.curve, path: setup.path };
        Key::derive(&self.seed, &key)?;
        let chain_id = u32::from_be_bytes(setup.chain_id);
        self.write_setup(&key, chain_id, setup.level, setup.level);
        Ok(())
    }

    fn write_setup(&mut self, key: &KeyName, chain_id: u32, main: u32, test: u32) {
        let kept = &mut self.memory.ram;
        (kept.baking_key, kept.main_chain_id) = (*key, chain_id);
        (kept.main, kept.test) = (Mark::at(main), Mark::at(test));
        self.memory.keep_all();
    }

    pub(super) fn ask_to_reset(&mut self, data: &[u8]) -> Result<Reply, Status> {
        let mut bytes = Bytes::new(data);
        let level = bytes.word().filter(|level| is_valid_level(*level));
        let level = level.ok_or(Status::WRONG_VALUES)?;
        require(bytes.is_empty(), Status::WRONG_LENGTH)?;
        self.scratch.reset(level);
        Ok(Reply::Ask(Prompt::Reset { level }))
    }

    pub(super) fn finish_reset(&mut self, level: u32) -> Vec<u8> {
        self.memory.ram.main.reset(level);
        self.memory.ram.test.reset(level);
        self.memory.keep_all();
        Vec::new()
    }
}
