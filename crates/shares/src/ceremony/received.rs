//! The messages that a box has, its own among them, by round and sender.

use tezos::Digest;

use super::body::Body;
use super::fault::Fault;
use super::message::Message;
use super::participant::{Procedure, Sender};
use super::round::Round;
use crate::Threshold;

/// Messages of one procedure, for one threshold; no two of one round are of one sender.
pub(super) struct Received(Vec<Message>);

/// The message of one box, of a kind that is known.
#[derive(Debug, Clone)]
pub(super) struct Sent<T> {
    pub(super) sender: Sender,
    pub(super) digest: Digest,
    pub(super) body: T,
}

impl Received {
    /// Takes what was received. The same message twice is there once.
    pub(super) fn new(
        procedure: Procedure,
        threshold: Threshold,
        messages: &[Message],
    ) -> Result<Received, Fault> {
        let mut received = Received(Vec::with_capacity(messages.len()));
        for message in messages {
            check(message, procedure, threshold)?;
            received.put(message.clone())?;
        }
        Ok(received)
    }

    /// Adds a message, if it is not there.
    pub(super) fn put(&mut self, message: Message) -> Result<(), Fault> {
        let (by, round) = (message.sender(), message.round());
        let same = self.0.iter().find(|other| (other.sender(), other.round()) == (by, round));
        match same {
            None => self.0.push(message),
            Some(other) if *other == message => {}
            Some(_) => return Err(Fault::Twice { by, round }),
        }
        Ok(())
    }

    /// The messages of one kind, in the order of their senders.
    pub(super) fn all<T: Clone>(&self, kind: fn(&Body) -> Option<&T>) -> Vec<Sent<T>> {
        let sent = self.0.iter().filter_map(|message| {
            let body = kind(message.body())?.clone();
            Some(Sent { sender: message.sender(), digest: message.digest(), body })
        });
        let mut sent: Vec<Sent<T>> = sent.collect();
        sent.sort_by_key(|sent| sent.sender);
        sent
    }
}

fn check(message: &Message, ours: Procedure, threshold: Threshold) -> Result<(), Fault> {
    let (by, round) = (message.sender(), message.round());
    let (theirs, of) = (message.procedure(), message.threshold());
    if theirs != ours {
        return Err(Fault::Procedure { by, round, theirs, ours });
    }
    if of != threshold {
        return Err(Fault::Threshold { by, theirs: of, ours: threshold });
    }
    Ok(())
}

/// A round that is not whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Which one.
    pub round: Round,
    /// The boxes that have sent nothing. None, if which old boxes deal is not known yet.
    pub senders: Vec<Sender>,
}

/// Whether all of these have sent.
pub(super) fn whole<T>(
    round: Round,
    expected: impl Iterator<Item = Sender>,
    sent: &[Sent<T>],
) -> Result<(), Missing> {
    let is_missing = |sender: &Sender| sent.iter().all(|sent| sent.sender != *sender);
    let senders: Vec<Sender> = expected.filter(is_missing).collect();
    if senders.is_empty() { Ok(()) } else { Err(Missing { round, senders }) }
}
