//! Which messages a box has seen, in an order that all boxes agree on. Each message of a later round says it, so two boxes
//! that were told different things find out, and of which sender.

use tezos::Digest;
use zeroize::Zeroizing;

use super::digest::joined;
use super::fault::Fault;
use super::fingerprint::Fingerprint;
use super::participant::{Procedure, Sender};
use super::received::Sent;
use super::round::Round;

/// The messages of whole rounds: by round, then by sender.
#[derive(Debug, Clone)]
pub(super) struct Transcript {
    procedure: Procedure,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    round: Round,
    sender: Sender,
    digest: Digest,
}

impl Transcript {
    /// Of nothing.
    pub(super) fn new(procedure: Procedure) -> Transcript {
        Transcript { procedure, entries: Vec::new() }
    }

    /// With all messages of one more round.
    pub(super) fn with<T>(mut self, round: Round, sent: &[Sent<T>]) -> Transcript {
        let entry = |sent: &Sent<T>| Entry { round, sender: sent.sender, digest: sent.digest };
        self.entries.extend(sent.iter().map(entry));
        self
    }

    /// What a message says of it.
    pub(super) fn seen(&self) -> Vec<Digest> {
        self.entries.iter().map(|entry| entry.digest).collect()
    }

    /// Compares it with what the message of a later round says that its sender has seen.
    pub(super) fn compare(&self, by: Sender, round: Round, theirs: &[Digest]) -> Result<(), Fault> {
        let differs = |(own, theirs): &(&Entry, &Digest)| own.digest != **theirs;
        let differing: Vec<_> = self.entries.iter().zip(theirs).filter(differs).collect();
        let is_foreign = theirs.len() != self.entries.len() || differing.len() == theirs.len();
        match differing.first() {
            _ if is_foreign => Err(Fault::Foreign { by, round }),
            None => Ok(()),
            Some((of, _)) => {
                Err(Fault::Disagreement { by, round, of: of.sender, of_round: of.round })
            }
        }
    }

    /// What an envelope is for: these messages, its sender, its receiver.
    pub(super) fn purpose(&self, sender: Sender, receiver: Sender) -> Zeroizing<Vec<u8>> {
        let seen = self.seen().concat();
        let (sender, receiver) = (sender.to_string(), receiver.to_string());
        let of = [self.procedure.name().as_bytes(), &seen, sender.as_bytes(), receiver.as_bytes()];
        joined("envelope", &of)
    }

    /// For people to compare.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of_seen(self.procedure, &self.seen())
    }
}
