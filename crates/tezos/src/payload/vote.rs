//! A preattestation or an attestation.
//!
//! A tag that is not known here, or bytes behind the end, may be a later protocol's: they are kept as they came, and
//! level and round are read where the known tags have them. Whether such a vote is signed is not decided here.

use crate::payload::{KeyForm, level, round};
use crate::payload_error::PayloadError;
use crate::reader::Reader;
use crate::{ChainId, Kind, Level, Round};

/// A vote of the consensus as it is signed: 80 bytes with a slot, 78 without, more with DAL content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vote {
    /// The chain it is for.
    pub chain: ChainId,
    /// Which of the two votes.
    pub consensus: Consensus,
    /// The hash of the block it is built on. Two votes that differ only here are slashable too.
    pub branch: [u8; 32],
    /// The first slot of the delegate; a tz4 vote has none.
    pub slot: Option<u16>,
    /// The level it is for.
    pub level: Level,
    /// The round it is for.
    pub round: Round,
    /// The payload it votes for.
    pub payload_hash: [u8; 32],
    /// Which data-availability slots were seen, in an attestation with DAL content.
    pub dal: Option<DalAttestation>,
    unknown: Option<Unknown>,
}

/// What is not known of a vote, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Unknown {
    tag: u8,
    /// Behind the payload hash.
    tail: Vec<u8>,
    why: PayloadError,
}

/// What is known of a tag.
enum Tag {
    WithoutDal,
    WithDal,
    Unknown(PayloadError),
}

/// The two votes of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consensus {
    /// The first.
    Preattestation,
    /// The second.
    Attestation,
}

/// A set of DAL slots, as the bytes of a natural number of any size (octez `Data_encoding.z`): six
/// bits in the first byte, seven in each that follows, the high bit says that another follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DalAttestation(Vec<u8>);

const PREATTESTATION: u8 = 0x14;
const ATTESTATION: u8 = 0x15;
const ATTESTATION_WITH_DAL: u8 = 0x17;
const PREATTESTATION_NO_SLOT: u8 = 0x28;
const ATTESTATION_NO_SLOT: u8 = 0x29;
const KNOWN_TAGS: [u8; 5] = [
    PREATTESTATION,
    ATTESTATION,
    ATTESTATION_WITH_DAL,
    PREATTESTATION_NO_SLOT,
    ATTESTATION_NO_SLOT,
];

impl Consensus {
    /// The kind of payload this vote is.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Consensus::Preattestation => Kind::Preattestation,
            Consensus::Attestation => Kind::Attestation,
        }
    }

    fn expected_tags(self, form: KeyForm) -> &'static str {
        match (self, form) {
            (Consensus::Preattestation, KeyForm::Slot) => "preattestations, 20",
            (Consensus::Attestation, KeyForm::Slot) => "attestations, 21 or 23",
            (Consensus::Preattestation, KeyForm::NoSlot) => "preattestations without slot, 40",
            (Consensus::Attestation, KeyForm::NoSlot) => "attestations without slot, 41",
        }
    }
}

impl Vote {
    /// Reads all that is left. Tag and tail may be of unknown form.
    pub(super) fn read(
        reader: &mut Reader<'_>,
        consensus: Consensus,
        form: KeyForm,
    ) -> Result<Vote, PayloadError> {
        let chain = ChainId::from_bytes(reader.array("chain id")?);
        let branch = reader.array("branch")?;
        let number = reader.u8("operation tag")?;
        let tag = Tag::of(number, consensus, form)?;
        let slot = match form {
            KeyForm::Slot => Some(reader.u16("slot")?),
            KeyForm::NoSlot => None,
        };
        let (level, round) = (level(reader, "level")?, round(reader, "round")?);
        let payload_hash = reader.array("payload hash")?;
        let rest = reader.rest();
        let (dal, unknown) = match tag.read_tail(rest) {
            Ok(dal) => (dal, None),
            Err(why) => (None, Some(Unknown { tag: number, tail: rest.to_vec(), why })),
        };
        Ok(Vote { chain, consensus, branch, slot, level, round, payload_hash, dal, unknown })
    }

