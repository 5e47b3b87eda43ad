//! The marks in memory, and which of them the disk already vouches for. Pure: no I/O, no clock.

use std::collections::BTreeMap;

use tezos::{ChainId, Level, Payload, PublicKeyHash, Signature};

use crate::entry::{Entry, Refusal, Verdict};

/// The entries of a store while it is open.
#[derive(Debug)]
pub(crate) struct Book {
    pages: BTreeMap<(PublicKeyHash, ChainId), Page>,
    /// There is a wish that the writer has not been told of.
    news: bool,
}

#[derive(Debug)]
struct Page {
    /// As it is. Its `reserved` is what is *wanted* on disk.
    entry: Entry,
    /// The reservation that is durable.
    durable: Option<Level>,
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
}

impl Book {
    /// From what was on disk. Reservations found there count as signed.
    pub(crate) fn open(entries: Vec<Entry>) -> Book {
        let pages = entries.into_iter().map(|mut entry| {
            entry.settle();
            ((entry.key, entry.chain), Page { entry, durable: None })
        });
        Book { pages: pages.collect(), news: false }
    }

    /// Judges a request and, if it may be signed now, raises its mark.
    pub(crate) fn request(&mut self, key: &PublicKeyHash, payload: &Payload) -> Answer {
        let chain = payload.chain();
        let Some(page) = self.pages.get_mut(&(*key, chain)) else {
            return Answer::Refused(Refusal::NoWatermark { key: *key, chain });
        };
        match page.entry.judge(payload) {
            Verdict::Again(signature) => Answer::Again(signature),
            Verdict::Refuse(refusal) => Answer::Refused(refusal),
            Verdict::Sign => {
                self.news |= page.wish(payload.mark().level);
                page.grant(payload)
            }
        }
    }

    /// The rule alone: the signature given before, if any.
    pub(crate) fn look(
        &self,
        key: &PublicKeyHash,
        payload: &Payload,
    ) -> Result<Option<Signature>, Refusal> {
        let chain = payload.chain();
        let page = self.pages.get(&(*key, chain));
        match page.ok_or(Refusal::NoWatermark { key: *key, chain })?.entry.judge(payload) {
            Verdict::Again(signature) => Ok(Some(signature)),
            Verdict::Sign => Ok(None),
            Verdict::Refuse(refusal) => Err(refusal),
        }
    }

    /// Whether the disk vouches for the level of a payload, or the payload needs no such thing; wishes
    /// for it otherwise.
    pub(crate) fn is_reserved(&mut self, key: &PublicKeyHash, payload: &Payload) -> bool {
        let level = payload.mark().level;
        match self.pages.get_mut(&(*key, payload.chain())) {
            Some(page)
                if page.entry.judge(payload) == Verdict::Sign && page.durable < Some(level) =>
            {
                self.news |= page.wish(level);
                false
            }
            Some(_) | None => true,
        }
    }

    /// Keeps the signature of a payload, to be given again.
    pub(crate) fn keep(&mut self, key: &PublicKeyHash, payload: &Payload, signature: &Signature) {
        if let Some(page) = self.pages.get_mut(&(*key, payload.chain())) {
            page.entry.keep(payload, signature);
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
    /// One level more than the present one is wanted, so that the next finds itself reserved. Whether
    /// that is new.
    fn wish(&mut self, level: Level) -> bool {
        let wanted = Some(level.next());
        let is_new = self.entry.reserved < wanted;
        self.entry.reserved = self.entry.reserved.max(wanted);
        is_new
    }

    fn grant(&mut self, payload: &Payload) -> Answer {
        let level = payload.mark().level;
        if self.durable < Some(level) {
            return Answer::NotReserved;
        }
        self.entry.advance(payload);
        Answer::Granted
    }
}
