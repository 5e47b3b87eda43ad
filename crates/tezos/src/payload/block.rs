//! A block header without its signature.
//!
//! It has two halves. The *shell header* (chain, level, protocol number, fitness with the round, context) is the same
//! for every protocol of the chain, and is all that a mark needs. The *protocol data* behind it changes with a
//! protocol: what this version does not know of it is kept as it came.

use crate::payload::{level, round};
use crate::payload_error::PayloadError;
use crate::reader::Reader;
use crate::{ChainId, Level, Round};

/// A block header as it is signed: 198, 202, 230 or 234 bytes with magic byte and chain, in the known forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The chain it is for.
    pub chain: ChainId,
    /// The block's level.
    pub level: Level,
    /// The number of its protocol on this chain: one more after each activation.
    pub protocol: u8,
    /// Fitness: how this block compares with others of its level.
    pub fitness: Fitness,
    shell: Shell,
    data: ProtocolData,
}

/// The parts of the fitness of a Tenderbake block (version 2) besides the level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fitness {
    /// The round its payload was locked at, below the block's own round.
    pub locked_round: Option<Round>,
    /// The round of the block before.
    pub predecessor_round: Round,
    /// The block's round.
    pub round: Round,
}

/// The rest of the shell header, kept only to write it again.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shell {
    predecessor: [u8; 32],
    timestamp: i64,
    validation_passes: u8,
    operations_hash: [u8; 32],
    context: [u8; 32],
}

/// What is behind the shell header, kept only to write it again.
#[derive(Debug, Clone, PartialEq, Eq)]
enum ProtocolData {
    Known(KnownData),
    /// The bytes, and why they are of no form that is known here.
    Unknown(Vec<u8>, PayloadError),
}

/// The protocol data of the protocols in [`KNOWN_PROTOCOLS`](crate::KNOWN_PROTOCOLS).
#[derive(Debug, Clone, PartialEq, Eq)]
struct KnownData {
    payload_hash: [u8; 32],
    payload_round: Round,
    proof_of_work_nonce: [u8; 8],
    seed_nonce_hash: Option<[u8; 32]>,
    votes: u8,
}

const FITNESS: &str = "fitness";
const VERSION: u8 = 2;
/// Five length prefixes of four bytes, one byte of version, and level, predecessor round and round.
const FITNESS_LENGTH: u32 = 33;
const FITNESS_LENGTH_LOCKED: u32 = 37;

impl Block {
    /// Reads all that is left. What is behind the shell header may be of unknown form.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Block, PayloadError> {
        let chain = ChainId::from_bytes(reader.array("chain id")?);
        let level = level(reader, "level")?;
        let protocol = reader.u8("protocol number")?;
        let predecessor = reader.array("predecessor")?;
        let timestamp = reader.i64("timestamp")?;
        let validation_passes = reader.u8("validation passes")?;
        let operations_hash = reader.array("operations hash")?;
        let fitness = Fitness::read(reader, level)?;
        let context = reader.array("context")?;
        let shell = Shell { predecessor, timestamp, validation_passes, operations_hash, context };
        let data = ProtocolData::read(reader.rest(), fitness.round);
        Ok(Block { chain, level, protocol, fitness, shell, data })
    }

    /// Why its protocol data is of no form that is known here, if so.
    pub(super) fn unknown_form(&self) -> Option<&PayloadError> {
        match &self.data {
            ProtocolData::Known(_) => None,
            ProtocolData::Unknown(_, why) => Some(why),
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let shell = &self.shell;
        out.extend_from_slice(&self.chain.to_bytes());
        out.extend_from_slice(&self.level.to_be_bytes());
        out.push(self.protocol);
        out.extend_from_slice(&shell.predecessor);
        out.extend_from_slice(&shell.timestamp.to_be_bytes());
        out.push(shell.validation_passes);
        out.extend_from_slice(&shell.operations_hash);
        self.fitness.write(self.level, out);
        out.extend_from_slice(&shell.context);
        match &self.data {
            ProtocolData::Known(data) => data.write(out),
            ProtocolData::Unknown(bytes, _) => out.extend_from_slice(bytes),
        }
    }
}

impl ProtocolData {
    fn read(bytes: &[u8], block_round: Round) -> ProtocolData {
        match KnownData::read(Reader::new(bytes), block_round) {
            Ok(known) => ProtocolData::Known(known),
            Err(why) => ProtocolData::Unknown(bytes.to_vec(), why),
        }
    }
}