    /// Why its tag or what is behind its payload hash is of no form that is known here, if so.
    pub(super) fn unknown_form(&self) -> Option<&PayloadError> {
        self.unknown.as_ref().map(|unknown| &unknown.why)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.chain.to_bytes());
        out.extend_from_slice(&self.branch);
        out.push(self.tag());
        if let Some(slot) = self.slot {
            out.extend_from_slice(&slot.to_be_bytes());
        }
        out.extend_from_slice(&self.level.to_be_bytes());
        out.extend_from_slice(&self.round.to_be_bytes());
        out.extend_from_slice(&self.payload_hash);
        if let Some(DalAttestation(bytes)) = &self.dal {
            out.extend_from_slice(bytes);
        }
        if let Some(unknown) = &self.unknown {
            out.extend_from_slice(&unknown.tail);
        }
    }

    fn tag(&self) -> u8 {
        if let Some(unknown) = &self.unknown {
            return unknown.tag;
        }
        match (self.consensus, self.slot, &self.dal) {
            (Consensus::Preattestation, Some(_), _) => PREATTESTATION,
            (Consensus::Preattestation, None, _) => PREATTESTATION_NO_SLOT,
            (Consensus::Attestation, Some(_), None) => ATTESTATION,
            (Consensus::Attestation, Some(_), Some(_)) => ATTESTATION_WITH_DAL,
            (Consensus::Attestation, None, _) => ATTESTATION_NO_SLOT,
        }
    }
}

impl Tag {
    /// A known tag must fit magic byte and key: under another one, level and round stand elsewhere.
    fn of(tag: u8, consensus: Consensus, form: KeyForm) -> Result<Tag, PayloadError> {
        match (consensus, form, tag) {
            (Consensus::Preattestation, KeyForm::Slot, PREATTESTATION)
            | (Consensus::Attestation, KeyForm::Slot, ATTESTATION)
            | (Consensus::Preattestation, KeyForm::NoSlot, PREATTESTATION_NO_SLOT)
            | (Consensus::Attestation, KeyForm::NoSlot, ATTESTATION_NO_SLOT) => Ok(Tag::WithoutDal),
            (Consensus::Attestation, KeyForm::Slot, ATTESTATION_WITH_DAL) => Ok(Tag::WithDal),
            (consensus, form, tag) => {
                let magic = consensus.kind().magic_byte();
                let why = PayloadError::Tag { tag, magic, expected: consensus.expected_tags(form) };
                if KNOWN_TAGS.contains(&tag) { Err(why) } else { Ok(Tag::Unknown(why)) }
            }
        }
    }

    /// Reads what stands behind the payload hash.
    fn read_tail(self, bytes: &[u8]) -> Result<Option<DalAttestation>, PayloadError> {
        let mut reader = Reader::new(bytes);
        let dal = match self {
            Tag::WithoutDal => None,
            Tag::WithDal => Some(DalAttestation::read(&mut reader)?),
            Tag::Unknown(why) => return Err(why),
        };
        reader.end().map(|()| dal)
    }
}

impl DalAttestation {
    const FIELD: &'static str = "DAL attestation";
    const MORE: u8 = 0x80;
    const NEGATIVE: u8 = 0x40;

    fn read(reader: &mut Reader<'_>) -> Result<DalAttestation, PayloadError> {
        let malformed = |why| PayloadError::Malformed { field: Self::FIELD, why };
        let mut byte = reader.u8(Self::FIELD)?;
        if byte & Self::NEGATIVE != 0 {
            return Err(malformed("it is negative"));
        }
        let mut bytes = vec![byte];
        while byte & Self::MORE != 0 {
            byte = reader.u8(Self::FIELD)?;
            bytes.push(byte);
        }
        if byte == 0 && bytes.len() > 1 {
            return Err(malformed("it has a zero byte at its end"));
        }
        Ok(DalAttestation(bytes))
    }
}
