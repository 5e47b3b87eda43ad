//! What a box remembers between two rounds, as text. It is not of the form of a share, and secret: after
//! round 2, with the messages, it is worth one.

use thiserror::Error;
use zeroize::Zeroizing;

use super::block::{Block, BlockError, Reader};
use super::body::Dealing;
use super::envelope::DecryptionKey;
use super::message::Message;
use super::participant::{Participant, Procedure};
use crate::{ShareIndex, Threshold};

/// A text that is not what a box remembers. It repeats nothing of it. *Misused*.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MemoryError {
    /// There is nothing of the kind in it, or more than one.
    #[error("is not what a box remembers of a ceremony; begin anew in another folder")]
    None,
    /// It is not whole.
    #[error("{0}; begin anew in another folder")]
    Block(#[from] BlockError),
    /// Of something else that boxes do.
    #[error("is of a {0}")]
    Procedure(Procedure),
}

const TITLE: &str = "PEEL CEREMONY SECRET";
const ABOUT: &str = "what this box remembers until its share is made; it is worth the share, so keep it here, and secret";

/// What all of them begin with.
pub(super) fn begin(procedure: Procedure, own: Participant, key: &DecryptionKey) -> Block {
    Block::new()
        .with("about", ABOUT)
        .with("procedure", procedure.name())
        .with("threshold", own.threshold().needed().to_string())
        .with("shares", own.threshold().shares().to_string())
        .with("share", own.index().to_string())
        .with_bytes("key", &[*key.to_bytes()])
}

pub(super) fn to_text(block: Block) -> Zeroizing<String> {
    block.to_text(TITLE)
}

/// The only one in a text.
pub(super) fn find(text: &str) -> Result<Block, MemoryError> {
    let [found] = <[_; 1]>::try_from(Block::find(TITLE, text)).map_err(|_| MemoryError::None)?;
    found.map_err(|(error, _)| error.into())
}

/// Reads what they begin with.
pub(super) fn read(
    ours: Procedure,
    reader: &mut Reader<'_>,
) -> Result<(Participant, DecryptionKey), MemoryError> {
    reader.text("about")?;
    let procedure = reader.parse("procedure")?;
    if procedure != ours {
        return Err(MemoryError::Procedure(procedure));
    }
    let own = participant(reader)?;
    let key = Zeroizing::new(reader.one("key")?);
    let key = DecryptionKey::from_bytes(&key).ok_or(BlockError::Value("key"))?;
    Ok((own, key))
}

fn participant(reader: &mut Reader<'_>) -> Result<Participant, BlockError> {
    let (needed, shares) = (reader.parse("threshold")?, reader.parse("shares")?);
    let index: ShareIndex = reader.parse("share")?;
    let threshold = Threshold::new(needed, shares).map_err(|_| BlockError::Value("threshold"))?;
    Participant::new(threshold, index).map_err(|_| BlockError::Value("share"))
}

/// The box's own message of round 2.
pub(super) fn dealt(reader: &mut Reader<'_>) -> Result<Dealing, BlockError> {
    const NAME: &str = "dealt";
    let bytes = hex::decode(reader.text(NAME)?).map_err(|_| BlockError::Value(NAME))?;
    let text = String::from_utf8(bytes).map_err(|_| BlockError::Value(NAME))?;
    let message = Message::read_all(&text).into_iter().find_map(Result::ok);
    let dealing = message.and_then(|message| message.body().dealing().cloned());
    dealing.ok_or(BlockError::Value(NAME))
}
