//! A box in a ceremony: it makes its part of a key that then exists nowhere.

use std::fmt;

use vsss_rs::elliptic_curve::rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::block::BlockError;
use super::body::{Announcement, Body, Deal, Dealing};
use super::commitments::Commitments;
use super::deal::{Receiver, is_proved, promise};
use super::envelope::DecryptionKey;
use super::exchange::{Completed, Exchange, Opened, Outcome, Stop};
use super::fault::Fault;
use super::memory::{self, MemoryError};
use super::message::Message;
use super::participant::{Participant, Procedure};
use super::polynomial::Polynomial;
use super::received::{Sent, whole};
use super::round::Round;
use super::transcript::Transcript;

/// What a box has to remember during a ceremony. It zeroises itself, and is no share.
pub struct Ceremony {
    own: Participant,
    key: DecryptionKey,
    stage: Stage,
}

/// A polynomial is dealt once: to other boxes the same one would give away too many of its values.
enum Stage {
    Announced(Polynomial),
    Dealt(Dealing),
}

impl Ceremony {
    /// Begins: chooses the part of this box.
    pub fn begin(own: Participant, rng: &mut impl CryptoRng) -> Ceremony {
        let key = DecryptionKey::generate(rng);
        let polynomial = Polynomial::random(own.threshold(), rng);
        Ceremony { own, key, stage: Stage::Announced(polynomial) }
    }

    /// The box that this is.
    #[must_use]
    pub fn participant(&self) -> Participant {
        self.own
    }

    /// Goes as far as the messages reach. What is to be remembered changes when the box deals: it must be kept before
    /// anything is sent.
    ///
    /// # Errors
    /// When a message is wrong: nothing is to be sent then, nor to be remembered.
    pub fn advance(
        &mut self,
        messages: &[Message],
        rng: &mut impl CryptoRng,
    ) -> Result<Outcome, Fault> {
        let mut exchange = Exchange::new(Procedure::Ceremony, self.own, messages)?;
        let end = self.run(&mut exchange, rng);
        exchange.outcome(end)
    }

    fn run(
        &mut self,
        exchange: &mut Exchange,
        rng: &mut impl CryptoRng,
    ) -> Result<Completed, Stop> {
        exchange.send(Body::Announcement(self.announcement().ok_or(Fault::Library)?))?;
        let announced = exchange.all(Body::announcement);
        whole(Round::First, exchange.boxes(), &announced)?;
        let first = Transcript::new(Procedure::Ceremony).with(Round::First, &announced);
        exchange.send(Body::Dealing(self.deal(&first, &announced, rng)?))?;
        let dealt = exchange.all(Body::dealing);
        let opened = self.open(&first, &announced, &dealt)?;
        whole(Round::Second, exchange.boxes(), &dealt)?;
        exchange.confirm(&first.with(Round::Second, &dealt), &opened)
    }

    fn announcement(&self) -> Option<Announcement> {
        let promise = match &self.stage {
            Stage::Announced(polynomial) => {
                let commitments = Commitments::new(polynomial.commitments()?, self.own.threshold());
                let proof = polynomial.constant()?.prove_possession()?;
                promise(self.own, &commitments.ok()?, &proof)
            }
            Stage::Dealt(dealing) => promise(self.own, &dealing.deal.commitments, &dealing.proof),
        };
        Some(Announcement { key: self.key.encryption_key(), promise })
    }

    /// Deals, once: from then on it is the same.
    fn deal(
        &mut self,
        transcript: &Transcript,
        announced: &[Sent<Announcement>],
        rng: &mut impl CryptoRng,
    ) -> Result<Dealing, Fault> {
        let polynomial = match &self.stage {
            Stage::Dealt(dealing) => return Ok(dealing.clone()),
            Stage::Announced(polynomial) => polynomial,
        };
        let receiver =
            |sent: &Sent<Announcement>| Receiver { share: sent.sender, key: sent.body.key };
        let receivers: Vec<Receiver> = announced.iter().map(receiver).collect();
        let (threshold, of) = (self.own.threshold(), (self.own.sender(), transcript));
        let deal = Deal::make(polynomial, threshold, of, &receivers, rng)?;
        let proof = polynomial.constant().and_then(|secret| secret.prove_possession());
        let proof = proof.ok_or(Fault::Library)?;
        let dealing = Dealing { seen: transcript.seen(), proof, deal };
        self.stage = Stage::Dealt(dealing.clone());
        Ok(dealing)
    }

    /// Checks the dealings that are there, and opens what is for this box.
    fn open(
        &self,
        transcript: &Transcript,
        announced: &[Sent<Announcement>],
        dealt: &[Sent<Dealing>],
    ) -> Result<Vec<Opened>, Fault> {
        let open = |sent: &Sent<Dealing>| {
            let (dealer, deal) = (sent.sender, &sent.body.deal);
            transcript.compare(dealer, Round::Second, &sent.body.seen)?;
            self.check(sent, announced.iter().find(|announced| announced.sender == dealer))?;
            let value = deal.open((dealer, transcript), self.own, &self.key)?;
            Ok(Opened { commitments: deal.commitments.clone(), value })
        };
        dealt.iter().map(open).collect()
    }

    /// Whether a dealing is the one that was promised, and its secret known to its dealer.
    fn check(
        &self,
        sent: &Sent<Dealing>,
        announced: Option<&Sent<Announcement>>,
    ) -> Result<(), Fault> {
        let (commitments, proof) = (&sent.body.deal.commitments, &sent.body.proof);
        let dealer = Participant::new(self.own.threshold(), sent.sender.index()).ok();
        let dealt = dealer.map(|dealer| promise(dealer, commitments, proof));
        if dealt.is_none() || dealt != announced.map(|announced| announced.body.promise) {
            return Err(Fault::Promise(sent.sender));
        }
        is_proved(commitments, proof).then_some(()).ok_or(Fault::Proof(sent.sender))
    }

    /// What is to be remembered, as text.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let block = memory::begin(Procedure::Ceremony, self.own, &self.key);
        memory::to_text(match &self.stage {
            Stage::Announced(polynomial) => {
                block.with_bytes("polynomial", &polynomial.to_coefficients())
            }
            Stage::Dealt(dealing) => {
                let (own, body) = (self.own, Body::Dealing(dealing.clone()));
                let message = Message::new(own.threshold(), own.sender(), body);
                block.with("dealt", hex::encode(message.to_text()))
            }
        })
    }

    /// Reads what was remembered.
    ///
    /// # Errors
    /// When it is damaged, or of something else.
    pub fn from_text(text: &str) -> Result<Ceremony, MemoryError> {
        let block = memory::find(text)?;
        let mut reader = block.reader();
        let (own, key) = memory::read(Procedure::Ceremony, &mut reader)?;
        let stage = if block.find_value("dealt").is_some() {
            Stage::Dealt(memory::dealt(&mut reader)?)
        } else {
            let coefficients = Zeroizing::new(reader.bytes("polynomial")?);
            let polynomial = Polynomial::from_coefficients(&coefficients, own.threshold());
            Stage::Announced(polynomial.ok_or(BlockError::Value("polynomial"))?)
        };
        reader.end()?;
        Ok(Ceremony { own, key, stage })
    }
}

impl fmt::Debug for Ceremony {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ceremony(share {} of {})", self.own.index(), self.own.threshold().shares())
    }
}
