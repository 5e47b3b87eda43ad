//! Entries as JSON.

use serde::{Deserialize, Serialize};
use tezos::{Kind, Level, Mark, Round};

use crate::entry::{Entry, Last};
use crate::form::{KnownBlock, SeenProtocols};

/// These entries as a document of their own.
pub(crate) fn write(entries: &[Entry]) -> String {
    let entries = entries.iter().map(EntryDocument::from).collect();
    let document = Document { peel_watermarks: DOCUMENT_VERSION, entries };
    // Strings and numbers only: this serialises.
    serde_json::to_string_pretty(&document).unwrap_or_default()
}

/// The entries of such a document; what is wrong with it, if it is none.
pub(crate) fn parse(text: &str) -> Result<Vec<Entry>, String> {
    let document: Document = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if !DOCUMENT_VERSIONS.contains(&document.peel_watermarks) {
        return Err(format!("version {} is not known here", document.peel_watermarks));
    }
    document.entries.iter().map(EntryDocument::parse).collect()
}

/// Version 1 had no protocols.
const DOCUMENT_VERSION: u32 = 2;
const DOCUMENT_VERSIONS: std::ops::RangeInclusive<u32> = 1..=DOCUMENT_VERSION;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    peel_watermarks: u32,
    entries: Vec<EntryDocument>,
}

/// An entry without its reservation.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EntryDocument {
    key: String,
    chain: String,
    closed_up_to: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    raised_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    known_block: Option<KnownBlockDocument>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    upgraded_to: Option<u8>,
    last: Vec<LastDocument>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KnownBlockDocument {
    level: i64,
    protocol: u8,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LastDocument {
    kind: String,
    level: i64,
    round: i64,
    digest: Option<String>,
    signature: Option<String>,
}

impl From<&Entry> for EntryDocument {
    fn from(entry: &Entry) -> EntryDocument {
        let last = |kind| {
            entry.last(kind).map(|last| LastDocument {
                kind: kind.name().to_owned(),
                level: last.mark.level.into(),
                round: last.mark.round.into(),
                digest: last.digest.map(hex::encode),
                signature: last.signature.as_ref().map(ToString::to_string),
            })
        };
        EntryDocument {
            key: entry.key.to_string(),
            chain: entry.chain.to_string(),
            closed_up_to: entry.floor.map(i64::from),
            raised_at: entry.raised_at,
            known_block: entry.protocols.known.map(|KnownBlock { level, protocol }| {
                KnownBlockDocument { level: level.into(), protocol }
            }),
            upgraded_to: entry.protocols.upgraded_to,
            last: Kind::ALL.into_iter().filter_map(last).collect(),
        }
    }
}

impl EntryDocument {
    pub(crate) fn parse(&self) -> Result<Entry, String> {
        let key = self.key.parse().map_err(|error| format!("{error}"))?;
        let chain = self.chain.parse().map_err(|error| format!("{error}"))?;
        let floor = self.closed_up_to.map(Level::try_from).transpose();
        let mut entry = Entry::new(key, chain, floor.map_err(|error| error.to_string())?);
        entry.raised_at = self.raised_at;
        let known = match &self.known_block {
            None => None,
            Some(KnownBlockDocument { level, protocol }) => {
                let level = Level::try_from(*level).map_err(|error| error.to_string())?;
                Some(KnownBlock { level, protocol: *protocol })
            }
        };
        entry.protocols = SeenProtocols { known, upgraded_to: self.upgraded_to };
        for last in &self.last {
            let kind =
                Kind::from_name(&last.kind).ok_or_else(|| format!("{:?} is no kind", last.kind))?;
            entry.take_higher(kind, last.parse()?);
        }
        Ok(entry)
    }
}

impl LastDocument {
    fn parse(&self) -> Result<Last, String> {
        let level = Level::try_from(self.level).map_err(|error| error.to_string())?;
        let round = Round::try_from(self.round).map_err(|error| error.to_string())?;
        let digest = self.digest.as_ref().map(|text| {
            let bytes = hex::decode(text).ok().and_then(|bytes| bytes.try_into().ok());
            bytes.ok_or_else(|| format!("{text:?} is no digest"))
        });
        let signature = self.signature.as_ref().map(|text| text.parse()).transpose();
        Ok(Last {
            mark: Mark { level, round },
            digest: digest.transpose()?,
            signature: signature.map_err(|error| format!("{error}"))?,
            was_declined: false,
        })
    }
}
