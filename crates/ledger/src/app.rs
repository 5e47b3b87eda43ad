//! What the Tezos Baking app can be asked.

use std::fmt;
use std::time::Duration;

use tezos::{ChainId, Digest, Level, Mark, Payload, PublicKey, Round, Signature, blake2b_256};
use thiserror::Error;

use crate::apdu::{Answer, Command, Instruction, MAX_DATA};
use crate::decode;
use crate::path::{Derivation, KeyPath};
use crate::status::{Meaning, StatusWord};
use crate::transport::{Transport, TransportError};

/// The Baking app on the other side of a transport, with which it is in step.
pub struct BakingApp {
    transport: Box<dyn Transport>,
}

/// The app that runs on the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppInfo {
    /// Its name; "BOLOS" is the home screen.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A version of the Baking app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version(pub u8, pub u8, pub u8);

/// The marks on the device. It has one for all kinds on its main chain and one for all other chains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceMarks {
    /// The mark of the main chain.
    pub main: Mark,
    /// The mark of all others.
    pub other: Mark,
    /// The main chain. Zero: one mark for everything.
    pub main_chain: ChainId,
}

impl DeviceMarks {
    /// The mark that counts for a chain.
    #[must_use]
    pub fn of(&self, chain: ChainId) -> Mark {
        let is_for_all = self.main_chain.to_bytes() == [0; 4];
        if is_for_all || chain == self.main_chain { self.main } else { self.other }
    }
}

/// Why the app gave no result.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LedgerError {
    /// *Failed*: no answer. The connection is of no use any more.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// *Refused* or not ready: the app answered with another word than "done".
    #[error("the Ledger was asked for {asked}: {status}")]
    Status {
        /// What was asked.
        asked: &'static str,
        /// What it said.
        status: StatusWord,
    },
    /// *Failed*: the key could not be selected; nothing was signed.
    #[error("the Ledger does not select the key: {0}")]
    NotSelected(StatusWord),
    /// *Failed*: an answer that is none to what was asked. The connection is of no use any more.
    #[error(
        "the Ledger was asked for {asked} and its answer makes no sense; is it the Baking app?"
    )]
    Nonsense {
        /// What was asked.
        asked: &'static str,
    },
    /// *Failed*: the answers belong to other questions, again and again.
    #[error("the answers of the Ledger belong to other questions; unplug it and plug it in again")]
    OutOfStep,
    /// *Misused*: never sent to the device.
    #[error("only blocks, preattestations and attestations are sent to the Baking app")]
    NotForBaking,
    /// *Refused*: the app takes one packet.
    #[error("{0} bytes are more than the Baking app takes at once (235)")]
    TooLong(usize),
    /// *Refused*: the app signs no such level.
    #[error("level {0} is above what the Baking app signs (2^30)")]
    LevelTooHigh(Level),
}

/// For an exchange that no person is asked about.
const QUERY: Duration = Duration::from_secs(2);
/// For a signature; the slowest derivation takes 0.8 s.
const SIGN: Duration = Duration::from_secs(3);
/// For a prompt on the device.
const PROMPT: Duration = Duration::from_secs(120);
/// How long nothing must come until no old answer is under way.
const QUIET: Duration = Duration::from_millis(100);
const TRIES: usize = 5;

impl BakingApp {
    /// The app refuses levels from here on.
    pub const LEVEL_END: u32 = 1 << 30;

    /// Takes a fresh connection and gets in step with what is on its other side: an answer to an
    /// earlier question may still come out of it.
    ///
    /// # Errors
    /// When nothing answers, or nothing but old answers.
    pub fn new(transport: Box<dyn Transport>) -> Result<BakingApp, LedgerError> {
        let mut app = BakingApp { transport };
        for _ in 0..TRIES {
            if app.is_in_step()? {
                return Ok(app);
            }
            app.drain()?;
        }
        Err(LedgerError::OutOfStep)
    }

