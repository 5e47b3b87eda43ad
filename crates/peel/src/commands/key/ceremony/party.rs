//! A box that gets a share, of a new key or of one that is there.

use std::path::Path;

use anyhow::anyhow;
use rand::rngs::StdRng;
use shares::ceremony::{
    Ceremony, Fault, MemoryError, Message, Outcome, Participant, Procedure, Resharing,
};
use zeroize::Zeroizing;

use super::folder::MEMORY;
use super::told;

pub(super) enum Party {
    Ceremony(Ceremony),
    Resharing(Resharing),
}

impl Party {
    pub(super) fn begin(procedure: Procedure, own: Participant, numbers: &mut StdRng) -> Party {
        match procedure {
            Procedure::Ceremony => Party::Ceremony(Ceremony::begin(own, numbers)),
            Procedure::Resharing => Party::Resharing(Resharing::begin(own, numbers)),
        }
    }

    /// From what was remembered in this folder.
    pub(super) fn read(procedure: Procedure, text: &str, folder: &Path) -> anyhow::Result<Party> {
        let read = match procedure {
            Procedure::Ceremony => Ceremony::from_text(text).map(Party::Ceremony),
            Procedure::Resharing => Resharing::from_text(text).map(Party::Resharing),
        };
        read.map_err(|error| {
            let file = folder.join(MEMORY);
            match error {
                MemoryError::Procedure(other) => anyhow!(
                    "{} {error}: run \"{} {}\"",
                    file.display(),
                    told::command(other),
                    folder.display()
                ),
                MemoryError::None | MemoryError::Block(_) => anyhow!("{} {error}", file.display()),
            }
        })
    }

    pub(super) fn procedure(&self) -> Procedure {
        match self {
            Party::Ceremony(_) => Procedure::Ceremony,
            Party::Resharing(_) => Procedure::Resharing,
        }
    }

    pub(super) fn advance(
        &mut self,
        messages: &[Message],
        numbers: &mut StdRng,
    ) -> Result<Outcome, Fault> {
        match self {
            Party::Ceremony(ceremony) => ceremony.advance(messages, numbers),
            Party::Resharing(resharing) => resharing.advance(messages),
        }
    }

    pub(super) fn to_text(&self) -> Zeroizing<String> {
        match self {
            Party::Ceremony(ceremony) => ceremony.to_text(),
            Party::Resharing(resharing) => resharing.to_text(),
        }
    }
}
