//! The three `*_high_watermarks` files of octez-signer.
//!
//! JSON: `{chain: {key: {level, round?, hash, signature?}}}`, one file for each kind; octez
//! `src/bin_signer/handler.ml`. A mark without a round, as old versions wrote it, closes its level.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use tezos::{ChainId, Kind, Level, Mark, PublicKeyHash, Round};
use thiserror::Error;

use crate::entry::{Entry, Last};

/// The marks of an octez wallet folder.
#[derive(Debug)]
pub struct OctezFiles {
    /// An entry for each key and chain that is named in any of the files.
    pub entries: Vec<Entry>,
}

/// Why the files of octez cannot be read. *Failed*: nothing was imported.
#[derive(Debug, Error)]
pub enum OctezFilesError {
    /// None of the three files is in the folder.
    #[error(
        "no block_high_watermarks, preattestation_high_watermarks or attestation_high_watermarks \
         in {}; name octez-signer's base directory", .0.display()
    )]
    None(PathBuf),
    /// A file cannot be read.
    #[error("cannot read {}: {cause}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// A file is not what octez writes.
    #[error("{} is not a watermark file of octez: {cause}", path.display())]
    Parse {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: String,
    },
}

#[derive(Deserialize)]
struct OctezMark {
    level: i64,
    round: Option<i64>,
    hash: Option<String>,
    signature: Option<String>,
}

type OctezFile = Pairs<Pairs<OctezMark>>;

impl OctezFiles {
    /// Reads the files in `folder`.
    ///
    /// # Errors
    /// When there is none, or one cannot be read or understood.
    pub fn read(folder: &Path) -> Result<OctezFiles, OctezFilesError> {
        let mut entries: BTreeMap<(PublicKeyHash, ChainId), Entry> = BTreeMap::new();
        let mut found = false;
        for kind in Kind::ALL {
            let path = folder.join(format!("{kind}_high_watermarks"));
            let Some(text) = read_if_there(&path)? else { continue };
            found = true;
            let parse = |cause: String| OctezFilesError::Parse { path: path.clone(), cause };
            let file: OctezFile =
                serde_json::from_str(&text).map_err(|error| parse(error.to_string()))?;
            add(kind, &file, &mut entries).map_err(parse)?;
        }
        if !found {
            return Err(OctezFilesError::None(folder.to_owned()));
        }
        Ok(OctezFiles { entries: entries.into_values().collect() })
    }
}

fn read_if_there(path: &Path) -> Result<Option<String>, OctezFilesError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(OctezFilesError::Read { path: path.to_owned(), cause }),
    }
}

fn add(
    kind: Kind,
    file: &OctezFile,
    entries: &mut BTreeMap<(PublicKeyHash, ChainId), Entry>,
) -> Result<(), String> {
    for (chain, keys) in &file.0 {
        let chain: ChainId = chain.parse().map_err(|error| format!("{error}"))?;
        for (key, mark) in &keys.0 {
            let key: PublicKeyHash = key.parse().map_err(|error| format!("{error}"))?;
            let entry = entries.entry((key, chain)).or_insert_with(|| Entry::new(key, chain, None));
            entry.take_higher(kind, mark.parse()?);
        }
    }
    Ok(())
}

/// A JSON object with every one of its members: of two with one name, a map would keep the last only.
struct Pairs<T>(Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Pairs<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pairs<T>, D::Error> {
        deserializer.deserialize_map(PairsVisitor(PhantomData))
    }
}

struct PairsVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for PairsVisitor<T> {
    type Value = Pairs<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<T>, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Pairs(pairs))
    }
}

impl OctezMark {
    fn parse(&self) -> Result<Last, String> {
        let level = Level::try_from(self.level).map_err(|error| format!("level {error}"))?;
        let round = self.round.map(Round::try_from).transpose();
        let round = round.map_err(|error| format!("round {error}"))?;
        let digest = self.hash.as_ref().map(|hash| digest(hash)).transpose()?;
        let signature = self.signature.as_ref().map(|text| text.parse()).transpose();
        let signature = signature.map_err(|error| format!("{error}"))?;
        let mark = Mark { level, round: round.unwrap_or(Round::MAX) };
        Ok(Last { mark, digest, signature, was_declined: false })
    }
}

fn digest(hash: &str) -> Result<tezos::Digest, String> {
    hex::decode(hash)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| format!("{hash:?} is no BLAKE2b-256 hash in hex"))
}
