//! A disk that loses whatever was not committed when the power goes, a store on it, and what is asked of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use tezos::{ChainId, KeyForm, Kind, Level, Payload, PublicKeyHash, Signature, sample_payload};

use crate::bound::LevelBound;
use crate::disk::{Disk, DiskError};
use crate::entry::{Entry, Last};
use crate::permit::Decision;
use crate::recent::{MarkId, Recent};
use crate::recovery::recover;
use crate::refusal::Refusal;
use crate::store::{AdvanceError, Store, StoreFailure};

/// What survives a power cut, and what survives a crash of the process only.
#[derive(Clone, Default)]
pub(super) struct Platter(Arc<(Mutex<Surface>, Condvar)>);

#[derive(Default)]
pub(super) struct Surface {
    pub(super) entries: Vec<Entry>,
    /// In memory, until the machine goes down.
    pub(super) cached: BTreeMap<MarkId, Last>,
    pub(super) power: Power,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Power {
    #[default]
    On,
    /// Commits wait, as on a disk that has stopped answering.
    Stuck,
    /// Commits fail.
    Full,
    /// Commits change nothing any more.
    Cut,
}

pub(super) struct LossyDisk(pub(super) Platter);

impl Disk for LossyDisk {
    fn commit(&mut self, entries: &[Entry]) -> Result<(), DiskError> {
        let (surface, changed) = &*self.0.0;
        let stuck = |surface: &mut Surface| surface.power == Power::Stuck;
        let mut surface = changed.wait_while(surface.lock().unwrap(), stuck).unwrap();
        match surface.power {
            Power::On => {}
            Power::Full => return Err(DiskError::Full { path: "lossy".into() }),
            Power::Stuck | Power::Cut => {
                return Err(DiskError::Io { path: "lossy".into(), detail: "no power".into() });
            }
        }
        for entry in entries {
            surface.entries.retain(|old| (old.key, old.chain) != (entry.key, entry.chain));
            surface.entries.push(entry.clone());
        }
        changed.notify_all();
        Ok(())
    }

    fn write_twice(&mut self) -> Result<(), DiskError> {
        self.commit(&[])
    }

    fn room(&self) -> Option<u64> {
        None
    }

    fn finish(&mut self, entries: &[Entry]) -> Result<(), DiskError> {
        self.commit(entries)
    }
}

pub(super) struct InMemory(pub(super) Platter);

impl Recent for InMemory {
    fn write(&mut self, place: MarkId, last: &Last) -> Result<(), DiskError> {
        self.0.lock().cached.insert(place, last.clone());
        Ok(())
    }
}

impl Platter {
    /// A store for one key, closed up to level 99.
    pub(super) fn new() -> Platter {
        let platter = Platter::default();
        let floor = Level::try_from(99_i64).ok();
        platter.lock().entries.push(Entry::new(key(), ChainId::MAINNET, floor));
        platter
    }

    pub(super) fn lock(&self) -> std::sync::MutexGuard<'_, Surface> {
        self.0.0.lock().unwrap()
    }

    /// After another boot: the memory is empty.
    pub(super) fn power_on(&self) -> Store {
        self.set(Power::On);
        self.lock().cached.clear();
        let entries = recover(self.lock().entries.clone(), None);
        self.start(entries)
    }

    pub(super) fn start(&self, entries: Vec<Entry>) -> Store {
        let cached = |entry: &Entry| {
            let (key, chain) = (entry.key, entry.chain);
            Kind::ALL.map(|kind| entry.last(kind).map(|last| ((key, chain, kind), last.clone())))
        };
        self.lock().cached = entries.iter().flat_map(cached).flatten().collect();
        self.lock().entries.clone_from(&entries);
        let recent = Box::new(InMemory(self.clone()));
        Store::start(entries, LossyDisk(self.clone()), recent, LevelBound::NONE.into()).unwrap()
    }

