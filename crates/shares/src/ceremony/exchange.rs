//! One run of a box through the messages that it has: up to the first round that is not whole, or to its share.

use tezos::PublicKey;
use zeroize::Zeroizing;

use super::body::{Body, Confirmation};
use super::commitments::{self, Commitments};
use super::fault::Fault;
use super::fingerprint::Fingerprint;
use super::message::Message;
use super::participant::{Participant, Procedure, Sender};
use super::received::{Missing, Received, Sent, whole};
use super::round::Round;
use super::transcript::Transcript;
use crate::scalar::Scalar;
use crate::{Group, Share};

/// What came of one run.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The box's own messages up to here, to be sent to all others. It is the same whenever it runs again.
    pub send: Vec<Message>,
    /// How far it is.
    pub progress: Progress,
}

/// How far a box is.
#[derive(Debug, Clone)]
pub enum Progress {
    /// It needs more messages.
    Waiting(Missing),
    /// It has its share.
    Done(Box<Completed>),
}

/// The end: every box has confirmed the same.
#[derive(Debug, Clone)]
pub struct Completed {
    /// The share of this box.
    pub share: Share,
    /// Of all that was seen. People compare it, because no message proves which person sent it.
    pub fingerprint: Fingerprint,
}

/// Why a run ends before the share is there.
pub(super) enum Stop {
    Missing(Missing),
    Fault(Fault),
}

impl From<Missing> for Stop {
    fn from(missing: Missing) -> Stop {
        Stop::Missing(missing)
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Stop {
        Stop::Fault(fault)
    }
}

/// A deal of which this box has its own part.
pub(super) struct Opened {
    pub(super) commitments: Commitments,
    pub(super) value: Zeroizing<Scalar>,
}

/// The messages of a box, those that it sends among them.
pub(super) struct Exchange {
    own: Participant,
    procedure: Procedure,
    received: Received,
    send: Vec<Message>,
}

impl Exchange {
    pub(super) fn new(
        procedure: Procedure,
        own: Participant,
        messages: &[Message],
    ) -> Result<Exchange, Fault> {
        let received = Received::new(procedure, own.threshold(), messages)?;
        Ok(Exchange { own, procedure, received, send: Vec::new() })
    }

    /// Sends a message to all, this box among them.
    pub(super) fn send(&mut self, body: Body) -> Result<(), Fault> {
        let message = Message::new(self.own.threshold(), self.own.sender(), body);
        self.received.put(message.clone())?;
        self.send.push(message);
        Ok(())
    }

    /// What there is of one kind.
    pub(super) fn all<T: Clone>(&self, kind: fn(&Body) -> Option<&T>) -> Vec<Sent<T>> {
        self.received.all(kind)
    }

    /// Every share's box, as a sender.
    pub(super) fn boxes(&self) -> impl Iterator<Item = Sender> + use<> {
        self.own.threshold().indices().map(Sender::Share)
    }

    /// Round 3: confirms what was seen, and makes the share when every box has confirmed the same.
    pub(super) fn confirm(
        &mut self,
        transcript: &Transcript,
        opened: &[Opened],
    ) -> Result<Completed, Stop> {
        let parts: Vec<&Commitments> = opened.iter().map(|one| &one.commitments).collect();
        let group = commitments::group(self.own.threshold(), &parts).ok_or(Fault::NoKey)?;
        let confirmed = self.all(Body::confirmation);
        confirmed.iter().try_for_each(|sent| agrees(sent, transcript, group.public_key()))?;
        let (procedure, seen) = (self.procedure, transcript.seen());
        let public_key = group.public_key().clone();
        self.send(Body::Confirmation(Confirmation { procedure, seen, public_key }))?;
        whole(Round::Third, self.boxes(), &self.all(Body::confirmation))?;
        let share = share(group, self.own, opened).ok_or(Fault::Library)?;
        Ok(Completed { share, fingerprint: transcript.fingerprint() })
    }

    /// Says how it ended.
    pub(super) fn outcome(self, end: Result<Completed, Stop>) -> Result<Outcome, Fault> {
        let progress = match end {
            Ok(completed) => Progress::Done(Box::new(completed)),
            Err(Stop::Missing(missing)) => Progress::Waiting(missing),
            Err(Stop::Fault(fault)) => return Err(fault),
        };
        Ok(Outcome { send: self.send, progress })
    }
}

fn agrees(
    sent: &Sent<Confirmation>,
    transcript: &Transcript,
    public_key: &PublicKey,
) -> Result<(), Fault> {
    transcript.compare(sent.sender, Round::Third, &sent.body.seen)?;
    let agrees = sent.body.public_key == *public_key;
    agrees.then_some(()).ok_or(Fault::OtherKey(sent.sender))
}

/// The sum of the parts. It is checked against the public key that the commitments give it.
fn share(group: Group, own: Participant, opened: &[Opened]) -> Option<Share> {
    let sum = opened.iter().map(|one| *one.value).reduce(|sum, value| sum + value);
    let sum = Zeroizing::new(sum?);
    Share::new(group, own.index(), sum.to_secret_key()?).ok()
}