impl KnownData {
    fn read(mut reader: Reader<'_>, block_round: Round) -> Result<KnownData, PayloadError> {
        let data = KnownData {
            payload_hash: reader.array("payload hash")?,
            payload_round: payload_round(&mut reader, block_round)?,
            proof_of_work_nonce: reader.array("proof of work nonce")?,
            seed_nonce_hash: seed_nonce_hash(&mut reader)?,
            votes: reader.u8("per-block votes")?,
        };
        reader.end().map(|()| data)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.payload_hash);
        out.extend_from_slice(&self.payload_round.to_be_bytes());
        out.extend_from_slice(&self.proof_of_work_nonce);
        match &self.seed_nonce_hash {
            None => out.push(0x00),
            Some(hash) => {
                out.push(0xff);
                out.extend_from_slice(hash);
            }
        }
        out.push(self.votes);
    }
}

fn payload_round(reader: &mut Reader<'_>, block_round: Round) -> Result<Round, PayloadError> {
    let field = "payload round";
    let found = round(reader, field)?;
    if found > block_round {
        return Err(PayloadError::Malformed { field, why: "it is after the block's round" });
    }
    Ok(found)
}

fn seed_nonce_hash(reader: &mut Reader<'_>) -> Result<Option<[u8; 32]>, PayloadError> {
    let field = "seed nonce hash";
    match reader.u8(field)? {
        0x00 => Ok(None),
        0xff => reader.array(field).map(Some),
        _ => Err(PayloadError::Malformed { field, why: "its presence byte is neither 00 nor ff" }),
    }
}

impl Fitness {
    fn read(reader: &mut Reader<'_>, header_level: Level) -> Result<Fitness, PayloadError> {
        let length = reader.u32(FITNESS)?;
        if length != FITNESS_LENGTH && length != FITNESS_LENGTH_LOCKED {
            return Err(malformed("its length is neither 33 nor 37"));
        }
        element(reader, 1)?;
        if reader.u8("fitness version")? != VERSION {
            return Err(malformed("its version is not 2"));
        }
        element(reader, 4)?;
        if level(reader, "fitness level")? != header_level {
            return Err(malformed("its level is not the block's level"));
        }
        let locked_round = locked_round(reader, length)?;
        element(reader, 4)?;
        let predecessor_round = predecessor_round(reader)?;
        element(reader, 4)?;
        let round = round(reader, "fitness round")?;
        if locked_round.is_some_and(|locked| locked >= round) {
            return Err(malformed("its locked round is not below its round"));
        }
        Ok(Fitness { locked_round, predecessor_round, round })
    }

    fn write(&self, level: Level, out: &mut Vec<u8>) {
        let length =
            if self.locked_round.is_some() { FITNESS_LENGTH_LOCKED } else { FITNESS_LENGTH };
        out.extend_from_slice(&length.to_be_bytes());
        write_element(&[VERSION], out);
        write_element(&level.to_be_bytes(), out);
        match self.locked_round {
            None => write_element(&[], out),
            Some(round) => write_element(&round.to_be_bytes(), out),
        }
        // -(round) - 1 in two's complement: every bit inverted.
        write_element(&self.predecessor_round.to_be_bytes().map(|byte| !byte), out);
        write_element(&self.round.to_be_bytes(), out);
    }
}

fn malformed(why: &'static str) -> PayloadError {
    PayloadError::Malformed { field: FITNESS, why }
}

/// The length prefix of a fitness element, which must be `expected`.
fn element(reader: &mut Reader<'_>, expected: u32) -> Result<(), PayloadError> {
    if reader.u32("length of a fitness element")? == expected {
        Ok(())
    } else {
        Err(malformed("one of its elements has the wrong length"))
    }
}

fn write_element(bytes: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

fn locked_round(
    reader: &mut Reader<'_>,
    fitness_length: u32,
) -> Result<Option<Round>, PayloadError> {
    if fitness_length == FITNESS_LENGTH {
        element(reader, 0)?;
        return Ok(None);
    }
    element(reader, 4)?;
    round(reader, "locked round").map(Some)
}

/// Written as -(round) - 1, so that it is negative.
fn predecessor_round(reader: &mut Reader<'_>) -> Result<Round, PayloadError> {
    let field = "predecessor round";
    let written = reader.i32(field)?;
    Round::try_from(!written).map_err(|cause| PayloadError::Range { field, cause })
}
