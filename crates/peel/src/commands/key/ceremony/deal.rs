//! `peel key reshare` at an old box: deals its share to new boxes that were compared.

use std::path::Path;

use anyhow::{Context, bail};
use daemon::secret_file;
use shares::ceremony::{Message, NewBoxes, NewBoxesError, Sender};
use shares::{Share, ShareFile, ShareIndex};

use super::super::{known_password, random_numbers};
use super::folder::{self, Folder};
use super::told;
use crate::args::{Deal, Exchange};

/// Deals the share in `file`, or shows what is to be compared before.
pub(super) fn run(file: &Path, deal: &Deal, words: &Exchange) -> anyhow::Result<()> {
    let folder = Folder::open(&words.folder)?;
    let given = folder::given(&words.messages)?;
    let messages = [folder.messages()?, given.clone()].concat();
    let new = gather(&messages, &folder)?;
    let Some(compared) = deal.new_boxes else {
        told::to_be_compared(&new);
        return Ok(());
    };
    new.check(compared)?;
    let share = open(file, words.sealing.password_file.as_deref())?;
    let message = match dealt(&share, &new, &deal.dealers, &messages)? {
        Some(there) => there.clone(),
        None => new.deal(&share, &deal.dealers, compared, &mut random_numbers()?)?,
    };
    given.iter().chain([&message]).try_for_each(|message| folder.keep(message))?;
    told::dealt(&folder, &message, &deal.dealers, file);
    Ok(())
}

fn gather(messages: &[Message], folder: &Folder) -> anyhow::Result<NewBoxes> {
    NewBoxes::gather(messages).map_err(|error| match error {
        NewBoxesError::None => anyhow::anyhow!(
            "no message of a new box is in {}; put there what the new boxes have written",
            folder.path().display()
        ),
        NewBoxesError::Missing(missing) => {
            anyhow::anyhow!("{}; nothing is dealt before", told::lacking(&missing))
        }
        NewBoxesError::Fault(fault) => fault.into(),
    })
}

/// What this share has dealt here before. A second deal would be another one, of which some boxes had the first.
fn dealt<'a>(
    share: &Share,
    new: &NewBoxes,
    dealers: &[ShareIndex],
    messages: &'a [Message],
) -> anyhow::Result<Option<&'a Message>> {
    let sender = Sender::OldShare(share.index());
    let there = messages.iter().find(|message| message.sender() == sender);
    match there {
        Some(message) if !new.is_deal_of(message, share, dealers) => bail!(
            "a message is here in which {sender} has dealt otherwise: another key, to other boxes, or with other dealers. If \
             it is not this box's own, take it away: it was slipped in. If it is, use another folder for each resharing"
        ),
        _ => Ok(there),
    }
}

fn open(file: &Path, password_file: Option<&Path>) -> anyhow::Result<Share> {
    let parsed = ShareFile::parse(&secret_file::read(file)?);
    let parsed = parsed.with_context(|| format!("{}", file.display()))?;
    let is_wanted = password_file.is_some() || parsed.is_encrypted();
    let password = is_wanted.then(|| known_password(password_file)).transpose()?;
    let password = password.as_ref().map(|password| password.as_bytes());
    parsed.open(password).with_context(|| format!("{}", file.display()))
}
