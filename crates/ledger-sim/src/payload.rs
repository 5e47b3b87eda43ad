//! What the app reads of a block or a consensus operation: chain, level, round, kind.

use crate::bytes::Bytes;

/// What a mark is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Payload {
    pub(crate) chain_id: u32,
    pub(crate) level: u32,
    pub(crate) round: u32,
    pub(crate) kind: Kind,
}

/// What is signed for at a level and round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Block,
    Preattestation,
    Attestation,
}

impl Kind {
    /// The number that the app has for it.
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::Block => 0,
            Self::Attestation => 1,
            Self::Preattestation => 2,
        }
    }

    /// What has that number; all others are nothing that a mark remembers, as a block is.
    pub(crate) fn of_number(number: u32) -> Self {
        match number {
            1 => Self::Attestation,
            2 => Self::Preattestation,
            _ => Self::Block,
        }
    }
}

impl Payload {
    /// A consensus operation behind its magic byte. The tag and whatever follows the payload hash
    /// are not looked at.
    pub(crate) fn consensus(mut bytes: Bytes<'_>, kind: Kind) -> Option<Self> {
        let chain_id = bytes.word()?;
        bytes.take(BLOCK_HASH + TAG + SLOT)?;
        let (level, round) = (bytes.word()?, bytes.word()?);
        bytes.take(BLOCK_HASH)?;
        Some(Self { chain_id, level, round, kind })
    }

    /// A block header behind its magic byte. Nothing behind the fitness is looked at, nor whether
    /// the level in the fitness is the header's.
    pub(crate) fn block(mut bytes: Bytes<'_>) -> Option<Self> {
        let (chain_id, level) = (bytes.word()?, bytes.word()?);
        bytes.take(PROTOCOL + BLOCK_HASH + TIMESTAMP + VALIDATION_PASS + BLOCK_HASH)?;
        let round = fitness_round(bytes)?;
        Some(Self { chain_id, level, round, kind: Kind::Block })
    }
}

const BLOCK_HASH: usize = 32;
const TAG: usize = 1;
const SLOT: usize = 2;
const PROTOCOL: usize = 1;
const TIMESTAMP: usize = 8;
const VALIDATION_PASS: usize = 1;

/// Length of a Tenderbake fitness: without a locked round, and with one.
const FITNESS_LENGTHS: [u32; 2] = [33, 37];
const TENDERBAKE: u8 = 2;

/// The round in a Tenderbake fitness: version, level, locked round, predecessor's round, round,
/// each behind its length.
fn fitness_round(mut bytes: Bytes<'_>) -> Option<u32> {
    FITNESS_LENGTHS.contains(&bytes.word()?).then_some(())?;
    (bytes.word()? == 1 && bytes.byte()? == TENDERBAKE).then_some(())?;
    for _skipped in ["level", "locked round", "predecessor's round"] {
        let length = usize::try_from(bytes.word()?).ok()?;
        bytes.take(length)?;
    }
    (bytes.word()? == 4).then_some(())?;
    bytes.word()
}
