//! An old box in a resharing: it deals its share to the new boxes, and remembers nothing.

use thiserror::Error;
use vsss_rs::elliptic_curve::rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::body::{Body, Deal, Invitation, Redealing};
use super::deal::Receiver;
use super::digest::digest;
use super::fault::Fault;
use super::fingerprint::Fingerprint;
use super::message::Message;
use super::old_key::{DealersError, OldKey};
use super::participant::{Procedure, Sender};
use super::polynomial::Polynomial;
use super::received::{Missing, Received, Sent, whole};
use super::round::Round;
use super::transcript::Transcript;
use crate::scalar::Scalar;
use crate::{Share, ShareIndex, Threshold};

/// The new boxes of a resharing: all messages of round 1. As many of them as the new threshold says will have the key, so
/// an old box has to know that they are the right ones before it deals: people compare their fingerprint.
#[derive(Debug, Clone)]
pub struct NewBoxes {
    threshold: Threshold,
    transcript: Transcript,
    receivers: Vec<Receiver>,
}

/// Why there are no new boxes to deal to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewBoxesError {
    /// There is no message of a new box.
    None,
    /// Some have sent none.
    Missing(Missing),
    /// A message is wrong.
    Fault(Fault),
}

/// Why a share is not dealt.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RedealError {
    /// The new boxes are others than those that were meant.
    #[error(
        "the new boxes are not those that were compared: their fingerprint here is {here}; compare it at every new box, and deal \
         only when all of them show the same"
    )]
    OtherBoxes {
        /// What it is.
        here: Fingerprint,
    },
    /// The dealers are too few, too many, or unknown.
    #[error(transparent)]
    Dealers(#[from] DealersError),
    /// This share deals nothing.
    #[error("this is share {0}, and not one of the dealers")]
    NoDealer(ShareIndex),
    /// A new box's message is wrong, or a library failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl NewBoxes {
    /// From the messages of round 1; others are skipped.
    ///
    /// # Errors
    /// When they are not all there, or do not belong together.
    pub fn gather(messages: &[Message]) -> Result<NewBoxes, NewBoxesError> {
        let is_first = |message: &&Message| message.body().invitation().is_some();
        let invitations: Vec<Message> = messages.iter().filter(is_first).cloned().collect();
        let threshold = invitations.first().ok_or(NewBoxesError::None)?.threshold();
        let received = Received::new(Procedure::Resharing, threshold, &invitations);
        let invited = received.map_err(NewBoxesError::Fault)?.all(Body::invitation);
        let boxes = threshold.indices().map(Sender::Share);
        whole(Round::First, boxes, &invited).map_err(NewBoxesError::Missing)?;
        let receiver =
            |sent: &Sent<Invitation>| Receiver { share: sent.sender, key: sent.body.key };
        let receivers = invited.iter().map(receiver).collect();
        let transcript = Transcript::new(Procedure::Resharing).with(Round::First, &invited);
        Ok(NewBoxes { threshold, transcript, receivers })
    }

    /// t of n of the new shares.
    #[must_use]
    pub fn threshold(&self) -> Threshold {
        self.threshold
    }

    /// For people to compare: a new box shows the same.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.transcript.fingerprint()
    }

    /// Deals a share to them. `compared` is the fingerprint that every new box shows; `dealers` are all old shares that
    /// deal.
    ///
    /// # Errors
    /// When the new boxes are others, or the dealers are none.
    pub fn deal(
        &self,
        share: &Share,
        dealers: &[ShareIndex],
        compared: Fingerprint,
        rng: &mut impl CryptoRng,
    ) -> Result<Message, RedealError> {
        self.check(compared)?;
        let old = OldKey::new(share.group().clone(), dealers)?;
        let factor = old.factor(share.index()).ok_or(RedealError::NoDealer(share.index()))?;
        let polynomial = part(share, factor).ok_or(Fault::Library)?;
        let polynomial = Polynomial::with_constant(&polynomial, self.threshold, rng);
        let (dealer, seen) = (Sender::OldShare(share.index()), self.transcript.seen());
        let of = (dealer, &self.transcript);
        let deal = Deal::make(&polynomial, self.threshold, of, &self.receivers, rng)?;
        let body = Body::Redealing(Redealing { seen, old, deal });
        Ok(Message::new(self.threshold, dealer, body))
    }

    /// A seed for the random numbers of this share's deal to these boxes: the same each time, and only a program with the
    /// share can compute it. So a deal that is made again is the same, and one that stands in its name can be compared with it.
    ///
    /// # Errors
    /// When the share's secret is no scalar, which it is.
    pub fn seed(
        &self,
        share: &Share,
        dealers: &[ShareIndex],
    ) -> Result<Zeroizing<[u8; 32]>, RedealError> {
        let secret = Zeroizing::new(Scalar::of(share.secret()).ok_or(Fault::Library)?);
        let secret = Zeroizing::new(secret.to_bytes());
        let mut dealers: Vec<u8> = dealers.iter().map(|dealer| dealer.number()).collect();
        dealers.sort_unstable();
        let seen = self.transcript.seen().concat();
        Ok(Zeroizing::new(digest("deal", &[&*secret, &seen, &dealers])))
    }

    /// Whether they are those that were compared.
    ///
    /// # Errors
    /// When they are others.
    pub fn check(&self, compared: Fingerprint) -> Result<(), RedealError> {
        let here = self.fingerprint();
        if here == compared { Ok(()) } else { Err(RedealError::OtherBoxes { here }) }
    }
}

/// What a share is of the key, with the other dealers': their sum is the key.
fn part(share: &Share, factor: [u8; 32]) -> Option<Zeroizing<Scalar>> {
    let secret = Zeroizing::new(Scalar::of(share.secret())?);
    Some(Zeroizing::new(*secret * Scalar::from_bytes(factor)?))
}
