//! A message of one box to all others, and its text.

use std::fmt;

use tezos::Digest;
use thiserror::Error;

use super::block::{Block, BlockError, Reader};
use super::body::{Body, BodyError};
use super::digest::digest;
use super::fingerprint::Fingerprint;
use super::participant::{Procedure, Sender};
use super::round::Round;
use crate::{ShareIndex, Threshold};

/// What a box tells all others in one round. Nothing in it is secret to read: what is for one box is encrypted to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    threshold: Threshold,
    sender: Sender,
    body: Body,
}

/// A text that is no message, with the message that it seems to be. *Misused*.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{} {cause}; have it sent again, whole and unchanged", named(claims.as_ref()))]
pub struct MessageError {
    claims: Option<Claim>,
    cause: BodyError,
}

/// Which message a damaged one says it is. It may be another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Claim {
    round: Round,
    sender: Sender,
}

const TITLE: &str = "PEEL CEREMONY MESSAGE";
const FORMAT: &str = "1";

impl Message {
    pub(super) fn new(threshold: Threshold, sender: Sender, body: Body) -> Message {
        Message { threshold, sender, body }
    }

    /// Every message in a text, in their order; what is around them is skipped.
    #[must_use]
    pub fn read_all(text: &str) -> Vec<Result<Message, MessageError>> {
        Block::find(TITLE, text).into_iter().map(Message::of).collect()
    }

    fn of(found: Result<Block, (BlockError, Block)>) -> Result<Message, MessageError> {
        let (block, damage) = match found {
            Ok(block) => (block, None),
            Err((damage, block)) => (block, Some(damage)),
        };
        let read = damage.map_or_else(|| Message::read(&block), |damage| Err(damage.into()));
        read.map_err(|cause| MessageError { claims: Claim::of(&block), cause })
    }

    fn read(block: &Block) -> Result<Message, BodyError> {
        let mut reader = block.reader();
        reader.text("about")?;
        if reader.text("format")? != FORMAT {
            return Err(BodyError::Format);
        }
        let procedure: Procedure = reader.parse("procedure")?;
        let round = reader.parse("round")?;
        let sender = sender(&mut reader)?;
        let threshold = threshold(&mut reader)?;
        let body = Body::read(procedure, round, threshold, &mut reader)?;
        let message = Message { threshold, sender, body };
        if !message.is_sent_by_its_sender() {
            return Err(BlockError::Value("from").into());
        }
        // One message has one text: so what two boxes have of it is the same, or its hash is another one.
        let is_canonical = message.block() == *block;
        is_canonical.then_some(message).ok_or(BlockError::Form.into())
    }

    /// Whether such a message comes from such a box.
    fn is_sent_by_its_sender(&self) -> bool {
        match (self.sender, self.body.redealing()) {
            (Sender::Share(index), None) => index.number() <= self.threshold.shares(),
            (Sender::OldShare(index), Some(redealing)) => redealing.old.is_dealer(index),
            (Sender::Share(_), Some(_)) | (Sender::OldShare(_), None) => false,
        }
    }

    /// Its text, as files and chats carry it.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.block().to_text(TITLE).to_string()
    }

    fn block(&self) -> Block {
        let kind = match self.sender {
            Sender::Share(_) => "new",
            Sender::OldShare(_) => "old",
        };
        let block = Block::new()
            .with("about", self.about())
            .with("format", FORMAT)
            .with("procedure", self.procedure().name())
            .with("round", self.round().to_string())
            .with("set", kind)
            .with("from", self.sender.index().to_string())
            .with("threshold", self.threshold.needed().to_string())
            .with("shares", self.threshold.shares().to_string());
        self.body.write(block)
    }

    /// The line for people. No colon: a broken line must not look like a new value.
    fn about(&self) -> String {
        let old = self.body.redealing().map(|redealing| redealing.old.group().threshold());
        let of = old.unwrap_or(self.threshold).shares();
        format!(
            "{}, round {} of 3, from {} of {of}, to every box; nothing in it is secret to read",
            self.procedure(),
            self.round(),
            self.sender
        )
    }

    /// The name of its file.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("round-{}-from-{}.txt", self.round(), self.sender.to_string().replace(' ', "-"))
    }

    /// Its round.
    #[must_use]
    pub fn round(&self) -> Round {
        self.body.round()
    }

    /// The box that it says it is from.
    #[must_use]
    pub fn sender(&self) -> Sender {
        self.sender
    }

    /// What it belongs to.
    #[must_use]
    pub fn procedure(&self) -> Procedure {
        self.body.procedure()
    }

    /// t of n of the shares that are made.
    #[must_use]
    pub fn threshold(&self) -> Threshold {
        self.threshold
    }

    /// Of all that its sender has seen, if it is of round 3: that which [`super::Completed`] has.
    #[must_use]
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        let confirmation = self.body.confirmation()?;
        Some(Fingerprint::of_seen(confirmation.procedure, &confirmation.seen))
    }

    pub(super) fn body(&self) -> &Body {
        &self.body
    }

    /// What names it, and nothing else.
    pub(super) fn digest(&self) -> Digest {
        digest("message", &[self.to_text().as_bytes()])
    }
}

fn threshold(reader: &mut Reader<'_>) -> Result<Threshold, BodyError> {
    let (needed, shares) = (reader.parse("threshold")?, reader.parse("shares")?);
    Ok(Threshold::new(needed, shares)?)
}

fn sender(reader: &mut Reader<'_>) -> Result<Sender, BodyError> {
    let set = reader.text("set")?;
    let index: ShareIndex = reader.parse("from")?;
    match set {
        "new" => Ok(Sender::Share(index)),
        "old" => Ok(Sender::OldShare(index)),
        _ => Err(BlockError::Value("set").into()),
    }
}

impl Claim {
    fn of(block: &Block) -> Option<Claim> {
        let index = block.find_value("from")?.parse().ok()?;
        let round = block.find_value("round")?.parse().ok()?;
        let is_old = block.find_value("set")? == "old";
        let sender = if is_old { Sender::OldShare(index) } else { Sender::Share(index) };
        Some(Claim { round, sender })
    }
}

fn named(claim: Option<&Claim>) -> String {
    claim.map_or_else(|| "a message".to_owned(), Claim::to_string)
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the message of round {} from {}", self.round, self.sender)
    }
}
