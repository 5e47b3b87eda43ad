//! A new box in a resharing: it gets a new share of a key that is there.

use std::fmt;

use vsss_rs::elliptic_curve::rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::body::{Body, Invitation, Redealing};
use super::envelope::DecryptionKey;
use super::exchange::{Completed, Exchange, Opened, Outcome, Stop};
use super::fault::Fault;
use super::memory::{self, MemoryError};
use super::message::Message;
use super::old_key::OldKey;
use super::participant::{Participant, Procedure, Sender};
use super::received::{Missing, Sent, whole};
use super::round::Round;
use super::transcript::Transcript;

/// What a new box has to remember during a resharing. It zeroises itself, and is no share.
pub struct Resharing {
    own: Participant,
    key: DecryptionKey,
}

impl Resharing {
    /// Begins.
    pub fn begin(own: Participant, rng: &mut impl CryptoRng) -> Resharing {
        Resharing { own, key: DecryptionKey::generate(rng) }
    }

    /// The box that this is.
    #[must_use]
    pub fn participant(&self) -> Participant {
        self.own
    }

    /// Goes as far as the messages reach.
    ///
    /// # Errors
    /// When a message is wrong.
    pub fn advance(&self, messages: &[Message]) -> Result<Outcome, Fault> {
        let mut exchange = Exchange::new(Procedure::Resharing, self.own, messages)?;
        let end = self.run(&mut exchange);
        exchange.outcome(end)
    }

    fn run(&self, exchange: &mut Exchange) -> Result<Completed, Stop> {
        exchange.send(Body::Invitation(Invitation { key: self.key.encryption_key() }))?;
        let invited = exchange.all(Body::invitation);
        whole(Round::First, exchange.boxes(), &invited)?;
        let first = Transcript::new(Procedure::Resharing).with(Round::First, &invited);
        let dealt = exchange.all(Body::redealing);
        let nothing = Missing { round: Round::Second, senders: Vec::new() };
        let old = dealt.first().ok_or(nothing)?;
        let opened = dealt.iter().map(|sent| self.open(&first, old, sent));
        let opened = opened.collect::<Result<Vec<_>, _>>()?;
        whole(Round::Second, dealers(&old.body.old), &dealt)?;
        exchange.confirm(&first.with(Round::Second, &dealt), &opened)
    }

    /// Checks a dealing, and opens what is for this box.
    fn open(
        &self,
        transcript: &Transcript,
        first: &Sent<Redealing>,
        sent: &Sent<Redealing>,
    ) -> Result<Opened, Fault> {
        let (dealer, old, deal) = (sent.sender, &sent.body.old, &sent.body.deal);
        transcript.compare(dealer, Round::Second, &sent.body.seen)?;
        if *old != first.body.old {
            return Err(Fault::OldKey { by: first.sender, other: dealer });
        }
        // In place of a proof of possession: the constant is known, and of it no dealer can choose anything.
        let part = old.part(dealer.index());
        if part.is_none() || part.as_ref() != deal.commitments.constant() {
            return Err(Fault::Constant(dealer));
        }
        let value = deal.open((dealer, transcript), self.own, &self.key)?;
        Ok(Opened { commitments: deal.commitments.clone(), value })
    }

    /// What is to be remembered, as text.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        memory::to_text(memory::begin(Procedure::Resharing, self.own, &self.key))
    }

    /// Reads what was remembered.
    ///
    /// # Errors
    /// When it is damaged, or of something else.
    pub fn from_text(text: &str) -> Result<Resharing, MemoryError> {
        let block = memory::find(text)?;
        let mut reader = block.reader();
        let (own, key) = memory::read(Procedure::Resharing, &mut reader)?;
        reader.end()?;
        Ok(Resharing { own, key })
    }
}

fn dealers(old: &OldKey) -> impl Iterator<Item = Sender> {
    old.dealers().iter().copied().map(Sender::OldShare)
}

impl fmt::Debug for Resharing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Resharing(share {} of {})", self.own.index(), self.own.threshold().shares())
    }
}
