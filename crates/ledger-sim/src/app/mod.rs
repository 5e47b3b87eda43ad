//! The app: an APDU in, an outcome out.
//!
//! ```text
//!            APDU                      decide
//!   ready ─────────▶ Outcome::Answer
//!     │ ───────────▶ Outcome::Prompt ──────────▶ answer, ready again
//!     ▲                  │ any other APDU: Outcome::Dropped
//!     └── power cut, quit (no answer, ever) ◀┘
//! ```

mod command;
mod hmac;
mod public_key;
mod query;
mod scratch;
mod setup;
mod sign;

use self::command::Command;
use self::scratch::Scratch;
use crate::config::{Approval, Config, ConfigError};
use crate::instruction::Instruction;
use crate::keys::{DerivationError, Key, Seed};
use crate::memory::Memory;
use crate::outcome::{OpenPrompt, Outcome, Prompt};
use crate::path::KeyName;
use crate::status::Status;
use crate::timing;

/// The Tezos Baking app 2.5.1 for Nano S Plus, without a clock and without a device.
#[derive(Debug)]
pub struct App {
    seed: Seed,
    approval: Approval,
    memory: Memory,
    /// The key that a message would be signed with; public-key requests move it too.
    selected: KeyName,
    scratch: Scratch,
    prompt: Option<OpenPrompt>,
    signatures: u64,
}

/// What an instruction comes to: data to answer, or something to ask first.
enum Reply {
    Data(Vec<u8>),
    Ask(Prompt),
}

impl App {
    /// A device just switched on.
    ///
    /// # Errors
    ///
    /// The key of [`Config::setup`] cannot be derived.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        let mut app = Self {
            seed: Seed::from_mnemonic(&config.mnemonic),
            approval: config.approval,
            memory: Memory::new(config.high_watermark),
            selected: KeyName::NONE,
            scratch: Scratch::default(),
            prompt: None,
            signatures: 0,
        };
        if let Some(setup) = config.setup {
            app.set_up(&setup)?;
        }
        Ok(app)
    }

    /// Takes an APDU. While a prompt is up, every one is dropped.
    pub fn handle(&mut self, apdu: &[u8]) -> Outcome {
        if self.prompt.is_some() || apdu.is_empty() {
            return Outcome::Dropped;
        }
        let instruction = Instruction::of(apdu);
        let reply = match instruction {
            Some(Instruction::AppInfo) => Ok(Reply::Data(app_info(APP_NAME, APP_VERSION))),
            _ => Command::parse(apdu).and_then(|command| self.dispatch(&command)),
        };
        match reply {
            Ok(Reply::Ask(prompt)) => self.ask(prompt),
            Ok(Reply::Data(data)) => self.answer(Ok(data), instruction),
            Err(status) => self.answer(Err(status), instruction),
        }
    }

    /// Ends the prompt that is up; the bytes are the answer to the APDU that raised it. `None`:
    /// no prompt is up.
    pub fn decide(&mut self, accept: bool) -> Option<Vec<u8>> {
        let OpenPrompt { prompt, key } = self.prompt.take()?;
        let result = if accept { self.accept(prompt, key) } else { self.reject(&prompt) };
        Some(self.answer_bytes(result))
    }

    /// Whether the screen shows a prompt.
    #[must_use]
    pub fn is_prompting(&self) -> bool {
        self.prompt.is_some()
    }

    /// How many signatures it has made, HMACs not counted.
    #[must_use]
    pub fn signatures(&self) -> u64 {
        self.signatures
    }

    /// The power goes and comes back: what was in RAM only is gone.
    pub fn power_cut(&mut self) {
        self.memory.restart();
        (self.selected, self.scratch, self.prompt) = (KeyName::NONE, Scratch::default(), None);
    }

    /// The app is left by its menu and started again: everything is written to flash first.
    pub fn quit(&mut self) {
        self.memory.keep_all();
        self.power_cut();
    }

    /// Turns the app's setting "High Watermark" on or off by its menu.
    pub fn set_high_watermark(&mut self, on: bool) {
        self.memory.ram.high_watermark = on;
        self.memory.keep_all();
    }

    fn ask(&mut self, prompt: Prompt) -> Outcome {
        self.prompt = Some(OpenPrompt { prompt: prompt.clone(), key: self.selected });
        let decided = match self.approval {
            Approval::Ask => None,
            Approval::Accept => self.decide(true),
            Approval::Reject => self.decide(false),
        };
        match decided {
            None => Outcome::Prompt(prompt),
            Some(bytes) => Outcome::Answer { bytes, took: timing::quick() },
        }
    }

    fn accept(&mut self, prompt: Prompt, key: KeyName) -> Result<Vec<u8>, Status> {
        match prompt {
            Prompt::PublicKey => self.public_key(&key),
            Prompt::Authorize => self.authorize(&key),
            Prompt::Setup { chain_id, main, test } => self.finish_setup(&key, chain_id, main, test),
            Prompt::Reset { level } => Ok(self.finish_reset(level)),
            Prompt::Delegation { message, with_hash } => self.sign(&message, with_hash),
        }
    }

    fn reject(&mut self, prompt: &Prompt) -> Result<Vec<u8>, Status> {
        if matches!(prompt, Prompt::Delegation { .. }) {
            self.scratch = Scratch::default();
        }
        Err(Status::REJECTED)
    }

    fn answer(
        &mut self,
        result: Result<Vec<u8>, Status>,
        instruction: Option<Instruction>,
    ) -> Outcome {
        let took = match (&result, instruction) {
            (Ok(_), Some(instruction)) => timing::of(instruction, self.selected.curve),
            _ => timing::quick(),
        };
        Outcome::Answer { bytes: self.answer_bytes(result), took }
    }

    /// An error forgets the message in progress; a rejection by the user does not.
    fn answer_bytes(&mut self, result: Result<Vec<u8>, Status>) -> Vec<u8> {
        match result {
            Ok(data) => Status::DONE.after(data),
            Err(status) => {
                if status != Status::REJECTED {
                    self.scratch = Scratch::default();
                }
                status.after(Vec::new())
            }
        }
    }

    fn derive(&self, name: &KeyName) -> Result<Key, Status> {
        Key::derive(&self.seed, name).map_err(Status::from)
    }
}

pub(crate) use query::app_info;

const APP_NAME: &str = "Tezos Baking";
const APP_VERSION: &str = "2.5.1";

impl From<DerivationError> for Status {
    fn from(error: DerivationError) -> Self {
        match error {
            DerivationError::Forbidden | DerivationError::NotHardened | DerivationError::NoKey => {
                Self::DERIVATION
            }
        }
    }
}
