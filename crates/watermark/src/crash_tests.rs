//! The table of `docs/crash-analysis.md`, row by row, against a disk that loses whatever was not
//! committed when the power went; then random histories against the same disk.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tezos::{ChainId, KeyForm, Kind, Level, Payload, PublicKeyHash, Signature, sample_payload};

use crate::bound::LevelBound;
use crate::disk::{Disk, DiskError};
use crate::entry::{Entry, Last};
use crate::form::UnknownForms;
use crate::marks::Reservation;
use crate::permit::Decision;
use crate::recent::{MarkId, Recent};
use crate::recovery::recover;
use crate::refusal::Refusal;
use crate::rules::Rules;
use crate::store::{AdvanceError, Store, StoreFailure};

/// What survives a power cut, and what survives a crash of the process only.
#[derive(Clone, Default)]
struct Platter(Arc<(Mutex<Surface>, Condvar)>);

#[derive(Default)]
struct Surface {
    entries: Vec<Entry>,
    /// In memory, until the machine goes down.
    cached: BTreeMap<MarkId, Last>,
    power: Power,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Power {
    #[default]
    On,
    /// Commits wait, as on a disk that has stopped answering.
    Stuck,
    /// Commits fail.
    Full,
    /// Commits change nothing any more.
    Cut,
}

struct LossyDisk(Platter);

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

struct InMemory(Platter);

impl Recent for InMemory {
    fn write(&mut self, place: MarkId, last: &Last) -> Result<(), DiskError> {
        self.0.lock().cached.insert(place, last.clone());
        Ok(())
    }
}

impl Platter {
    /// A store for one key, closed up to level 99.
    fn new() -> Platter {
        let platter = Platter::default();
        let floor = Level::try_from(99_i64).ok();
        platter.lock().entries.push(Entry::new(key(), ChainId::MAINNET, floor));
        platter
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Surface> {
        self.0.0.lock().unwrap()
    }

    /// After another boot: the memory is empty.
    fn power_on(&self) -> Store {
        self.set(Power::On);
        self.lock().cached.clear();
        let entries = recover(self.lock().entries.clone(), None);
        self.start(entries)
    }

    fn start(&self, entries: Vec<Entry>) -> Store {
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
    fn crash(&self, store: Store) -> Store {
        self.set(Power::Cut);
        drop(store);
        self.set(Power::On);
        let surface = self.lock();
        let entries = recover(surface.entries.clone(), Some(&surface.cached));
        drop(surface);
        self.start(entries)
    }

    fn set(&self, power: Power) {
        self.lock().power = power;
        self.0.1.notify_all();
    }

    /// Everything in memory is gone; the disk is as it was.
    fn power_cut(&self, store: Store) {
        self.set(Power::Cut);
        drop(store);
    }

    fn reserved(&self) -> Option<u32> {
        self.lock().entries[0].reserved.map(u32::from)
    }

    /// Returns when everything up to `level` is reserved on disk.
    fn await_reserved(&self, level: u32) {
        self.await_entry(|entry| entry.reserved.map(u32::from) >= Some(level));
    }

    fn await_entry(&self, is_there: impl Fn(&Entry) -> bool) {
        let is_missing = |surface: &mut Surface| !is_there(&surface.entries[0]);
        drop(self.0.1.wait_while(self.lock(), is_missing).unwrap());
    }
}

fn key() -> PublicKeyHash {
    "tz1KqTpEZ7Yob7QbPE4Hy4Wo8fHG8LhKxZSx".parse().unwrap()
}

/// An attestation; `variant` makes its bytes differ at the same mark.
fn attestation(level: u32, round: u32, variant: u8) -> Payload {
    vote(Kind::Attestation, level, round, variant)
}

fn vote(kind: Kind, level: u32, round: u32, variant: u8) -> Payload {
    Payload::parse(&sample_payload(kind, level, round, variant), KeyForm::Slot).unwrap()
}

/// A block of a protocol with this number; of unknown form if it has something behind its known end.
fn block(level: u32, protocol: u8, tail: &[u8]) -> Payload {
    let mut bytes = sample_payload(Kind::Block, level, 0, 1);
    bytes[PROTOCOL_NUMBER] = protocol;
    bytes.extend(tail);
    Payload::parse_any_form(&bytes, KeyForm::Slot).unwrap()
}

const PROTOCOL_NUMBER: usize = 9;

fn signature(payload: &Payload) -> Signature {
    let bytes = [*payload.digest(), *payload.digest()].concat();
    Signature::new(tezos::Curve::Ed25519, &bytes).unwrap()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn at_once() -> Instant {
    Instant::now() + Duration::from_millis(20)
}

/// What became of a request, without its details.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Signed,
    Again,
    Closed,
    Different,
    Unanswered,
    Below,
    UnknownForm,
    Failed(StoreFailure),
}

fn ask(store: &Store, payload: &Payload, deadline: Instant) -> Fate {
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

fn sign(store: &Store, payload: &Payload) {
    assert_eq!(ask(store, payload, soon()), Fate::Signed);
}

#[test]
fn row_1_power_fails_before_the_reservation_is_durable() {
    let disk = Platter::new();
    let store = disk.power_on();
    disk.set(Power::Stuck);
    let asked = attestation(100, 0, 1);
    assert_eq!(ask(&store, &asked, at_once()), Fate::Failed(StoreFailure::Slow));
    disk.power_cut(store);

    let store = disk.power_on();
    assert_eq!(disk.reserved(), None, "nothing was promised, nothing was signed");
    assert_eq!(ask(&store, &attestation(100, 0, 2), soon()), Fate::Signed, "so others may");
}

#[test]
fn row_2_power_fails_between_the_reservation_and_the_device() {
    let disk = Platter::new();
    let store = disk.power_on();
    let asked = attestation(100, 0, 1);
    assert!(matches!(store.advance(&key(), &asked, soon()), Ok(Decision::Sign(_))));
    disk.power_cut(store);
    assert_eq!(disk.reserved(), Some(101));

    let store = disk.power_on();
    assert_eq!(ask(&store, &asked, soon()), Fate::Closed, "it may have been signed");
    assert_eq!(ask(&store, &attestation(101, 0, 1), soon()), Fate::Closed);
    assert_eq!(ask(&store, &attestation(102, 0, 1), soon()), Fate::Signed, "two are given up");
}

/// Many levels without a pause: the store settles between two of them.
#[test]
fn no_more_than_two_levels_are_given_up_at_any_pace() {
    let disk = Platter::new();
    let store = disk.power_on();
    for level in 100..150 {
        sign(&store, &attestation(level, 0, 1));
        let reserved = disk.reserved();
        assert!(reserved <= Some(level + 1), "{reserved:?} at level {level}");
    }
}

#[test]
fn row_3_power_fails_after_the_device_and_before_the_answer() {
    let disk = Platter::new();
    let store = disk.power_on();
    let asked = attestation(100, 0, 1);
    sign(&store, &asked);
    disk.power_cut(store);

    let store = disk.power_on();
    assert_eq!(ask(&store, &asked, soon()), Fate::Closed, "its signature was in memory only");
    assert_eq!(ask(&store, &attestation(100, 0, 2), soon()), Fate::Closed);
    assert_eq!(ask(&store, &attestation(102, 0, 1), soon()), Fate::Signed);
}

#[test]
fn row_4_power_fails_while_the_reservation_is_extended() {
    let disk = Platter::new();
    let store = disk.power_on();
    sign(&store, &attestation(100, 0, 1));
    disk.await_reserved(101);
    disk.set(Power::Stuck);
    sign(&store, &attestation(101, 0, 1)); // covered; wants 102, which the disk does not take
    assert_eq!(ask(&store, &attestation(102, 0, 1), at_once()), Fate::Failed(StoreFailure::Slow));
    disk.power_cut(store);

    let store = disk.power_on();
    assert_eq!(ask(&store, &attestation(101, 0, 1), soon()), Fate::Closed);
    assert_eq!(ask(&store, &attestation(102, 0, 2), soon()), Fate::Signed, "102 was never signed");
}

#[test]
fn row_5_power_fails_during_a_clean_stop() {
    let disk = Platter::new();
    let store = disk.power_on();
    let asked = attestation(100, 0, 1);
    sign(&store, &asked);
    disk.set(Power::Cut);
    assert!(matches!(store.close(), Err(StoreFailure::Disk(_))), "and it says so");

    let store = disk.power_on();
    assert_eq!(ask(&store, &attestation(101, 0, 1), soon()), Fate::Closed);
    assert_eq!(ask(&store, &attestation(102, 0, 1), soon()), Fate::Signed);
}

#[test]
fn row_6_a_clean_stop_gives_up_nothing() {
    let disk = Platter::new();
    let store = disk.power_on();
    let asked = attestation(100, 0, 1);
    sign(&store, &asked);
    store.close().unwrap();
    assert_eq!(disk.reserved(), None);

    let store = disk.power_on();
    assert_eq!(ask(&store, &asked, soon()), Fate::Again, "the stored signature answers");
    assert_eq!(ask(&store, &attestation(100, 0, 2), soon()), Fate::Different);
    assert_eq!(ask(&store, &attestation(100, 1, 2), soon()), Fate::Signed);
}

#[test]
fn row_7_what_was_signed_a_level_ago_still_answers_after_a_crash() {
    let disk = Platter::new();
    let store = disk.power_on();
    let asked = attestation(100, 0, 1);
    sign(&store, &asked);
    disk.await_reserved(101);
    sign(&store, &vote(Kind::Preattestation, 101, 0, 1)); // its reservation takes the signature of 100 along
    disk.await_reserved(102);
    disk.power_cut(store);

    let store = disk.power_on();
    assert_eq!(ask(&store, &asked, soon()), Fate::Again);
}

#[test]
fn row_13_the_process_crashes_before_the_device_answers() {
    let disk = Platter::new();
    let store = disk.power_on();
    let asked = attestation(100, 0, 1);
    assert!(matches!(store.advance(&key(), &asked, soon()), Ok(Decision::Sign(_))));
    let store = disk.crash(store);
    assert_eq!(ask(&store, &asked, soon()), Fate::Unanswered, "the device may have signed it");
    assert_eq!(ask(&store, &attestation(100, 0, 2), soon()), Fate::Different);
    assert_eq!(ask(&store, &attestation(100, 1, 2), soon()), Fate::Signed, "no level is given up");
}

#[test]
fn row_14_the_process_crashes_after_the_device_answered() {
    let disk = Platter::new();
    let store = disk.power_on();
    let asked = attestation(100, 0, 1);
    sign(&store, &asked);
    let store = disk.crash(store);
    assert_eq!(ask(&store, &asked, soon()), Fate::Again, "the stored signature answers");
    assert_eq!(ask(&store, &attestation(100, 0, 2), soon()), Fate::Different);
    assert_eq!(ask(&store, &vote(Kind::Preattestation, 100, 0, 1), soon()), Fate::Signed);
    assert_eq!(ask(&store, &attestation(101, 0, 1), soon()), Fate::Signed, "no level is given up");
}

#[test]
fn row_15_the_process_crashes_and_then_the_power_fails() {
    let disk = Platter::new();
    let store = disk.power_on();
    sign(&store, &attestation(100, 0, 1));
    let store = disk.crash(store);
    let asked = attestation(101, 0, 1);
    sign(&store, &asked);
    disk.power_cut(store);
    let store = disk.power_on();
    assert_eq!(ask(&store, &asked, soon()), Fate::Closed);
    assert_eq!(ask(&store, &attestation(100, 0, 2), soon()), Fate::Closed);
}

/// As after a write error that was not reported, or a backup put back: what is written last is below what was
/// synced before it.
#[test]
fn row_16_recent_marks_that_are_behind_the_synced_ones_mean_nothing() {
    let disk = Platter::new();
    let store = disk.power_on();
    sign(&store, &attestation(100, 0, 1));
    disk.await_reserved(101);
    let old = disk.lock().cached.clone();
    sign(&store, &attestation(101, 0, 1));
    sign(&store, &attestation(101, 1, 1));
    disk.await_reserved(102);
    sign(&store, &attestation(102, 0, 1));
    disk.await_reserved(103);
    disk.lock().cached = old;
    let store = disk.crash(store);
    assert_eq!(ask(&store, &attestation(102, 0, 2), soon()), Fate::Closed);
    assert_eq!(ask(&store, &attestation(103, 0, 2), soon()), Fate::Closed);
}

#[test]
fn row_21_a_crash_comes_before_the_protocol_number_of_a_block_is_durable() {
    let disk = Platter::new();
    let store = disk.power_on();
    sign(&store, &vote(Kind::Preattestation, 100, 0, 1)); // reserves 100 and 101
    disk.await_reserved(101);
    disk.set(Power::Stuck);
    sign(&store, &block(100, 24, &[]));
    disk.power_cut(store);
    let store = disk.power_on();
    assert_eq!(
        ask(&store, &block(102, 25, &[0]), soon()),
        Fate::UnknownForm,
        "as if none was seen"
    );
    sign(&store, &block(102, 24, &[]));
    sign(&store, &block(103, 25, &[0]));
    store.close().unwrap();
    let store = disk.power_on();
    assert_eq!(ask(&store, &block(104, 25, &[0]), soon()), Fate::Signed, "a clean stop keeps it");
}

/// Also while nothing else is asked of the disk.
#[test]
fn the_protocol_number_of_a_block_goes_to_the_disk_by_itself() {
    let disk = Platter::new();
    let store = disk.power_on();
    sign(&store, &block(100, 24, &[]));
    disk.await_entry(|entry| entry.protocols.known.is_some());
    sign(&store, &block(101, 25, &[0]));
    disk.await_entry(|entry| entry.protocols.upgraded_to == Some(25));
    disk.power_cut(store);
}

#[test]
fn row_22_a_block_of_unknown_form_has_a_mark_like_any_other() {
    let disk = Platter::new();
    let store = disk.power_on();
    sign(&store, &block(100, 24, &[]));
    let upgraded = block(101, 25, &[7, 7]);
    sign(&store, &upgraded);
    assert_eq!(ask(&store, &upgraded, soon()), Fate::Again);
    for other in [block(101, 25, &[8]), block(101, 24, &[]), block(101, 26, &[])] {
        assert_eq!(ask(&store, &other, soon()), Fate::Different);
    }
    disk.await_reserved(102); // takes the protocol number of block 100 along
    let store = disk.crash(store);
    assert_eq!(ask(&store, &upgraded, soon()), Fate::Again);
    assert_eq!(ask(&store, &block(101, 26, &[9]), soon()), Fate::Different);
    sign(&store, &block(102, 25, &[7]));
    disk.power_cut(store);
    let store = disk.power_on();
    assert_eq!(ask(&store, &block(102, 26, &[9]), soon()), Fate::Closed);
}

#[test]
fn a_block_of_unknown_form_is_signed_after_an_upgrade_and_not_before() {
    let disk = Platter::new();
    let store = disk.power_on();
    assert_eq!(ask(&store, &block(100, 200, &[0]), soon()), Fate::UnknownForm, "no block was seen");
    sign(&store, &block(100, 24, &[]));
    assert_eq!(ask(&store, &block(101, 24, &[0]), soon()), Fate::UnknownForm, "no upgrade");
    assert_eq!(ask(&store, &block(101, 23, &[0]), soon()), Fate::UnknownForm, "a step back");
    sign(&store, &block(101, 25, &[0]));
    sign(&store, &block(102, 25, &[0]));
    assert_eq!(store.entries()[0].protocols.known.map(|known| known.protocol), Some(24));
    assert_eq!(
        ask(&store, &block(103, 24, &[0]), soon()),
        Fate::UnknownForm,
        "of the protocol before"
    );
}

/// A protocol may write both forms, and a client may ask for a block of the known one: neither stops the others.
#[test]
fn after_an_upgrade_a_block_of_known_form_stops_no_other() {
    let disk = Platter::new();
    let store = disk.power_on();
    sign(&store, &block(100, 24, &[]));
    sign(&store, &block(101, 25, &[0]));
    sign(&store, &block(102, 25, &[]));
    sign(&store, &block(103, 255, &[]));
    sign(&store, &block(104, 25, &[0]));
    store.close().unwrap();
    sign(&disk.power_on(), &block(105, 26, &[0, 0]));
}

/// A client that lies about the protocol number is believed until the next true block.
#[test]
fn a_false_protocol_number_lasts_for_a_block() {
    let disk = Platter::new();
    let store = disk.power_on();
    sign(&store, &block(100, 255, &[]));
    sign(&store, &block(101, 24, &[]));
    sign(&store, &block(102, 25, &[0]));
}

/// The blocks of one key tell the protocol number for all keys of the chain, and for no other chain.
#[test]
fn a_block_of_another_key_tells_of_the_upgrade_too() {
    let disk = Platter::new();
    let consensus = "tz1gjaF81ZRRvdzjobyfVNsAeSC6PScjfQwN".parse().unwrap();
    let floor = Level::try_from(99_i64).ok();
    disk.lock().entries.push(Entry::new(consensus, ChainId::MAINNET, floor));
    let store = disk.power_on();
    sign(&store, &block(100, 24, &[]));
    let upgraded = block(101, 25, &[0]);
    assert!(matches!(store.advance(&consensus, &upgraded, soon()), Ok(Decision::Sign(_))));
}

#[test]
fn a_vote_of_unknown_form_is_refused_unless_the_operator_says_sign() {
    let mut bytes = sample_payload(Kind::Attestation, 101, 0, 1);
    bytes.push(0);
    let vote = Payload::parse_any_form(&bytes, KeyForm::Slot).unwrap();
    let fates = |unknown_forms| {
        let disk = Platter::new();
        let (entries, recent) = (disk.lock().entries.clone(), InMemory(disk.clone()));
        let rules = Rules { level_bound: LevelBound::NONE, unknown_forms };
        let store =
            Store::start(entries, LossyDisk(disk.clone()), Box::new(recent), rules).unwrap();
        sign(&store, &block(100, 24, &[]));
        [&vote, &block(101, 25, &[0])].map(|asked| ask(&store, asked, soon()))
    };
    assert_eq!(fates(UnknownForms::AfterUpgrade), [Fate::UnknownForm, Fate::Signed]);
    assert_eq!(fates(UnknownForms::Refuse), [Fate::UnknownForm, Fate::UnknownForm]);
    assert_eq!(fates(UnknownForms::Sign), [Fate::Signed, Fate::Signed]);
}

#[test]
fn a_mark_that_cannot_be_written_gives_no_permit() {
    struct Broken;
    impl Recent for Broken {
        fn write(&mut self, _: MarkId, _: &Last) -> Result<(), DiskError> {
            Err(DiskError::Full { path: "lossy".into() })
        }
    }
    let disk = Platter::new();
    let entries = disk.lock().entries.clone();
    let store =
        Store::start(entries, LossyDisk(disk.clone()), Box::new(Broken), LevelBound::NONE.into())
            .unwrap();
    let full = StoreFailure::Disk(DiskError::Full { path: "lossy".into() });
    assert_eq!(ask(&store, &attestation(100, 0, 1), soon()), Fate::Failed(full));
    assert!(store.entries()[0].last(Kind::Attestation).is_none());
    assert!(store.failure().is_some());
}

#[test]
fn a_level_that_the_chain_cannot_have_reached_moves_no_mark_and_is_not_reserved() {
    let disk = Platter::new();
    let (entries, recent) = (disk.lock().entries.clone(), InMemory(disk.clone()));
    let store = Store::start(
        entries,
        LossyDisk(disk.clone()),
        Box::new(recent),
        LevelBound::MAINNET.into(),
    )
    .unwrap();
    for far in [99 + 602, 1 << 30, i32::MAX.unsigned_abs()] {
        let asked = attestation(far, 0, 1);
        let reservation = store.request_reservation(&key(), &asked);
        assert_eq!(reservation, Reservation::Durable, "nothing is asked of the disk for it");
        let key = key();
        let refused = store.advance(&key, &asked, soon());
        assert!(
            matches!(refused, Err(AdvanceError::Refused(Refusal::TooFar { .. }))),
            "{refused:?}"
        );
    }
    assert_eq!(store.entries()[0].reserved, None);
    assert_eq!(ask(&store, &attestation(100, 0, 1), soon()), Fate::Signed);
    disk.power_cut(store);
    assert!(disk.reserved() <= Some(101));
}

#[test]
fn a_device_that_never_answered_is_not_asked_again() {
    let disk = Platter::new();
    let store = disk.power_on();
    let asked = attestation(100, 0, 1);
    drop(store.advance(&key(), &asked, soon()));
    assert_eq!(ask(&store, &asked, soon()), Fate::Unanswered);
    assert_eq!(ask(&store, &attestation(100, 0, 2), soon()), Fate::Different);
    store.close().unwrap();
    assert_eq!(ask(&disk.power_on(), &asked, soon()), Fate::Unanswered);
}

#[test]
fn what_a_device_declined_may_be_asked_again_and_nothing_else_at_its_mark() {
    let disk = Platter::new();
    let store = disk.power_on();
    let asked = attestation(100, 0, 1);
    drop(store.advance(&key(), &asked, soon()));
    store.was_declined(&key(), &asked);
    assert_eq!(ask(&store, &attestation(100, 0, 2), soon()), Fate::Different);
    assert_eq!(ask(&store, &asked, soon()), Fate::Signed);
    store.was_declined(&key(), &asked);
    assert_eq!(ask(&store, &asked, soon()), Fate::Again, "a signature that was made stays");
    let next = attestation(101, 0, 1);
    drop(store.advance(&key(), &next, soon()));
    store.was_declined(&key(), &next);
    let store = disk.crash(store);
    assert_eq!(
        ask(&store, &next, soon()),
        Fate::Unanswered,
        "nobody remembers what the device said"
    );
}

#[test]
fn a_disk_that_fails_stops_signing_and_lets_it_go_on_when_it_works() {
    let disk = Platter::new();
    let store = disk.power_on();
    disk.set(Power::Full);
    let full = StoreFailure::Disk(DiskError::Full { path: "lossy".into() });
    assert_eq!(ask(&store, &attestation(100, 0, 1), soon()), Fate::Failed(full));
    assert!(store.failure().is_some());
    disk.set(Power::On);
    assert_eq!(ask(&store, &attestation(100, 0, 2), soon()), Fate::Signed, "no mark had moved");
    assert_eq!(store.failure(), None);
}

/// Else a signer that works would say that it does not, until a baker asks for the next level.
#[test]
fn a_second_writing_that_failed_is_tried_again() {
    let disk = Platter::new();
    let store = disk.power_on();
    sign(&store, &attestation(100, 0, 1));
    disk.await_reserved(101);
    disk.set(Power::Full);
    let until = |is_failing: bool| {
        let end = Instant::now() + Duration::from_secs(20);
        while store.failure().is_some() != is_failing {
            assert!(Instant::now() < end, "{:?}", store.failure());
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    until(true);
    disk.set(Power::On);
    until(false);
}

#[test]
fn a_closed_store_gives_no_permit() {
    let disk = Platter::new();
    let store = disk.power_on();
    std::thread::scope(|scope| {
        disk.set(Power::Stuck);
        let asked = scope.spawn(|| ask(&store, &attestation(100, 0, 1), soon()));
        while disk.lock().power == Power::Stuck && store.entries()[0].reserved.is_none() {
            std::thread::yield_now();
        }
        store.begin_closing();
        assert_eq!(asked.join().unwrap(), Fate::Failed(StoreFailure::Closed));
        disk.set(Power::On);
    });
    assert_eq!(ask(&store, &attestation(101, 0, 1), soon()), Fate::Failed(StoreFailure::Closed));
}

#[test]
fn in_steady_state_no_request_waits_for_the_disk() {
    let disk = Platter::new();
    let store = disk.power_on();
    sign(&store, &attestation(100, 0, 1));
    for level in 101..200 {
        disk.await_reserved(level);
        disk.set(Power::Stuck); // whoever waited for it now would get StoreFailure::Slow
        for round in 0..3 {
            assert_eq!(
                ask(&store, &vote(Kind::Preattestation, level, round, 1), at_once()),
                Fate::Signed
            );
            assert_eq!(ask(&store, &attestation(level, round, 1), at_once()), Fate::Signed);
        }
        disk.set(Power::On);
    }
}

/// One event of a random history.
#[derive(Debug, Clone)]
enum Event {
    Ask { kind: Kind, level: u32, round: u32, variant: u8, device_answers: bool },
    Block { level: u32, protocol: u8, tail: Vec<u8>, device_answers: bool },
    PowerCut,
    Crash,
    CleanStop,
    DiskFull(bool),
}

fn event() -> impl Strategy<Value = Event> {
    let kind = prop_oneof![Just(Kind::Preattestation), Just(Kind::Attestation)];
    let ask = (kind, 98_u32..108, 0_u32..3, 0_u8..2, prop::bool::weighted(0.8)).prop_map(
        |(kind, level, round, variant, device_answers)| Event::Ask {
            kind,
            level,
            round,
            variant,
            device_answers,
        },
    );
    let tail = prop::collection::vec(0_u8..2, 0..2);
    let block = (98_u32..108, 23_u8..27, tail, prop::bool::weighted(0.8)).prop_map(
        |(level, protocol, tail, device_answers)| Event::Block {
            level,
            protocol,
            tail,
            device_answers,
        },
    );
    prop_oneof![
        12 => ask,
        6 => block,
        1 => Just(Event::PowerCut),
        1 => Just(Event::Crash),
        1 => Just(Event::CleanStop),
        1 => any::<bool>().prop_map(Event::DiskFull),
    ]
}

/// All bytes for which a permit was ever given, by mark.
#[derive(Default)]
struct Given(std::collections::HashMap<(Kind, tezos::Mark), tezos::Digest>);

impl Given {
    fn note(&mut self, payload: &Payload) {
        let before = self.0.insert((payload.kind(), payload.mark()), *payload.digest());
        assert_eq!(
            before,
            None,
            "a permit was given twice at {} {}",
            payload.kind(),
            payload.mark()
        );
    }

    fn highest(&self, kind: Kind) -> Option<tezos::Mark> {
        self.0.keys().filter(|(of, _)| *of == kind).map(|(_, mark)| *mark).max()
    }
}

fn ask_and_note(store: &Store, payload: &Payload, device_answers: bool, given: &mut Given) {
    let highest = given.highest(payload.kind());
    match store.advance(&key(), payload, soon()) {
        Ok(Decision::Sign(_)) => {
            assert!(highest < Some(payload.mark()), "a mark fell");
            given.note(payload);
            if device_answers {
                store.keep(&key(), payload, &signature(payload));
            }
        }
        Ok(Decision::Again(again)) => assert_eq!(again, signature(payload)),
        Err(_) => {}
    }
}

proptest! {
    #[test]
    fn no_history_signs_twice_or_lets_a_mark_fall(events in prop::collection::vec(event(), 1..80)) {
        let disk = Platter::new();
        let mut store = disk.power_on();
        let mut given = Given::default();
        for event in events {
            match event {
                Event::Ask { kind, level, round, variant, device_answers } => {
                    let payload = vote(kind, level, round, variant);
                    ask_and_note(&store, &payload, device_answers, &mut given);
                }
                Event::Block { level, protocol, tail, device_answers } => {
                    let payload = block(level, protocol, &tail);
                    ask_and_note(&store, &payload, device_answers, &mut given);
                }
                Event::PowerCut => {
                    disk.power_cut(store);
                    store = disk.power_on();
                }
                Event::Crash => store = disk.crash(store),
                Event::CleanStop => {
                    drop(store.close());
                    store = disk.power_on();
                }
                Event::DiskFull(full) => disk.set(if full { Power::Full } else { Power::On }),
            }
        }
    }
}
