//! Blocks of a form that is not known, across crashes.

use tezos::{ChainId, KeyForm, Kind, Level, Payload, sample_payload};

use super::platter::{Fate, InMemory, LossyDisk, Platter, Power, ask, block, sign, soon, vote};
use crate::bound::LevelBound;
use crate::entry::Entry;
use crate::form::UnknownForms;
use crate::permit::Decision;
use crate::rules::Rules;
use crate::store::Store;

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
