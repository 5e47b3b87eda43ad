//! Random histories of requests, crashes and power cuts.

use proptest::prelude::*;
use tezos::{Kind, Payload};

use super::platter::{Platter, Power, block, key, signature, soon, vote};
use crate::permit::Decision;
use crate::store::Store;

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
