//! The marks in memory, and which of them the disk already vouches for. Pure: no I/O, no clock.

use std::collections::BTreeMap;

use tezos::{ChainId, Level, Payload, PublicKeyHash, Signature};

use crate::bound::{LevelBound, Now, Pace};
use crate::disk::DiskError;
use crate::entry::{Entry, Last, Verdict};
use crate::form::SeenProtocols;
use crate::recent::MarkId;
use crate::refusal::Refusal;
use crate::rules::Rules;

/// The entries of a store while it is open.
#[derive(Debug)]
pub(crate) struct Marks {
    rows: BTreeMap<(PublicKeyHash, ChainId), Row>,
    rules: Rules,
    /// Set when a reservation was requested that the writer has not been told of.
    dirty: bool,
}

#[derive(Debug)]
struct Row {
    /// As it is. Its `reserved` is what is *requested* of the disk.
    entry: Entry,
    /// The reservation that is durable.
    durable: Option<Level>,
    /// The protocol numbers that are durable; those of a block that was just signed are not, without being asked for.
    durable_protocols: (Option<u8>, Option<u8>),
    /// How fast the highest level rose.
    pace: Pace,
}

/// The answer to a signing request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// The mark is raised, and the disk vouches for it.
    Granted,
    /// The signature given before.
    Again(Signature),
    /// Against the rule.
    Refused(Refusal),
    /// Above the mark, but the reservation does not reach that far yet: it was requested, and nothing else was
    /// changed.
    NotReserved,
    /// The mark could not be written, and is where it was.
    NotWritten(DiskError),
}

/// The reservation for the level of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reservation {
    /// The disk vouches for the level, or the payload needs no reservation: it is refused, or was signed before.
    Durable,
    /// It is being written.
    Requested,
}

impl Marks {
    /// From what was on disk. Reservations found there count as signed.
    pub(crate) fn open(entries: Vec<Entry>, mut rules: Rules, now: Now) -> Marks {
        // A clock that says that a mark was raised in the future is wrong.
        if entries.iter().any(|entry| entry.raised_at > Some(now.wall)) {
            rules.level_bound = rules.level_bound.with_a_doubtful_clock();
        }
        let rows = entries.into_iter().map(|mut entry| {
            entry.settle();
            let raised = Now { wall: entry.raised_at.unwrap_or(now.wall), ..now };
            let durable_protocols = numbers(&entry);
            let pace = Pace::since(raised);
            ((entry.key, entry.chain), Row { entry, durable: None, durable_protocols, pace })
        });
        Marks { rows: rows.collect(), rules, dirty: false }
    }

    /// Judges a request and, if it may be signed now, raises its mark after `write` has written it.
    pub(crate) fn request(
        &mut self,
        key: &PublicKeyHash,
        payload: &Payload,
        now: Now,
        write: impl FnOnce(MarkId, &Last) -> Result<(), DiskError>,
    ) -> Judgement {
        let (chain, bound) = (payload.chain(), self.rules.level_bound);
        match self.judge(key, payload, now) {
            Verdict::Again(signature) => Judgement::Again(signature),
            Verdict::Refuse(refusal) => Judgement::Refused(refusal),
            Verdict::Sign => match self.rows.get_mut(&(*key, chain)) {
                Some(row) => {
                    self.dirty |= row.request_reservation(payload.mark().level);
                    let judgement = row.grant(payload, bound, now, write);
                    self.dirty |= numbers(&row.entry) != row.durable_protocols;
                    judgement
                }
                None => Judgement::Refused(Refusal::NoWatermark { key: *key, chain }),
            },
        }
    }

    /// The rule alone: the signature given before, if any.
    pub(crate) fn look(
        &self,
        key: &PublicKeyHash,
        payload: &Payload,
        now: Now,
    ) -> Result<Option<Signature>, Refusal> {
        match self.judge(key, payload, now) {
            Verdict::Again(signature) => Ok(Some(signature)),
            Verdict::Sign => Ok(None),
            Verdict::Refuse(refusal) => Err(refusal),
        }
    }

    /// Requests the reservation that a payload needs, if it is not durable.
    pub(crate) fn request_reservation(
        &mut self,
        key: &PublicKeyHash,
        payload: &Payload,
        now: Now,
    ) -> Reservation {
        let (level, place) = (payload.mark().level, (*key, payload.chain()));
        let is_durable = self.rows.get(&place).is_none_or(|row| row.durable >= Some(level));
        if is_durable || self.judge(key, payload, now) != Verdict::Sign {
            return Reservation::Durable;
        }
        let row = self.rows.get_mut(&place);
        self.dirty |= row.is_some_and(|row| row.request_reservation(level));
        Reservation::Requested
    }

