//! What each message says.

use tezos::{Curve, Digest, PublicKey, Signature};
use thiserror::Error;

use super::block::{Block, BlockError, Reader};
use super::commitments::{Commitments, CommitmentsError, Point};
use super::envelope::{EncryptionKey, Envelope};
use super::old_key::{DealersError, OldKey};
use super::participant::Procedure;
use super::round::Round;
use crate::{GroupError, Threshold, ThresholdError};

/// The messages that there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Body {
    Announcement(Announcement),
    Dealing(Dealing),
    Invitation(Invitation),
    Redealing(Redealing),
    Confirmation(Confirmation),
}

/// Ceremony, round 1: a box takes part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Announcement {
    pub(super) key: EncryptionKey,
    /// A hash of what its dealing will publish: see [`super::deal::promise`].
    pub(super) promise: Digest,
}

/// Ceremony, round 2: the part of the key that a box makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dealing {
    /// All messages of round 1.
    pub(super) seen: Vec<Digest>,
    /// Of the possession of the constant.
    pub(super) proof: Signature,
    pub(super) deal: Deal,
}

/// A polynomial: what all may know of it, and its value for each box, sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Deal {
    pub(super) commitments: Commitments,
    /// In the order of the shares.
    pub(super) envelopes: Vec<Envelope>,
}

/// Resharing, round 1: a box asks for a new share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Invitation {
    pub(super) key: EncryptionKey,
}

/// Resharing, round 2: an old share, dealt to the new boxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Redealing {
    /// All messages of round 1.
    pub(super) seen: Vec<Digest>,
    pub(super) old: OldKey,
    pub(super) deal: Deal,
}

/// Round 3: what a box has seen, and which key it got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Confirmation {
    pub(super) procedure: Procedure,
    /// All messages of rounds 1 and 2.
    pub(super) seen: Vec<Digest>,
    pub(super) public_key: PublicKey,
}

