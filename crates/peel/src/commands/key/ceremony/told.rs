//! What a person is told: how far it is, and what to do next.

use std::path::Path;

use shares::ceremony::{Message, Missing, NewBoxes, Procedure, Round};
use shares::{ShareFile, ShareIndex};

use super::super::shared;
use super::folder::Folder;

pub(super) fn command(procedure: Procedure) -> &'static str {
    match procedure {
        Procedure::Ceremony => "peel key ceremony",
        Procedure::Resharing => "peel key reshare",
    }
}

/// Whose messages are missing.
pub(super) fn lacking(missing: &Missing) -> String {
    let senders: Vec<String> = missing.senders.iter().map(ToString::to_string).collect();
    if senders.is_empty() {
        return format!("no old share has dealt (round {})", missing.round);
    }
    format!("no message of round {} from {}", missing.round, senders.join(", "))
}

/// A round is not whole.
pub(super) fn waiting(folder: &Folder, procedure: Procedure, sent: &[Message], missing: &Missing) {
    daemon::say!("waiting          {}", lacking(missing));
    for message in sent {
        daemon::say!("for all others   {}", folder.message_path(message).display());
    }
    daemon::say!(
        "next             put the files of the others into {}, and run \"{} {}\"",
        folder.path().display(),
        command(procedure),
        folder.path().display()
    );
    daemon::say!(
        "                 (or paste them: \"{} {} -\")",
        command(procedure),
        folder.path().display()
    );
}

/// At a new box, once it knows all of them and waits for old ones.
pub(super) fn new_boxes(messages: &[Message], sent: &[Message], missing: &Missing) {
    if missing.round != Round::Second {
        return;
    }
    if let Ok(new) = NewBoxes::gather(&[messages, sent].concat()) {
        daemon::say!("fingerprint      {}  of the new boxes", new.fingerprint());
        daemon::say!(
            "                 read it to the old boxes by phone: they deal to those that show it"
        );
    }
}

/// At an old box, before it deals.
pub(super) fn to_be_compared(new: &NewBoxes) {
    let fingerprint = new.fingerprint();
    daemon::say!("new boxes        {} of the new shares will sign", new.threshold());
    daemon::say!("fingerprint      {fingerprint}");
    daemon::say!(
        "nothing was dealt: ask at every new box, by phone, which fingerprint it shows (peel key reshare DIR)."
    );
    daemon::say!("Only if all of them show this one, run the same with --new-boxes {fingerprint}");
}

/// At an old box that has dealt.
pub(super) fn dealt(folder: &Folder, message: &Message, dealers: &[ShareIndex], share: &Path) {
    let dealers: Vec<String> = dealers.iter().map(ToString::to_string).collect();
    daemon::say!("for all new ones {}", folder.message_path(message).display());
    daemon::say!(
        "dealers          {}: each of these old boxes deals, with the same --dealers",
        dealers.join(", ")
    );
    daemon::say!(
        "next             when the new boxes sign, destroy {} and every copy of it (shred -u)",
        share.display()
    );
}

/// The share is there. `confirmed` is this box's own last message.
pub(super) fn done(
    folder: &Folder,
    share: &ShareFile,
    confirmed: Option<&Message>,
    procedure: Procedure,
) {
    let (group, threshold) = (share.group(), share.group().threshold());
    daemon::say!("public_key_hash  {}", group.public_key().hash());
    daemon::say!("public_key       {}", group.public_key());
    daemon::say!(
        "share            {} of {}, {} are needed",
        share.index(),
        threshold.shares(),
        threshold.needed()
    );
    daemon::say!("share_file       {}", folder.share_path().display());
    if let Some(message) = confirmed {
        daemon::say!("for all others   {}", folder.message_path(message).display());
    }
    if let Some(fingerprint) = confirmed.and_then(Message::fingerprint) {
        daemon::say!("fingerprint      {fingerprint}");
    }
    left_to_do(procedure);
    daemon::say!(
        "3. in gateway.toml, with the names of the signers, in the order of their shares:\n"
    );
    daemon::say!("{}", shared::block(group));
}

const COMPARE: &str = "
What is left to do:
1. wait until every box has its share, and compare by phone: all of them must show this fingerprint and this address.
   If one does not, a message was exchanged on its way: the key is not that of these boxes, begin anew";

const A_NEW_KEY: &str = "\
2. at each box, in signer.toml, under [[key]]: share_file = \"FILE\"; then \"peel watermark init --level LEVEL\" with
   the chain's present level: nothing at or below it is signed";

/// Two sets of shares of one key are there now.
const NEW_SHARES: &str = "\
   The address must be that of the key that you have: if it is another one, the old boxes' messages were exchanged
2. never run the new boxes beside the old ones: as many new boxes as are needed have none in common with the old
   ones, so no box would refuse a second vote at one mark. So, in this order:
   - stop all old boxes, and at each of them: \"peel watermark export > MARKS\"
   - at each new box, in signer.toml, under [[key]]: share_file = \"FILE\"; \"peel watermark init --level LEVEL\" with the
     chain's present level; and \"peel watermark import MARKS\" of every old box: marks only rise
   - start the new boxes; once they sign, destroy the old shares at all old boxes, and every copy (shred -u):
     as many old shares as were needed are the key for ever";

fn left_to_do(procedure: Procedure) {
    daemon::say!("{COMPARE}");
    daemon::say!(
        "{}",
        match procedure {
            Procedure::Ceremony => A_NEW_KEY,
            Procedure::Resharing => NEW_SHARES,
        }
    );
}
