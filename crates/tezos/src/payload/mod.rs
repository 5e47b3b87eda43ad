//! What a baker asks to sign, parsed strictly.
//!
//! A payload is one of three things, told apart by its first byte. It is accepted only in the one
//! form in which octez writes it: exact lengths, the tag that fits the magic byte and the key, no
//! byte behind the end, no number out of range. Whatever parses encodes to the same bytes again.
//! Layouts: octez `src/proto_{024,025,alpha}*/lib_protocol/{block_header_repr,fitness_repr,operation_repr}.ml`.
//!
//! A later protocol may write more than that. [`Payload::parse_any_form`] reads it as far as its mark needs, and says
//! what it does not know; whether it may be signed is the watermark store's to say.

mod block;

mod vote;

pub use block::{Block, Fitness};
pub use vote::{Consensus, DalAttestation, Vote};

use crate::payload_error::PayloadError;
use crate::reader::Reader;
use crate::{ChainId, Curve, Digest, Kind, Level, Mark, PublicKeyHash, blake2b_256};

/// The protocols whose blocks and votes are known to the last byte, as octez numbers them.
pub const KNOWN_PROTOCOLS: [&str; 3] = ["024", "025", "alpha"];

/// A parsed payload with the bytes it was parsed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    bytes: Vec<u8>,
    digest: Digest,
    content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Block(Block),
    Vote(Vote),
}

/// Which of the two layouts of a vote a key has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyForm {
    /// tz1, tz2, tz3: with a slot.
    Slot,
    /// tz4: without a slot, and never with DAL content.
    NoSlot,
}

impl KeyForm {
    /// The form that votes of this key have.
    #[must_use]
    pub fn of(key: &PublicKeyHash) -> KeyForm {
        match key.curve() {
            Curve::Bls => KeyForm::NoSlot,
            Curve::Ed25519 | Curve::Secp256k1 | Curve::P256 | Curve::MlDsa44 => KeyForm::Slot,
        }
    }
}

impl Payload {
    /// Parses `bytes` as what a key of this form signs.
    ///
    /// # Errors
    /// When the bytes are anything else than a block, a preattestation or an attestation in a known form.
    pub fn parse(bytes: &[u8], form: KeyForm) -> Result<Payload, PayloadError> {
        let payload = Payload::parse_any_form(bytes, form)?;
        match payload.unknown_form() {
            Some(why) => Err(why.clone()),
            None => Ok(payload),
        }
    }

    /// The same, and also what only a protocol can have written that is not known here: a block with any protocol
    /// data behind its shell header, a vote with a new tag or with more behind its payload hash.
    /// [`Payload::unknown_form`] tells them apart.
    ///
    /// # Errors
    /// When the bytes are nothing of the kind, or have no level and round where the known forms have them.
    pub fn parse_any_form(bytes: &[u8], form: KeyForm) -> Result<Payload, PayloadError> {
        let (magic, body) = bytes.split_first().ok_or(PayloadError::Empty)?;
        let mut reader = Reader::new(body);
        let content = match magic {
            0x11 => Content::Block(Block::read(&mut reader)?),
            0x12 => Content::Vote(Vote::read(&mut reader, Consensus::Preattestation, form)?),
            0x13 => Content::Vote(Vote::read(&mut reader, Consensus::Attestation, form)?),
            other => return Err(PayloadError::MagicByte(*other)),
        };
        reader.end()?;
        Ok(Payload { bytes: bytes.to_vec(), digest: blake2b_256(bytes), content })
    }

    /// Why it is of no form that is known here; none if it is of a known one.
    #[must_use]
    pub fn unknown_form(&self) -> Option<&PayloadError> {
        match &self.content {
            Content::Block(block) => block.unknown_form(),
            Content::Vote(vote) => vote.unknown_form(),
        }
    }

    /// The bytes as they came: what is signed.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// BLAKE2b-256 of the bytes.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The chain it is for.
    #[must_use]
    pub fn chain(&self) -> ChainId {
        match &self.content {
            Content::Block(block) => block.chain,
            Content::Vote(vote) => vote.chain,
        }
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match &self.content {
            Content::Block(_) => Kind::Block,
            Content::Vote(vote) => vote.consensus.kind(),
        }
    }

    /// Where it is signed.
    #[must_use]
    pub fn mark(&self) -> Mark {
        match &self.content {
            Content::Block(block) => Mark { level: block.level, round: block.fitness.round },
            Content::Vote(vote) => Mark { level: vote.level, round: vote.round },
        }
    }

    /// The block, if it is one.
    #[must_use]
    pub fn block(&self) -> Option<&Block> {
        match &self.content {
            Content::Block(block) => Some(block),
            Content::Vote(_) => None,
        }
    }

    /// The preattestation or attestation, if it is one.
    #[must_use]
    pub fn vote(&self) -> Option<&Vote> {
        match &self.content {
            Content::Block(_) => None,
            Content::Vote(vote) => Some(vote),
        }
    }

    /// Writes the parsed fields again; always equal to [`Payload::bytes`].
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![self.kind().magic_byte()];
        match &self.content {
            Content::Block(block) => block.write(&mut out),
            Content::Vote(vote) => vote.write(&mut out),
        }
        out
    }
}

fn level(reader: &mut Reader<'_>, field: &'static str) -> Result<Level, PayloadError> {
    Level::try_from(reader.i32(field)?).map_err(|cause| PayloadError::Range { field, cause })
}

fn round(reader: &mut Reader<'_>, field: &'static str) -> Result<crate::Round, PayloadError> {
    crate::Round::try_from(reader.i32(field)?).map_err(|cause| PayloadError::Range { field, cause })
}