    /// Asks two questions whose answers cannot be mistaken for each other. One old answer under way
    /// shifts them, and is found.
    fn is_in_step(&mut self) -> Result<bool, LedgerError> {
        let running = Command::plain(Instruction::RunningApp);
        let first = self.raw(&running, QUERY)?;
        if parse_running_app(&first).is_none() {
            return Ok(false);
        }
        let second = self.raw(&Command::plain(Instruction::Version), QUERY)?;
        let Some(answer) = Answer::parse(&second) else { return Ok(false) };
        // Any app of Tezos has a version of four bytes; which app it is, is asked by name.
        Ok(answer.status != StatusWord::DONE || answer.data.len() == 4)
    }

    fn drain(&mut self) -> Result<(), LedgerError> {
        for _ in 0..TRIES {
            match self.transport.receive(QUIET) {
                Ok(_) => {}
                Err(TransportError::Silent(_)) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        Err(LedgerError::OutOfStep)
    }

    /// Which app runs.
    ///
    /// # Errors
    /// When the device does not answer, or is locked.
    pub fn running_app(&mut self) -> Result<AppInfo, LedgerError> {
        let asked = Instruction::RunningApp;
        let data = self.ask(&Command::plain(asked), QUERY)?;
        parse_app_info(&data).ok_or(LedgerError::Nonsense { asked: asked.name() })
    }

    /// The version of the Baking app.
    ///
    /// # Errors
    /// When the device does not answer, or another app runs.
    pub fn version(&mut self) -> Result<Version, LedgerError> {
        let asked = Instruction::Version;
        let data = self.ask(&Command::plain(asked), QUERY)?;
        parse_version(&data).ok_or(LedgerError::Nonsense { asked: asked.name() })
    }

    /// What the app was built from, as `git describe` says it.
    ///
    /// # Errors
    /// When the device does not answer, or another app runs.
    pub fn build(&mut self) -> Result<String, LedgerError> {
        let data = self.ask(&Command::plain(Instruction::Git), QUERY)?;
        Ok(String::from_utf8_lossy(&data).trim_end_matches('\0').to_owned())
    }

    /// The public key at `path`.
    ///
    /// # Errors
    /// When the device does not answer, is not ready, or does not know the path.
    pub fn public_key(&mut self, path: &KeyPath) -> Result<PublicKey, LedgerError> {
        self.key(Instruction::PublicKey, path, &path.to_bytes(), QUERY)
    }

    /// The public key at `path`, after the person at the device compared its hash on the screen.
    ///
    /// # Errors
    /// As [`BakingApp::public_key`], and when the person says no.
    pub fn show_public_key(&mut self, path: &KeyPath) -> Result<PublicKey, LedgerError> {
        self.key(Instruction::ShowPublicKey, path, &path.to_bytes(), PROMPT)
    }

    /// Authorises `path` for baking and sets the device's marks, after the person at it agreed.
    ///
    /// # Errors
    /// When the device does not answer or is not ready, or the person says no.
    pub fn setup(
        &mut self,
        path: &KeyPath,
        main_chain: ChainId,
        main: Level,
        other: Level,
    ) -> Result<PublicKey, LedgerError> {
        let mut data = main_chain.to_bytes().to_vec();
        data.extend(u32::from(main).to_be_bytes());
        data.extend(u32::from(other).to_be_bytes());
        data.extend(path.to_bytes());
        self.key(Instruction::Setup, path, &data, PROMPT)
    }

    /// Authorises `path` for baking and leaves the marks, after the person at the device agreed.
    ///
    /// # Errors
    /// As [`BakingApp::setup`].
    pub fn authorize(&mut self, path: &KeyPath) -> Result<PublicKey, LedgerError> {
        self.key(Instruction::Authorize, path, &path.to_bytes(), PROMPT)
    }

    /// Forgets the authorised key. No one is asked.
    ///
    /// # Errors
    /// When the device does not answer or is not ready.
    pub fn deauthorize(&mut self) -> Result<(), LedgerError> {
        self.ask(&Command::plain(Instruction::Deauthorize), QUERY).map(drop)
    }

    /// Sets both marks of the device to `level`, after the person at it agreed.
    ///
    /// # Errors
    /// When the device does not answer or is not ready, or the person says no.
    pub fn reset_marks(&mut self, level: Level) -> Result<(), LedgerError> {
        let data = u32::from(level).to_be_bytes();
        let command = Command { data: &data, ..Command::plain(Instruction::ResetMarks) };
        self.ask(&command, PROMPT).map(drop)
    }

    /// The marks on the device.
    ///
    /// # Errors
    /// When the device does not answer or is not ready.
    pub fn marks(&mut self) -> Result<DeviceMarks, LedgerError> {
        let asked = Instruction::AllMarks;
        let data = self.ask(&Command::plain(asked), QUERY)?;
        parse_marks(&data).ok_or(LedgerError::Nonsense { asked: asked.name() })
    }

    /// The key that is authorised for baking, if any.
    ///
    /// # Errors
    /// When the device does not answer or is not ready.
    pub fn authorized_key(&mut self) -> Result<Option<KeyPath>, LedgerError> {
        let asked = Instruction::AuthorizedKey;
        let data = self.ask(&Command::plain(asked), QUERY)?;
        parse_authorized(&data).ok_or(LedgerError::Nonsense { asked: asked.name() })
    }

    /// Whether the app can sign this message at all: it takes one packet, and levels below 2^30.
    ///
    /// # Errors
    /// When it cannot. Nothing is sent.
    pub fn takes(payload: &Payload) -> Result<(), LedgerError> {
        let (length, level) = (payload.bytes().len(), payload.mark().level);
        if length > MAX_DATA {
            return Err(LedgerError::TooLong(length));
        }
        if u32::from(level) >= BakingApp::LEVEL_END {
            return Err(LedgerError::LevelTooHigh(level));
        }
        Ok(())
    }

    /// Signs a block, preattestation or attestation with the key at `path`.
    ///
    /// # Errors
    /// When the device does not answer, is not ready, or refuses.
    pub fn sign(&mut self, path: &KeyPath, message: &[u8]) -> Result<Signature, LedgerError> {
        check_message(message)?;
        self.select(path)?;
        self.sign_selected(path.derivation, message)
    }

    /// Selects the key to sign with. Each time: after a start nothing is selected, and asking for another path's
    /// public key moves the selection. Nothing is signed by it.
    ///
    /// # Errors
    /// When the device does not answer or is not ready.
    pub fn select(&mut self, path: &KeyPath) -> Result<(), LedgerError> {
        let (p2, data) = (path.derivation.number(), path.to_bytes());
        let command = Command { p2, data: &data, ..Command::plain(Instruction::SignWithHash) };
        match self.ask(&command, QUERY) {
            Ok(_) => Ok(()),
            Err(LedgerError::Status { status, .. }) => Err(LedgerError::NotSelected(status)),
            Err(error) => Err(error),
        }
    }

    /// Signs with the key that was selected just now. The app says what it hashed, so its answer cannot be
    /// another message's.
    ///
    /// # Errors
    /// When the device does not answer, is not ready, or refuses.
    pub fn sign_selected(
        &mut self,
        derivation: Derivation,
        message: &[u8],
    ) -> Result<Signature, LedgerError> {
        check_message(message)?;
        let (asked, p2) = (Instruction::SignWithHash, derivation.number());
        let command = Command { p1: LAST_PACKET, p2, data: message, ..Command::plain(asked) };
        let data = self.ask(&command, SIGN)?;
        parse_signature(derivation, &data, blake2b_256(message))
            .ok_or(LedgerError::Nonsense { asked: asked.name() })
    }

    fn key(
        &mut self,
        asked: Instruction,
        path: &KeyPath,
        data: &[u8],
        limit: Duration,
    ) -> Result<PublicKey, LedgerError> {
        let p2 = path.derivation.number();
        let data = self.ask(&Command { p2, data, ..Command::plain(asked) }, limit)?;
        decode::public_key(path.derivation, &data)
            .ok_or(LedgerError::Nonsense { asked: asked.name() })
    }

    /// One exchange that must end in "done"; gives its data.
    fn ask(&mut self, command: &Command<'_>, limit: Duration) -> Result<Vec<u8>, LedgerError> {
        let asked = command.instruction.name();
        let mut bytes = self.raw(command, limit)?;
        let answer = Answer::parse(&bytes).ok_or(LedgerError::Nonsense { asked })?;
        if answer.status.meaning() != Meaning::Done {
            return Err(LedgerError::Status { asked, status: answer.status });
        }
        bytes.truncate(answer.data.len());
        Ok(bytes)
    }

    fn raw(&mut self, command: &Command<'_>, limit: Duration) -> Result<Vec<u8>, LedgerError> {
        let bytes = command.encode().ok_or(LedgerError::TooLong(command.data.len()))?;
        Ok(self.transport.exchange(&bytes, limit)?)
    }
}

/// Nothing else is ever sent to be signed.
fn check_message(message: &[u8]) -> Result<(), LedgerError> {
    if !matches!(message.first(), Some(0x11..=0x13)) {
        return Err(LedgerError::NotForBaking);
    }
    if message.len() > MAX_DATA {
        return Err(LedgerError::TooLong(message.len()));
    }
    Ok(())
}

/// The message that follows a selection, as its only packet.
const LAST_PACKET: u8 = 0x81;

impl LedgerError {
    /// Whether the connection can still be used: the device answered, and in step.
    #[must_use]
    pub fn is_answer(&self) -> bool {
        match self {
            LedgerError::Status { .. }
            | LedgerError::NotSelected(_)
            | LedgerError::NotForBaking
            | LedgerError::TooLong(_)
            | LedgerError::LevelTooHigh(_) => true,
            LedgerError::Transport(_) | LedgerError::Nonsense { .. } | LedgerError::OutOfStep => {
                false
            }
        }
    }
}

fn parse_version(data: &[u8]) -> Option<Version> {
    // The first byte tells the Baking app (1) from the wallet (0).
    match data {
        [1, major, minor, patch] => Some(Version(*major, *minor, *patch)),
        _ => None,
    }
}

/// An answer to "which app runs", or a word that says the device is not ready for it.
fn parse_running_app(bytes: &[u8]) -> Option<()> {
    let answer = Answer::parse(bytes)?;
    match answer.status.meaning() {
        Meaning::Done => parse_app_info(answer.data).map(drop),
        Meaning::Locked | Meaning::OtherApp | Meaning::NotAuthorized | Meaning::Unknown => Some(()),
        Meaning::RejectedByPerson
        | Meaning::RefusedByMark
        | Meaning::Misused
        | Meaning::NotParsed
        | Meaning::BadPath => None,
    }
}

/// Format 1: name and version, each behind its length; then flags.
fn parse_app_info(data: &[u8]) -> Option<AppInfo> {
    let [1, rest @ ..] = data else { return None };
    let (name, rest) = text(rest)?;
    let (version, _flags) = text(rest)?;
    Some(AppInfo { name, version })
}

fn text(data: &[u8]) -> Option<(String, &[u8])> {
    let (length, rest) = data.split_first()?;
    let (text, rest) = rest.split_at_checked(usize::from(*length))?;
    Some((String::from_utf8(text.to_vec()).ok()?, rest))
}

fn parse_marks(data: &[u8]) -> Option<DeviceMarks> {
    let (words, []) = data.as_chunks::<4>() else { return None };
    let [main_level, main_round, other_level, other_round, chain] = words else { return None };
    let mark = |level: &[u8; 4], round: &[u8; 4]| {
        Some(Mark {
            level: Level::try_from(i32::from_be_bytes(*level)).ok()?,
            round: Round::try_from(i32::from_be_bytes(*round)).ok()?,
        })
    };
    Some(DeviceMarks {
        main: mark(main_level, main_round)?,
        other: mark(other_level, other_round)?,
        main_chain: ChainId::from_bytes(*chain),
    })
}

/// The derivation, then the path; two zeros when nothing is authorised.
#[expect(clippy::option_option, reason = "none: makes no sense; some none: no key")]
fn parse_authorized(data: &[u8]) -> Option<Option<KeyPath>> {
    match data {
        [_, 0] => Some(None),
        [derivation, path @ ..] => {
            KeyPath::from_bytes(Derivation::from_number(*derivation)?, path).map(Some)
        }
        [] => None,
    }
}

fn parse_signature(derivation: Derivation, data: &[u8], digest: Digest) -> Option<Signature> {
    let (hash, signature) = data.split_first_chunk::<32>()?;
    if *hash != digest {
        return None;
    }
    decode::signature(derivation, signature)
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl fmt::Debug for BakingApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BakingApp")
    }
}
