//! What `peel key ceremony` and `peel key reshare` take.

use std::path::PathBuf;

use clap::Args;
use shares::ShareIndex;
use shares::ceremony::Fingerprint;

use super::Sealing;

/// A box of a ceremony: it begins, or goes on.
#[derive(Debug, Args)]
pub(crate) struct KeyCeremony {
    #[command(flatten)]
    pub(crate) begin: Begin,
    #[command(flatten)]
    pub(crate) exchange: Exchange,
}

/// A box of a resharing: a new one begins or goes on, an old one deals.
#[derive(Debug, Args)]
pub(crate) struct KeyReshare {
    #[command(flatten)]
    pub(crate) begin: Begin,
    #[command(flatten)]
    pub(crate) deal: Deal,
    #[command(flatten)]
    pub(crate) exchange: Exchange,
}

/// Which share of how many this box is to have. The same numbers at every box, but for its own. All of them, or none.
#[derive(Debug, Args)]
pub(crate) struct Begin {
    /// Begin: so many shares will sign; more than half.
    #[arg(long, value_name = "T", requires_all = ["shares", "share"])]
    threshold: Option<u8>,
    /// Begin: so many shares are made.
    #[arg(long, value_name = "N", requires = "threshold")]
    shares: Option<u8>,
    /// Begin: the share of this box, from 1 to N. Every box has another one.
    #[arg(long, value_name = "I", requires = "threshold")]
    share: Option<ShareIndex>,
}

impl Begin {
    /// Threshold, shares and share, if the box is to begin.
    pub(crate) fn numbers(&self) -> Option<(u8, u8, ShareIndex)> {
        Some((self.threshold?, self.shares?, self.share?))
    }
}

/// What an old box needs to deal its share.
#[derive(Debug, Args)]
pub(crate) struct Deal {
    /// Deal: the old shares that deal, as many as are needed to sign, the same at each of them: 1,3.
    #[arg(
        long,
        value_name = "I,I",
        value_delimiter = ',',
        requires = "share_file",
        conflicts_with = "threshold"
    )]
    pub(crate) dealers: Vec<ShareIndex>,
    /// Deal: the file of the old share that is here. If it is encrypted, its password is asked for, or in --password-file.
    #[arg(long, value_name = "FILE", requires = "dealers")]
    pub(crate) share_file: Option<PathBuf>,
    /// Deal: the fingerprint that every new box shows. Without it, it is only shown what it is here.
    #[arg(long, value_name = "FINGERPRINT", requires = "dealers")]
    pub(crate) new_boxes: Option<Fingerprint>,
}

/// Where the messages are, and what becomes of a share.
#[derive(Debug, Args)]
pub(crate) struct Exchange {
    /// The folder of this box for this one time: messages of the other boxes are put into it, and its own are found there.
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// More messages, which are put into the folder: files, or "-" for text that is pasted.
    #[arg(value_name = "MESSAGES")]
    pub(crate) messages: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) sealing: Sealing,
}