    /// `kill -9`: everything in memory is gone, and the process is started again.
    pub(super) fn crash(&self, store: Store) -> Store {
        self.set(Power::Cut);
        drop(store);
        self.set(Power::On);
        let surface = self.lock();
        let entries = recover(surface.entries.clone(), Some(&surface.cached));
        drop(surface);
        self.start(entries)
    }

    pub(super) fn set(&self, power: Power) {
        self.lock().power = power;
        self.0.1.notify_all();
    }

    /// Everything in memory is gone; the disk is as it was.
    pub(super) fn power_cut(&self, store: Store) {
        self.set(Power::Cut);
        drop(store);
    }

    pub(super) fn reserved(&self) -> Option<u32> {
        self.lock().entries[0].reserved.map(u32::from)
    }

    /// Returns when everything up to `level` is reserved on disk.
    pub(super) fn await_reserved(&self, level: u32) {
        self.await_entry(|entry| entry.reserved.map(u32::from) >= Some(level));
    }

    pub(super) fn await_entry(&self, is_there: impl Fn(&Entry) -> bool) {
        let is_missing = |surface: &mut Surface| !is_there(&surface.entries[0]);
        drop(self.0.1.wait_while(self.lock(), is_missing).unwrap());
    }
}

pub(super) fn key() -> PublicKeyHash {
    "tz1KqTpEZ7Yob7QbPE4Hy4Wo8fHG8LhKxZSx".parse().unwrap()
}

/// An attestation; `variant` makes its bytes differ at the same mark.
pub(super) fn attestation(level: u32, round: u32, variant: u8) -> Payload {
    vote(Kind::Attestation, level, round, variant)
}

pub(super) fn vote(kind: Kind, level: u32, round: u32, variant: u8) -> Payload {
    Payload::parse(&sample_payload(kind, level, round, variant), KeyForm::Slot).unwrap()
}

/// A block of a protocol with this number; of unknown form if it has something behind its known end.
pub(super) fn block(level: u32, protocol: u8, tail: &[u8]) -> Payload {
    let mut bytes = sample_payload(Kind::Block, level, 0, 1);
    bytes[PROTOCOL_NUMBER] = protocol;
    bytes.extend(tail);
    Payload::parse_any_form(&bytes, KeyForm::Slot).unwrap()
}

pub(super) const PROTOCOL_NUMBER: usize = 9;

pub(super) fn signature(payload: &Payload) -> Signature {
    let bytes = [*payload.digest(), *payload.digest()].concat();
    Signature::new(tezos::Curve::Ed25519, &bytes).unwrap()
}

pub(super) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

pub(super) fn at_once() -> Instant {
    Instant::now() + Duration::from_millis(20)
}

/// What became of a request, without its details.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Signed,
    Again,
    Closed,
    Different,
    Unanswered,
    Below,
    UnknownForm,
    Failed(StoreFailure),
}

pub(super) fn ask(store: &Store, payload: &Payload, deadline: Instant) -> Fate {
    match store.advance(&key(), payload, deadline) {
        Ok(Decision::Sign(permit)) => {
            store.keep(permit.key(), permit.payload(), &signature(payload));
            Fate::Signed
        }
        Ok(Decision::Again(again)) => {
            assert_eq!(again, signature(payload));
            Fate::Again
        }
        Err(AdvanceError::Refused(refusal)) => match refusal {
            Refusal::Closed { .. } => Fate::Closed,
            Refusal::Different { .. } => Fate::Different,
            Refusal::Unanswered { .. } => Fate::Unanswered,
            Refusal::Below { .. } => Fate::Below,
            Refusal::NoWatermark { .. } => panic!("the entry is gone"),
            Refusal::TooFar { .. } => panic!("there is no bound"),
            Refusal::UnknownForm { .. } => Fate::UnknownForm,
        },
        Err(AdvanceError::Failed(failure)) => Fate::Failed(failure),
    }
}

pub(super) fn sign(store: &Store, payload: &Payload) {
    assert_eq!(ask(store, payload, soon()), Fate::Signed);
}
