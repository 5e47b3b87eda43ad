//! The table of `docs/crash-analysis.md`, row by row, against a disk that loses whatever was not
//! committed when the power went.

mod blocks;
mod histories;
mod platter;

use std::time::{Duration, Instant};

use platter::{
    Fate, InMemory, LossyDisk, Platter, Power, ask, at_once, attestation, key, sign, soon, vote,
};
use tezos::Kind;

use crate::bound::LevelBound;
use crate::disk::DiskError;
use crate::entry::Last;
use crate::marks::Reservation;
use crate::permit::Decision;
use crate::recent::{MarkId, Recent};
use crate::refusal::Refusal;
use crate::store::{AdvanceError, Store, StoreFailure};

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
fn a_level_far_ahead_is_not_reached_in_many_steps_either() {
    let disk = Platter::new();
    let (entries, recent) = (disk.lock().entries.clone(), InMemory(disk.clone()));
    let bound = LevelBound::MAINNET;
    let store =
        Store::start(entries, LossyDisk(disk.clone()), Box::new(recent), bound.into()).unwrap();
    let far = 99 + bound.margin;
    assert_eq!(ask(&store, &attestation(far, 0, 1), soon()), Fate::Signed);
    for beyond in [far + bound.margin, far + 60] {
        let refused = store.advance(&key(), &attestation(beyond, 0, 1), soon()).map(drop);
        assert!(
            matches!(refused, Err(AdvanceError::Refused(Refusal::TooFar { .. }))),
            "{refused:?}"
        );
    }
    disk.power_cut(store);
    assert_eq!(disk.reserved(), Some(far + 1));
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
        // Also the store knows that it is durable.
        store.await_reserved(&key(), &attestation(level, 0, 1), soon()).unwrap();
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
