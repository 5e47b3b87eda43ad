//! A preattestation or an attestation.

use crate::payload::reader::Reader;
use crate::payload::{KeyForm, PayloadError, level, round};
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
    pub(super) fn read(
        reader: &mut Reader<'_>,
        consensus: Consensus,
        form: KeyForm,
    ) -> Result<Vote, PayloadError> {
        let chain = ChainId::from_bytes(reader.array("chain id")?);
        let branch = reader.array("branch")?;
        let with_dal = read_tag(reader, consensus, form)?;
        let slot = match form {
            KeyForm::Slot => Some(reader.u16("slot")?),
            KeyForm::NoSlot => None,
        };
        Ok(Vote {
            chain,
            consensus,
            branch,
            slot,
            level: level(reader, "level")?,
            round: round(reader, "round")?,
            payload_hash: reader.array("payload hash")?,
            dal: if with_dal { Some(DalAttestation::read(reader)?) } else { None },
        })
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
    }

    fn tag(&self) -> u8 {
        match (self.consensus, self.slot, &self.dal) {
            (Consensus::Preattestation, Some(_), _) => PREATTESTATION,
            (Consensus::Preattestation, None, _) => PREATTESTATION_NO_SLOT,
            (Consensus::Attestation, Some(_), None) => ATTESTATION,
            (Consensus::Attestation, Some(_), Some(_)) => ATTESTATION_WITH_DAL,
            (Consensus::Attestation, None, _) => ATTESTATION_NO_SLOT,
        }
    }
}

/// Reads the tag, which must fit magic byte and key; says whether DAL content follows.
fn read_tag(
    reader: &mut Reader<'_>,
    consensus: Consensus,
    form: KeyForm,
) -> Result<bool, PayloadError> {
    let tag = reader.u8("operation tag")?;
    match (consensus, form, tag) {
        (Consensus::Preattestation, KeyForm::Slot, PREATTESTATION)
        | (Consensus::Attestation, KeyForm::Slot, ATTESTATION)
        | (Consensus::Preattestation, KeyForm::NoSlot, PREATTESTATION_NO_SLOT)
        | (Consensus::Attestation, KeyForm::NoSlot, ATTESTATION_NO_SLOT) => Ok(false),
        (Consensus::Attestation, KeyForm::Slot, ATTESTATION_WITH_DAL) => Ok(true),
        (consensus, form, tag) => Err(PayloadError::Tag {
            tag,
            magic: consensus.kind().magic_byte(),
            expected: consensus.expected_tags(form),
        }),
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