    /// The rule, how far ahead of time a level may be, and which form a payload may have.
    fn judge(&self, key: &PublicKeyHash, payload: &Payload, now: Now) -> Verdict {
        let chain = payload.chain();
        let Some(row) = self.rows.get(&(*key, chain)) else {
            return Verdict::Refuse(Refusal::NoWatermark { key: *key, chain });
        };
        let verdict = row.judge(payload, self.rules.level_bound, now);
        let (Verdict::Sign, Some(what)) = (&verdict, payload.unknown_form()) else {
            return verdict;
        };
        match self.rules.unknown_forms.allow(payload, self.seen_protocols(chain)) {
            Ok(()) => verdict,
            Err(why) => {
                let (kind, mark, what) = (payload.kind(), payload.mark(), what.clone());
                Verdict::Refuse(Refusal::UnknownForm { kind, mark, what, why })
            }
        }
    }

    /// What was seen of the protocols of this chain, with any key.
    fn seen_protocols(&self, chain: ChainId) -> SeenProtocols {
        let of_chain = self.rows.values().filter(|row| row.entry.chain == chain);
        of_chain.map(|row| row.entry.protocols).fold(SeenProtocols::default(), SeenProtocols::merge)
    }

    /// Keeps the signature of a payload, to be given again; gives what has to be written for it.
    pub(crate) fn keep(
        &mut self,
        key: &PublicKeyHash,
        payload: &Payload,
        signature: &Signature,
    ) -> Option<(MarkId, &Last)> {
        let (chain, kind) = (payload.chain(), payload.kind());
        let row = self.rows.get_mut(&(*key, chain))?;
        let last = row.entry.keep(payload, signature)?;
        Some(((*key, chain, kind), last))
    }

    /// The device answered that it did not sign a payload.
    pub(crate) fn decline(&mut self, key: &PublicKeyHash, payload: &Payload) {
        if let Some(row) = self.rows.get_mut(&(*key, payload.chain())) {
            row.entry.decline(payload);
        }
    }

    /// Whether a reservation was requested since the last call.
    pub(crate) fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.dirty)
    }

    /// The entries whose requested reservation, or protocol number, is not durable: what the writer has to commit.
    pub(crate) fn uncommitted(&self) -> Vec<Entry> {
        let is_uncommitted = |row: &&Row| {
            row.entry.reserved > row.durable || numbers(&row.entry) != row.durable_protocols
        };
        let uncommitted = self.rows.values().filter(is_uncommitted);
        uncommitted.map(|row| row.entry.clone()).collect()
    }

    /// These entries are durable now.
    pub(crate) fn committed(&mut self, entries: &[Entry]) {
        for entry in entries {
            if let Some(row) = self.rows.get_mut(&(entry.key, entry.chain)) {
                row.durable = row.durable.max(entry.reserved);
                row.durable_protocols = numbers(entry);
            }
        }
    }

    /// The entries as a clean stop leaves them: exact marks, no reservation.
    pub(crate) fn exact(&self) -> Vec<Entry> {
        let mut entries = self.entries();
        entries.iter_mut().for_each(|entry| entry.reserved = None);
        entries
    }

    /// The entries as they are.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.rows.values().map(|row| row.entry.clone()).collect()
    }
}

/// The protocol numbers of an entry.
fn numbers(entry: &Entry) -> (Option<u8>, Option<u8>) {
    let SeenProtocols { known, upgraded_to } = entry.protocols;
    (known.map(|block| block.protocol), upgraded_to)
}

impl Row {
    /// The rule, and how far ahead of time a level may be.
    fn judge(&self, payload: &Payload, bound: LevelBound, now: Now) -> Verdict {
        let verdict = self.entry.judge(payload);
        let (Verdict::Sign, Some(last)) = (&verdict, self.entry.reached()) else { return verdict };
        let highest = bound.highest(last, &self.pace, now);
        if payload.mark().level <= highest {
            return verdict;
        }
        let (kind, mark) = (payload.kind(), payload.mark());
        Verdict::Refuse(Refusal::TooFar { kind, mark, last, highest })
    }

    /// Requests one level more than this one, so that the next one is reserved when it comes. Returns true if that
    /// was not requested before.
    fn request_reservation(&mut self, level: Level) -> bool {
        let requested = Some(level.next());
        let is_new = self.entry.reserved < requested;
        self.entry.reserved = self.entry.reserved.max(requested);
        is_new
    }

    fn grant(
        &mut self,
        payload: &Payload,
        bound: LevelBound,
        now: Now,
        write: impl FnOnce(MarkId, &Last) -> Result<(), DiskError>,
    ) -> Judgement {
        let level = payload.mark().level;
        if self.durable < Some(level) {
            return Judgement::NotReserved;
        }
        let place = (self.entry.key, self.entry.chain, payload.kind());
        if let Err(error) = write(place, &Last::asked(payload)) {
            return Judgement::NotWritten(error);
        }
        let reached = self.entry.reached();
        if reached < Some(level) {
            let blocks = u32::from(level) - reached.map_or(u32::from(level), u32::from);
            self.pace = bound.raise(&self.pace, blocks, now);
            self.entry.raised_at = Some(now.wall);
        }
        self.entry.advance(payload);
        Judgement::Granted
    }
}
