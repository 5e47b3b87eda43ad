//! `peel key ceremony` and `peel key reshare`: a box goes on as far as its messages reach, each time it is run.

mod deal;
mod folder;
mod party;
mod told;

use std::path::Path;

use anyhow::{Context, bail};
use shares::ceremony::{Completed, Message, Participant, Procedure, Progress, Round, Sender};
use shares::{ShareFile, Threshold};

use self::folder::Folder;
use self::party::Party;
use super::{Password, new_file, random_numbers, seal};
use crate::args::{Begin, Exchange, KeyCeremony, KeyReshare, Sealing};

/// A new key.
pub(super) fn run(words: &KeyCeremony) -> anyhow::Result<()> {
    take_part(Procedure::Ceremony, &words.begin, &words.exchange)
}

/// New shares of a key that is there.
pub(super) fn reshare(words: &KeyReshare) -> anyhow::Result<()> {
    match &words.deal.share_file {
        None => take_part(Procedure::Resharing, &words.begin, &words.exchange),
        Some(share) => deal::run(share, &words.deal, &words.exchange),
    }
}

fn take_part(procedure: Procedure, begin: &Begin, words: &Exchange) -> anyhow::Result<()> {
    let folder = match begin.numbers() {
        Some((needed, shares, index)) => {
            let own = Participant::new(Threshold::new(needed, shares)?, index)?;
            begun(procedure, own, &words.folder)?
        }
        None => Folder::open(&words.folder)?,
    };
    match folder.memory()? {
        Some(memory) => go_on(&folder, Party::read(procedure, &memory, folder.path())?, words),
        None => over(&folder, procedure),
    }
}

/// Makes the folder, with what this box has to remember in it.
fn begun(procedure: Procedure, own: Participant, path: &Path) -> anyhow::Result<Folder> {
    let folder = Folder::begin(path)?;
    folder.remember(&Party::begin(procedure, own, &mut random_numbers()?).to_text())?;
    Ok(folder)
}

/// What is remembered is kept before a message is there to be sent. A message that was given stays only if it is a good one.
fn go_on(folder: &Folder, mut party: Party, words: &Exchange) -> anyhow::Result<()> {
    let given = folder::given(&words.messages)?;
    let messages = [folder.messages()?, given.clone()].concat();
    let before = party.to_text();
    let outcome = party.advance(&messages, &mut random_numbers()?);
    let outcome = outcome.context("no share was made")?;
    let after = party.to_text();
    if after != before {
        folder.remember(&after)?;
    }
    for message in given.iter().chain(&outcome.send) {
        folder.keep(message)?;
    }
    match outcome.progress {
        Progress::Waiting(missing) => {
            told::waiting(folder, party.procedure(), &outcome.send, &missing);
            told::new_boxes(&messages, &outcome.send, &missing);
        }
        Progress::Done(completed) => {
            finish(folder, &completed, &words.sealing)?;
            over(folder, party.procedure())?;
        }
    }
    Ok(())
}

/// Writes the share, then forgets the rest: in this order, or it would be lost.
fn finish(folder: &Folder, completed: &Completed, sealing: &Sealing) -> anyhow::Result<()> {
    let (share, path) = (&completed.share, folder.share_path());
    match folder.share()? {
        None => {
            let secret = seal(share.secret(), &Password::of(sealing)?)?;
            new_file::write(&path, ShareFile::new(share, secret).to_text().as_bytes())?;
        }
        Some(file) if (file.group(), file.index()) == (share.group(), share.index()) => {}
        Some(_) => {
            bail!("{} is a share of another key; begin anew in another folder", path.display())
        }
    }
    folder.forget()
}

/// Says what there is when nothing is left to be remembered.
fn over(folder: &Folder, procedure: Procedure) -> anyhow::Result<()> {
    let Some(share) = folder.share()? else {
        bail!(
            "nothing was begun in {}; run \"{} --threshold T --shares N --share I {}\"",
            folder.path().display(),
            told::command(procedure),
            folder.path().display()
        );
    };
    let confirmed = confirmed(folder, Sender::Share(share.index()))?;
    if let Some(message) = &confirmed {
        let done = message.procedure();
        if done != procedure {
            let (command, path) = (told::command(done), folder.path().display());
            bail!("this was a {done}, and no {procedure}: run \"{command} {path}\"");
        }
    }
    told::done(folder, &share, confirmed.as_ref(), procedure);
    Ok(())
}

/// This box's own last message. One that was slipped in has the fingerprint of other messages.
fn confirmed(folder: &Folder, own: Sender) -> anyhow::Result<Option<Message>> {
    let mut all = folder.messages()?;
    all.retain(|message| message.sender() == own && message.round() == Round::Third);
    all.dedup();
    if let [first, _, ..] = all.as_slice() {
        bail!(
            "there are two different messages of round 3 from this box, {own}. It wrote {}: take the other one away, it was \
             slipped in; if that file was replaced, no fingerprint here is to be trusted, and the boxes begin anew",
            folder.message_path(first).display()
        );
    }
    Ok(all.pop())
}
