//! Entries as rows of the tables, and back.
//!
//! SQLite checks the shape of its pages, not their content: each entry carries a checksum of its own, so that a bit
//! that rots on an SD card is damage and not another mark.

use rusqlite::{Row, Transaction, params};
use tezos::{Kind, Level, Mark, Round, blake2b_256};

use crate::entry::{Entry, Last};
use crate::form::{KnownBlock, SeenProtocols};

pub(super) fn write_entry(transaction: &Transaction<'_>, entry: &Entry) -> rusqlite::Result<()> {
    let (key, chain) = (entry.key.to_string(), entry.chain.to_string());
    let number = |level: Option<Level>| level.map(i64::from);
    transaction
        .prepare_cached(
            "REPLACE INTO entry (key, chain, floor, reserved, checksum, raised_at, known_block_level,
                                 known_block_protocol, upgraded_to)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            key,
            chain,
            number(entry.floor),
            number(entry.reserved),
            checksum(entry),
            entry.raised_at.and_then(|at| i64::try_from(at).ok()),
            number(entry.protocols.known.map(|block| block.level)),
            entry.protocols.known.map(|block| block.protocol),
            entry.protocols.upgraded_to,
        ])?;
    for kind in Kind::ALL {
        match entry.last(kind) {
            None => transaction
                .prepare_cached("DELETE FROM last WHERE key = ? AND chain = ? AND kind = ?")?
                .execute(params![key, chain, kind.name()])?,
            Some(last) => transaction
                .prepare_cached(
                    "REPLACE INTO last (key, chain, kind, level, round, digest, signature)
                     VALUES (?, ?, ?, ?, ?, ?, ?)",
                )?
                .execute(params![
                    key,
                    chain,
                    kind.name(),
                    i64::from(last.mark.level),
                    i64::from(last.mark.round),
                    last.digest.map(hex::encode),
                    last.signature.as_ref().map(ToString::to_string),
                ])?,
        };
    }
    Ok(())
}

/// Over everything that is kept of a key on a chain, each field in its own form on a line.
fn checksum(entry: &Entry) -> String {
    let number = |level: Option<Level>| level.map_or(-1, i64::from);
    let mut text = format!(
        "{}\n{}\n{}\n{}\n",
        entry.key,
        entry.chain,
        number(entry.floor),
        number(entry.reserved)
    );
    for last in Kind::ALL.iter().filter_map(|kind| entry.last(*kind).map(|last| (kind, last))) {
        let (kind, Last { mark, digest, signature, .. }) = last;
        let digest = digest.map(hex::encode).unwrap_or_default();
        let signature = signature.as_ref().map(ToString::to_string).unwrap_or_default();
        text += &format!("{kind} {} {} {digest} {signature}\n", mark.level, mark.round);
    }
    // Version 1 had no such field.
    if let Some(at) = entry.raised_at {
        text += &format!("raised {at}\n");
    }
    // Version 2 had no such fields.
    if let Some(KnownBlock { level, protocol }) = entry.protocols.known {
        text += &format!("known block {level} {protocol}\n");
    }
    if let Some(number) = entry.protocols.upgraded_to {
        text += &format!("upgraded to {number}\n");
    }
    hex::encode(blake2b_256(text.as_bytes()))
}

pub(super) struct EntryRow {
    key: String,
    chain: String,
    floor: Option<i64>,
    reserved: Option<i64>,
    checksum: String,
    raised_at: Option<i64>,
    known_block: (Option<i64>, Option<u8>),
    upgraded_to: Option<u8>,
}

impl EntryRow {
    pub(super) const SELECT: &'static str = "SELECT key, chain, floor, reserved, checksum, raised_at, known_block_level, known_block_protocol, \
         upgraded_to FROM entry";

    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<EntryRow> {
        Ok(EntryRow {
            key: row.get(0)?,
            chain: row.get(1)?,
            floor: row.get(2)?,
            reserved: row.get(3)?,
            checksum: row.get(4)?,
            raised_at: row.get(5)?,
            known_block: (row.get(6)?, row.get(7)?),
            upgraded_to: row.get(8)?,
        })
    }

    /// Whether the row was written with this content.
    pub(super) fn has_checksum_of(&self, entry: &Entry) -> bool {
        checksum(entry) == self.checksum
    }

    pub(super) fn parse(&self) -> Option<Entry> {
        let level = |number: Option<i64>| number.map(Level::try_from).transpose().ok();
        let floor = level(self.floor)?;
        let mut entry = Entry::new(self.key.parse().ok()?, self.chain.parse().ok()?, floor);
        entry.reserved = level(self.reserved)?;
        entry.raised_at = self.raised_at.map(u64::try_from).transpose().ok()?;
        let known = match self.known_block {
            (None, None) => None,
            (level, protocol) => {
                Some(KnownBlock { level: Level::try_from(level?).ok()?, protocol: protocol? })
            }
        };
        entry.protocols = SeenProtocols { known, upgraded_to: self.upgraded_to };
        Some(entry)
    }
}

pub(super) struct LastRow {
    key: String,
    chain: String,
    kind: String,
    level: i64,
    round: i64,
    digest: Option<String>,
    signature: Option<String>,
}

impl LastRow {
    pub(super) const SELECT: &'static str =
        "SELECT key, chain, kind, level, round, digest, signature FROM last";

    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<LastRow> {
        Ok(LastRow {
            key: row.get(0)?,
            chain: row.get(1)?,
            kind: row.get(2)?,
            level: row.get(3)?,
            round: row.get(4)?,
            digest: row.get(5)?,
            signature: row.get(6)?,
        })
    }

    /// Adds it to its entry; none when it makes no sense or has no entry.
    pub(super) fn add_to(&self, entries: &mut [Entry]) -> Option<()> {
        let (key, chain) = (self.key.parse().ok()?, self.chain.parse().ok()?);
        let entry = entries.iter_mut().find(|entry| entry.key == key && entry.chain == chain)?;
        let mark = Mark {
            level: Level::try_from(self.level).ok()?,
            round: Round::try_from(self.round).ok()?,
        };
        let digest = match &self.digest {
            Some(text) => Some(hex::decode(text).ok()?.try_into().ok()?),
            None => None,
        };
        let signature = match &self.signature {
            Some(text) => Some(text.parse().ok()?),
            None => None,
        };
        *entry.last_mut(Kind::from_name(&self.kind)?) =
            Some(Last { mark, digest, signature, was_declined: false });
        Some(())
    }
}
