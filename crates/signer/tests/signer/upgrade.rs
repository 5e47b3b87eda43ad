//! What a protocol upgrade that this version does not know leaves of baking.

use ledger_sim::Device;
use tezos::{Kind, sample_payload};

use crate::device_faults::{self, TZ2};
use crate::harness::{Daemon, Home, TZ1, TZ1_SECRET, attestation, get};

/// A block of a protocol with this number; with something behind its known end it is of unknown form.
fn block(level: u32, protocol: u8, tail: &[u8]) -> Vec<u8> {
    let mut bytes = sample_payload(Kind::Block, level, 0, 1);
    bytes[9] = protocol;
    bytes.extend(tail);
    bytes
}

fn home() -> Home {
    Home::new()
        .with_key("baker", TZ1_SECRET)
        .with_mark(TZ1, Some(99))
        .with("[monitor]\nlisten = \"127.0.0.1:0\"")
}

fn says_to_update(daemon: &Daemon) -> bool {
    let ready = get(daemon.monitor.unwrap(), "/readyz");
    assert_eq!(ready.status, 200, "it signs: {}", ready.text());
    let metrics = get(daemon.monitor.unwrap(), "/metrics").text();
    let gauge = metrics.contains("peel_signer_key_update_needed{key=\"baker\"} 1");
    assert_eq!(gauge, ready.text().contains("[-] protocol: update Peel"), "{}", ready.text());
    gauge
}

#[test]
fn blocks_are_signed_after_an_upgrade_and_every_page_says_update() {
    let home = home();
    let daemon = home.start();
    let sign = |payload: &[u8]| daemon.sign(TZ1, payload).signature();
    let refusal = sign(&block(100, 25, &[0])).unwrap_err();
    assert!(refusal.contains("a form that this version of Peel does not know"), "{refusal}");
    sign(&block(100, 24, &[])).unwrap();
    assert!(!says_to_update(&daemon));
    let refusal = sign(&block(101, 24, &[0])).unwrap_err();
    assert!(refusal.contains("Peel is to be updated"), "{refusal}");
    assert!(says_to_update(&daemon), "a block was refused: not all is well");
    sign(&block(101, 24, &[])).unwrap();
    assert!(!says_to_update(&daemon));

    let made = sign(&block(102, 25, &[0])).unwrap();
    assert!(says_to_update(&daemon));
    assert_eq!(sign(&block(102, 25, &[0])).unwrap(), made, "the stored one");
    let refusal = sign(&block(102, 25, &[1])).unwrap_err();
    assert!(refusal.contains("already signed with different data"), "{refusal}");
    sign(&attestation(101, 1)).unwrap();
    assert!(says_to_update(&daemon), "a vote of known form says nothing of blocks");
    daemon.stop().unwrap();

    let daemon = home.start();
    let sign = |payload: &[u8]| daemon.sign(TZ1, payload).signature();
    sign(&block(103, 25, &[0, 1, 2])).unwrap();
    assert!(says_to_update(&daemon));
    sign(&block(104, 25, &[])).unwrap();
    assert!(!says_to_update(&daemon), "as after an update");
}

#[test]
fn a_vote_of_unknown_form_is_signed_only_if_the_operator_says_so() {
    let longer = |level| [attestation(level, 1), vec![0]].concat();
    let mut new_tag = attestation(102, 1);
    new_tag[37] = 99;
    let mut tag_of_another_layout = attestation(103, 1);
    tag_of_another_layout[37] = 41;
    let default = home().start();
    default.sign(TZ1, &block(100, 24, &[])).signature().unwrap();
    for vote in [&longer(101), &new_tag, &tag_of_another_layout] {
        default.sign(TZ1, vote).signature().unwrap_err();
    }
    let willing = home().with("[policy]\nunknown_forms = \"sign\"").start();
    for vote in [&longer(101), &new_tag] {
        willing.sign(TZ1, vote).signature().unwrap();
    }
    let again = willing.sign(TZ1, &attestation(101, 1)).signature().unwrap_err();
    assert!(again.contains("not above high watermark"), "its mark is that of any vote: {again}");
    let refusal = willing.sign(TZ1, &tag_of_another_layout).signature().unwrap_err();
    assert!(refusal.contains("operation tag 41"), "level and round stand elsewhere: {refusal}");
    assert!(says_to_update(&willing));
}

#[test]
fn an_operator_can_refuse_every_unknown_form() {
    let daemon = home().with("[policy]\nunknown_forms = \"refuse\"").start();
    daemon.sign(TZ1, &block(100, 24, &[])).signature().unwrap();
    daemon.sign(TZ1, &block(101, 25, &[0])).signature().unwrap_err();
    daemon.sign(TZ1, &block(101, 25, &[])).signature().unwrap();
}

/// The Baking app reads a block up to its fitness, and takes one packet.
#[test]
fn a_ledger_signs_such_a_block_as_long_as_it_fits_into_a_packet() {
    let device: Device = device_faults::device(ledger_sim::Latency::None);
    let (_home, daemon) = device_faults::ready(&device);
    let sign = |payload: &[u8]| daemon.sign(TZ2, payload).signature();
    sign(&block(11, 24, &[])).unwrap();
    sign(&block(12, 25, &[0; 37])).unwrap();
    let refusal = sign(&block(13, 25, &[0; 38])).unwrap_err();
    assert!(refusal.contains("more than the Baking app takes at once"), "{refusal}");
    sign(&block(13, 25, &[0])).unwrap();
}
