//! The marks in memory, and which of them the disk already vouches for. Pure: no I/O, no clock.

use std::collections::BTreeMap;

use tezos::{ChainId, Level, Payload, PublicKeyHash, Signature};

use crate::bound::{LevelBound, Now};
use crate::disk::DiskError;
use crate::entry::{Entry, Last, Refusal, Verdict};
use crate::recent::Place;

/// The entries of a store while it is open.
#[derive(Debug)]
pub(crate) struct Book {
    pages: BTreeMap<(PublicKeyHash, ChainId), Page>,
    bound: LevelBound,
    /// There is a wish that the writer has not been told of.
    news: bool,
}

#[derive(Debug)]
struct Page {
    /// As it is. Its `reserved` is what is *wanted* on disk.
    entry: Entry,
    /// The reservation that is durable.
    durable: Option<Level>,
    /// When the highest level last rose.
    raised: Now,
}

/// What the book says to a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The mark is raised, and the disk vouches for it.
    Granted,
    /// The signature given before.
    Again(Signature),
    /// Against the rule.
    Refused(Refusal),
    /// Above the mark, but the reservation does not reach that far yet: nothing was changed but the
    /// wish for it.
    NotReserved,
    /// The mark could not be written: it is where it was.
    NotWritten(DiskError),
}

/// Levels that are reserved ahead before the disk is busy with something else than the next reservation.
const AHEAD: u32 = 4;

impl Book {
    /// From what was on disk. Reservations found there count as signed.
    pub(crate) fn open(entries: Vec<Entry>, bound: LevelBound, now: Now) -> Book {
        // A clock that says that a mark was raised in the future is wrong.
        let is_behind = entries.iter().any(|entry| entry.raised_at > Some(now.wall));
        let bound = if is_behind { bound.with_a_doubtful_clock() } else { bound };
        let pages = entries.into_iter().map(|mut entry| {
            entry.settle();
            let raised = Now { wall: entry.raised_at.unwrap_or(now.wall), ..now };
            ((entry.key, entry.chain), Page { entry, durable: None, raised })
        });
        Book { pages: pages.collect(), bound, news: false }
    }

    /// Judges a request and, if it may be signed now, raises its mark after `write` has written it.
    pub(crate) fn request(
        &mut self,
        key: &PublicKeyHash,
        payload: &Payload,
        now: Now,
        write: impl FnOnce(Place, &Last) -> Result<(), DiskError>,
    ) -> Answer {
        let (chain, bound) = (payload.chain(), self.bound);
        let Some(page) = self.pages.get_mut(&(*key, chain)) else {
            return Answer::Refused(Refusal::NoWatermark { key: *key, chain });
        };
        match page.judge(payload, bound, now) {
            Verdict::Again(signature) => Answer::Again(signature),
            Verdict::Refuse(refusal) => Answer::Refused(refusal),
            Verdict::Sign => {
                self.news |= page.wish(payload.mark().level);
                page.grant(payload, now, write)
            }
        }
    }

    /// The rule alone: the signature given before, if any.
    pub(crate) fn look(
        &self,
        key: &PublicKeyHash,
        payload: &Payload,
        now: Now,
    ) -> Result<Option<Signature>, Refusal> {
        let chain = payload.chain();
        let page = self.pages.get(&(*key, chain));
        let page = page.ok_or(Refusal::NoWatermark { key: *key, chain })?;
        match page.judge(payload, self.bound, now) {
            Verdict::Again(signature) => Ok(Some(signature)),
            Verdict::Sign => Ok(None),
            Verdict::Refuse(refusal) => Err(refusal),
        }
    }

    /// Whether the disk vouches for the level of a payload, or the payload needs no such thing; wishes
    /// for it otherwise.
    pub(crate) fn is_reserved(&mut self, key: &PublicKeyHash, payload: &Payload, now: Now) -> bool {
        let (level, bound) = (payload.mark().level, self.bound);
        match self.pages.get_mut(&(*key, payload.chain())) {
            Some(page)
                if page.durable < Some(level)
                    && page.judge(payload, bound, now) == Verdict::Sign =>
            {
                self.news |= page.wish(level);
                false
            }
            Some(_) | None => true,
        }
    }

    /// Keeps the signature of a payload, to be given again; gives what has to be written for it.
    pub(crate) fn keep(
        &mut self,
        key: &PublicKeyHash,
        payload: &Payload,
        signature: &Signature,
    ) -> Option<(Place, &Last)> {
        let (chain, kind) = (payload.chain(), payload.kind());
        let page = self.pages.get_mut(&(*key, chain))?;
        let last = page.entry.keep(payload, signature)?;
        Some(((*key, chain, kind), last))
    }

    /// The device answered that it did not sign a payload.
    pub(crate) fn decline(&mut self, key: &PublicKeyHash, payload: &Payload) {
        if let Some(page) = self.pages.get_mut(&(*key, payload.chain())) {
            page.entry.decline(payload);
        }
    }

    /// Wishes for some levels more than the next, for the disk will be busy for a while.
    pub(crate) fn wish_ahead(&mut self) {
        for page in self.pages.values_mut() {
            if let (Some(reserved), Some(reached)) = (page.entry.reserved, page.entry.reached()) {
                let ahead = (0..AHEAD).fold(reached, |level, _| level.next());
                page.entry.reserved = Some(reserved.max(ahead));
            }
        }
    }

    /// Whether the writer has to be told of a new wish. Told once.
    pub(crate) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.news)
    }

    /// The entries whose wanted reservation is not durable: what the writer has to write.
    pub(crate) fn wanting(&self) -> Vec<Entry> {
        let wanting = self.pages.values().filter(|page| page.entry.reserved > page.durable);
        wanting.map(|page| page.entry.clone()).collect()
    }

    /// These entries are durable now.
    pub(crate) fn committed(&mut self, entries: &[Entry]) {
        for entry in entries {
            if let Some(page) = self.pages.get_mut(&(entry.key, entry.chain)) {
                page.durable = page.durable.max(entry.reserved);
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
        self.pages.values().map(|page| page.entry.clone()).collect()
    }
}

impl Page {
    /// The rule, and how far ahead of time a level may be.
    fn judge(&self, payload: &Payload, bound: LevelBound, now: Now) -> Verdict {
        let verdict = self.entry.judge(payload);
        let (Verdict::Sign, Some(last)) = (&verdict, self.entry.reached()) else { return verdict };
        let highest = bound.highest(last, now.since(self.raised));
        if payload.mark().level <= highest {
            return verdict;
        }
        let (kind, mark) = (payload.kind(), payload.mark());
        Verdict::Refuse(Refusal::TooFar { kind, mark, last, highest })
    }

    /// One level more than the present one is wanted, so that the next finds itself reserved. Whether
    /// that is new.
    fn wish(&mut self, level: Level) -> bool {
        let wanted = Some(level.next());
        let is_new = self.entry.reserved < wanted;
        self.entry.reserved = self.entry.reserved.max(wanted);
        is_new
    }

    fn grant(
        &mut self,
        payload: &Payload,
        now: Now,
        write: impl FnOnce(Place, &Last) -> Result<(), DiskError>,
    ) -> Answer {
        let level = payload.mark().level;
        if self.durable < Some(level) {
            return Answer::NotReserved;
        }
        let place = (self.entry.key, self.entry.chain, payload.kind());
        if let Err(error) = write(place, &Last::asked(payload)) {
            return Answer::NotWritten(error);
        }
        if self.entry.reached() < Some(level) {
            self.raised = now;
            self.entry.raised_at = Some(now.wall);
        }
        self.entry.advance(payload);
        Answer::Granted
    }
}
