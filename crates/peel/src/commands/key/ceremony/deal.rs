//! `peel key reshare` at an old box: deals its share to new boxes that were compared.

use std::path::Path;

use anyhow::{Context, bail};
use daemon::secret_file;
use rand::SeedableRng;
use rand::rngs::StdRng;
use shares::ceremony::{Message, NewBoxes, NewBoxesError};
use shares::{Share, ShareFile};

use super::super::known_password;
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
    let mut rng = StdRng::from_seed(*new.seed(&share, &deal.dealers)?);
    let message = new.deal(&share, &deal.dealers, compared, &mut rng)?;
    stands_alone(&message, &messages)?;
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

/// What stands in this share's name has to be what it deals: another deal is another box's, or was made for other boxes, and
/// some boxes could have the first.
fn stands_alone(message: &Message, messages: &[Message]) -> anyhow::Result<()> {
    let sender = message.sender();
    if messages.iter().any(|there| there.sender() == sender && there != message) {
        bail!(
            "a message is here in which {sender} has dealt otherwise than this box does: another key, to other boxes, with other \
             dealers, or by another version of Peel. If it is not this box's own, take it away: it was slipped in. If it is, use \
             another folder for each resharing"
        );
    }
    Ok(())
}

fn open(file: &Path, password_file: Option<&Path>) -> anyhow::Result<Share> {
    let parsed = ShareFile::parse(&secret_file::read(file)?);
    let parsed = parsed.with_context(|| format!("{}", file.display()))?;
    let is_wanted = password_file.is_some() || parsed.is_encrypted();
    let password = is_wanted.then(|| known_password(password_file)).transpose()?;
    let password = password.as_ref().map(|password| password.as_bytes());
    parsed.open(password).with_context(|| format!("{}", file.display()))
}
