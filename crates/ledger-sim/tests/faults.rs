//! Each fault, as a client meets it.
#![expect(clippy::unwrap_used, reason = "a test may fail")]
#![expect(dead_code, reason = "the tests share the client")]

mod client;

use std::time::{Duration, Instant};

use client::{
    ALL_MARKS, APP_INFO, Client, LIMIT, SELECT, VERSION, VERSION_ANSWER, attestation, device,
};
use ledger_sim::{Config, Device, Fault, Instruction};

const MARKS_BEFORE: &str = "0000000a000000000000000a000000007a06a7709000";
const MARKS_AFTER: &str = "00000014000000000000000a000000007a06a7709000";

/// A device that waits for its first message, and its client.
fn selected() -> (Device, Client) {
    let device = device(Config::default());
    let mut client = Client::known(&device);
    assert_eq!(client.exchange(SELECT), "9000");
    (device, client)
}

#[test]
fn disconnected_before_it_signs_the_device_has_not_signed() {
    let (device, mut client) = selected();
    device.inject(Fault::DisconnectBefore(Instruction::Sign));
    assert_eq!(client.exchange(VERSION), VERSION_ANSWER, "the fault names another instruction");
    client.send(&[&attestation(20)]);
    client.expect_closed();
    assert_eq!(device.signatures(), 0);
    assert_eq!(Client::known(&device).exchange(ALL_MARKS), MARKS_BEFORE);
}

#[test]
fn disconnected_after_it_signed_the_device_has_signed() {
    let (device, mut client) = selected();
    device.inject(Fault::DisconnectAfter(Instruction::Sign));
    client.send(&[&attestation(20)]);
    client.expect_closed();
    assert_eq!(device.signatures(), 1);
    assert_eq!(Client::known(&device).exchange(ALL_MARKS), MARKS_AFTER);
}

#[test]
fn while_an_answer_is_late_everything_else_is_dropped() {
    let (device, mut client) = selected();
    device.inject(Fault::Late(Instruction::AllMarks, Duration::from_secs(3600)));
    client.send(&[ALL_MARKS]);
    assert!(device.wait_for_apdus(3, LIMIT));
    let mut other = Client::connect(&device);
    for apdus in [4, 5] {
        // When the fifth is counted, the fourth would have been answered.
        other.send(&[VERSION]);
        assert!(device.wait_for_apdus(apdus, LIMIT));
    }
    drop(device);
    other.expect_closed();
}

#[test]
fn a_late_answer_is_the_right_one() {
    let (device, mut client) = selected();
    device.inject(Fault::Late(Instruction::AllMarks, Duration::from_millis(20)));
    let asked = Instant::now();
    assert_eq!(client.exchange(ALL_MARKS), MARKS_BEFORE);
    assert!(asked.elapsed() >= Duration::from_millis(20));
}

#[test]
fn a_wrong_signature_differs_in_one_bit_and_once() {
    let (device, mut client) = selected();
    let (spoilt_device, mut spoilt_client) = selected();
    spoilt_device.inject(Fault::WrongSignature);
    for (level, flipped) in [(20, 1), (21, 0)] {
        let right = hex::decode(client.exchange(&attestation(level))).unwrap();
        let wrong = hex::decode(spoilt_client.exchange(&attestation(level))).unwrap();
        let bits = right.iter().zip(&wrong).map(|(right, wrong)| (right ^ wrong).count_ones());
        assert_eq!((bits.sum::<u32>(), right.len()), (flipped, wrong.len()));
    }
    assert_eq!(device.signatures(), 2);
}

#[test]
fn a_wrong_signature_waits_for_a_signature() {
    let (device, mut client) = selected();
    device.inject(Fault::WrongSignature);
    assert_eq!(client.exchange(&attestation(1)), "6a80");
    assert_eq!(client.exchange(ALL_MARKS), MARKS_BEFORE);
    let spoilt = client.exchange(&attestation(20));
    let right = selected().1.exchange(&attestation(20));
    assert_ne!(spoilt, right);
}

#[test]
fn garbage_comes_in_an_intact_frame() {
    let (device, mut client) = selected();
    device.inject(Fault::Garbage(Instruction::AllMarks));
    assert_ne!(client.exchange(ALL_MARKS), MARKS_BEFORE);
    assert_eq!(client.exchange(ALL_MARKS), MARKS_BEFORE);
}

#[test]
fn a_broken_frame_promises_gigabytes() {
    let (device, mut client) = selected();
    device.inject(Fault::BrokenFrame(Instruction::Version));
    client.send(&[VERSION]);
    assert_eq!(client.receive_length(), u32::MAX);
}

#[test]
fn a_status_word_is_answered_without_the_app() {
    let (device, mut client) = selected();
    device.inject(Fault::Status(Instruction::Sign, 0x6f00));
    assert_eq!(client.exchange(&attestation(20)), "6f00");
    assert_eq!(client.exchange(ALL_MARKS), MARKS_BEFORE);
}

#[test]
fn any_meets_the_next_exchange_whatever_it_is() {
    let (device, mut client) = selected();
    device.inject(Fault::Status(Instruction::Any, 0x6f01));
    device.inject(Fault::Status(Instruction::Any, 0x6f02));
    assert_eq!(client.exchange(VERSION), "6f01");
    assert_eq!(client.exchange("80ff000000"), "6f02");
    assert_eq!(client.exchange(VERSION), VERSION_ANSWER);
}

#[test]
fn select_and_sign_are_two_instructions() {
    let (device, mut client) = selected();
    device.inject(Fault::Status(Instruction::Select, 0x6f00));
    assert!(client.exchange(&attestation(20)).ends_with("9000"));
    assert_eq!(client.exchange(SELECT), "6f00");
}

#[test]
fn another_app_says_its_name_and_knows_no_class() {
    let (device, mut client) = selected();
    device.inject(Fault::OtherApp("Bitcoin".to_owned()));
    assert_eq!(client.exchange(APP_INFO), "0107426974636f696e05312e302e3001009000");
    assert_eq!(client.exchange(VERSION), "6e00");
    device.plug();
    assert_eq!(client.exchange(VERSION), VERSION_ANSWER);
}

#[test]
fn locked_it_says_so_to_everything() {
    let (device, mut client) = selected();
    device.inject(Fault::Locked);
    for apdu in [VERSION, APP_INFO, SELECT, "80ff000000"] {
        assert_eq!(client.exchange(apdu), "5515");
    }
    device.plug();
    assert_eq!(client.exchange(VERSION), VERSION_ANSWER);
}