/// What is wrong with the text of a message.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum BodyError {
    #[error(transparent)]
    Block(#[from] BlockError),
    #[error("is of another version of peel; use the same one at every box")]
    Format,
    #[error("is wrong: {0}")]
    Threshold(#[from] ThresholdError),
    #[error("is wrong: {0}")]
    Commitments(#[from] CommitmentsError),
    #[error("is wrong: of the old key, {0}")]
    OldKey(#[from] GroupError),
    #[error("is wrong: {0}")]
    Dealers(#[from] DealersError),
}

impl Body {
    /// The rest of a message of this kind.
    pub(super) fn read(
        procedure: Procedure,
        round: Round,
        threshold: Threshold,
        reader: &mut Reader<'_>,
    ) -> Result<Body, BodyError> {
        Ok(match (procedure, round) {
            (Procedure::Ceremony, Round::First) => Body::Announcement(Announcement::read(reader)?),
            (Procedure::Ceremony, Round::Second) => {
                Body::Dealing(Dealing::read(threshold, reader)?)
            }
            (Procedure::Resharing, Round::First) => Body::Invitation(Invitation::read(reader)?),
            (Procedure::Resharing, Round::Second) => {
                Body::Redealing(Redealing::read(threshold, reader)?)
            }
            (_, Round::Third) => Body::Confirmation(Confirmation::read(procedure, reader)?),
        })
    }

    /// Adds what it says.
    pub(super) fn write(&self, block: Block) -> Block {
        match self {
            Body::Announcement(announcement) => announcement.write(block),
            Body::Dealing(dealing) => dealing.write(block),
            Body::Invitation(invitation) => invitation.write(block),
            Body::Redealing(redealing) => redealing.write(block),
            Body::Confirmation(confirmation) => confirmation.write(block),
        }
    }

    pub(super) fn procedure(&self) -> Procedure {
        match self {
            Body::Announcement(_) | Body::Dealing(_) => Procedure::Ceremony,
            Body::Invitation(_) | Body::Redealing(_) => Procedure::Resharing,
            Body::Confirmation(confirmation) => confirmation.procedure,
        }
    }

    pub(super) fn round(&self) -> Round {
        match self {
            Body::Announcement(_) | Body::Invitation(_) => Round::First,
            Body::Dealing(_) | Body::Redealing(_) => Round::Second,
            Body::Confirmation(_) => Round::Third,
        }
    }

    pub(super) fn announcement(&self) -> Option<&Announcement> {
        if let Body::Announcement(announcement) = self { Some(announcement) } else { None }
    }

    pub(super) fn dealing(&self) -> Option<&Dealing> {
        if let Body::Dealing(dealing) = self { Some(dealing) } else { None }
    }

    pub(super) fn invitation(&self) -> Option<&Invitation> {
        if let Body::Invitation(invitation) = self { Some(invitation) } else { None }
    }

    pub(super) fn redealing(&self) -> Option<&Redealing> {
        if let Body::Redealing(redealing) = self { Some(redealing) } else { None }
    }

    pub(super) fn confirmation(&self) -> Option<&Confirmation> {
        if let Body::Confirmation(confirmation) = self { Some(confirmation) } else { None }
    }
}

impl Announcement {
    fn read(reader: &mut Reader<'_>) -> Result<Announcement, BodyError> {
        Ok(Announcement { key: reader.one("key")?, promise: reader.one("promise")? })
    }

    fn write(&self, block: Block) -> Block {
        block.with_bytes("key", &[self.key]).with_bytes("promise", &[self.promise])
    }
}

impl Dealing {
    fn read(threshold: Threshold, reader: &mut Reader<'_>) -> Result<Dealing, BodyError> {
        let seen = reader.bytes("seen")?;
        let proof: [u8; 96] = reader.one("proof")?;
        let proof = Signature::new(Curve::Bls, &proof).ok_or(BlockError::Value("proof"))?;
        Ok(Dealing { seen, proof, deal: Deal::read(threshold, reader)? })
    }

    fn write(&self, block: Block) -> Block {
        let block = block.with_bytes("seen", &self.seen);
        self.deal.write(block.with("proof", hex::encode(self.proof.bytes())))
    }
}

impl Deal {
    fn read(threshold: Threshold, reader: &mut Reader<'_>) -> Result<Deal, BodyError> {
        let commitments = Commitments::new(reader.bytes("commitments")?, threshold)?;
        let envelopes = reader.bytes("sealed")?;
        if envelopes.len() != usize::from(threshold.shares()) {
            return Err(BlockError::Value("sealed").into());
        }
        Ok(Deal { commitments, envelopes })
    }

    fn write(&self, block: Block) -> Block {
        let block = block.with_bytes("commitments", self.commitments.bytes());
        block.with_bytes("sealed", &self.envelopes)
    }
}

impl Invitation {
    fn read(reader: &mut Reader<'_>) -> Result<Invitation, BodyError> {
        Ok(Invitation { key: reader.one("key")? })
    }

    fn write(&self, block: Block) -> Block {
        block.with_bytes("key", &[self.key])
    }
}

impl Redealing {
    fn read(threshold: Threshold, reader: &mut Reader<'_>) -> Result<Redealing, BodyError> {
        let (seen, old) = (reader.bytes("seen")?, OldKey::read(reader)?);
        Ok(Redealing { seen, old, deal: Deal::read(threshold, reader)? })
    }

    fn write(&self, block: Block) -> Block {
        self.deal.write(self.old.write(block.with_bytes("seen", &self.seen)))
    }
}

impl Confirmation {
    fn read(procedure: Procedure, reader: &mut Reader<'_>) -> Result<Confirmation, BodyError> {
        let seen = reader.bytes("seen")?;
        let public_key = key(reader.one("public-key")?, "public-key")?;
        Ok(Confirmation { procedure, seen, public_key })
    }

    fn write(&self, block: Block) -> Block {
        let block = block.with_bytes("seen", &self.seen);
        block.with("public-key", hex::encode(self.public_key.bytes()))
    }
}

/// A public key of tz4.
pub(super) fn key(bytes: Point, name: &'static str) -> Result<PublicKey, BodyError> {
    PublicKey::new(Curve::Bls, &bytes).map_err(|_| BlockError::Value(name).into())
}
