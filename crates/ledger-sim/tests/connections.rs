//! What the recordings say about connections, replayed over TCP.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]
#![expect(clippy::indexing_slicing, reason = "a test may fail")]
#![expect(dead_code, reason = "the tests share the recordings' fields and the client")]

mod client;
mod recording;

use std::time::{Duration, Instant};

use client::{
    ALL_MARKS, AUTHORIZE, Client, LIMIT, SELECT, VERSION, VERSION_ANSWER, attestation, device,
    start,
};
use ledger_sim::{Approval, Config, Device, Fault, Instruction, Latency};
use recording::{Line, transcript};

fn asking() -> Config {
    Config { approval: Approval::Ask, ..Config::default() }
}

/// 11b: the client gives up on a prompt and reconnects; the old answer comes on the new connection.
#[test]
fn an_old_answer_arrives_on_the_new_connection() {
    let device = start(asking());
    let lines = transcript("11b_reconnect_during_prompt");
    let mut old = Client::known(&device);
    old.send(&[AUTHORIZE]);
    assert!(device.wait_for_prompt(LIMIT));
    drop(old);
    let mut new = Client::connect(&device);
    new.send(&[VERSION]);
    assert!(device.wait_for_apdus(3, LIMIT), "the third APDU is dropped, so nothing answers it");
    device.decide(true);
    assert_eq!(new.receive(), answer_after_accept(&lines));
    replay(&device, &mut new, &lines);
}

fn answer_after_accept(lines: &[Line]) -> String {
    let answer = |line: &Line| line.first_answer_on_new_connection_after_accept.clone();
    lines.iter().find_map(answer).unwrap()
}

/// 11c: with two connections open, the newer one gets the answers.
#[test]
fn the_newest_connection_gets_the_answer() {
    let device = start(asking());
    let lines = transcript("11c_two_connections");
    let mut first = Client::known(&device);
    assert_eq!(replay(&device, &mut first, &lines), 1);
    let mut second = Client::known(&device);
    first.send(&[VERSION]);
    let recorded = lines.iter().find_map(|line| line.on_conn2.clone()).unwrap();
    assert_eq!(second.receive(), recorded);
}

/// Nor does an answer go back to an older connection when the newest is closed.
#[test]
fn a_closed_newest_connection_loses_the_answer() {
    let device = device(Config::default());
    let mut first = Client::known(&device);
    drop(Client::known(&device));
    for apdus in [3, 4] {
        // When the fourth is counted, the third has been answered.
        first.send(&[VERSION]);
        assert!(device.wait_for_apdus(apdus, LIMIT));
    }
    drop(device);
    first.expect_closed();
}

/// 11d: of APDUs that arrive together, the first is worked on and the others are dropped.
#[test]
fn what_arrives_during_an_exchange_is_dropped() {
    let device = start(asking());
    let mut client = Client::connect(&device);
    let lines = transcript("11d_pipelining");
    assert_eq!(replay(&device, &mut client, &lines), 7);
    assert_eq!(device.signatures(), 2);
}

#[test]
fn a_long_transcript_replays_over_tcp() {
    let device = start(asking());
    let mut client = Client::connect(&device);
    let lines = transcript("06_hwm_matrix");
    assert_eq!(replay(&device, &mut client, &lines), 226);
    assert_eq!(device.apdus(), 226);
}

/// Replays the exchanges of a transcript, and the notes that say what was sent together.
fn replay(device: &Device, client: &mut Client, lines: &[Line]) -> usize {
    lines.iter().filter(|line| step(device, client, line)).count()
}

fn step(device: &Device, client: &mut Client, line: &Line) -> bool {
    if let (Some(sent), Some(answers)) = (&line.sent, &line.answers) {
        client.send(&sent.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(client.receive(), answers[0], "{line:?}");
        client.expect_silence();
    } else if !line.is_note() {
        client.send(&[&hex::encode(&line.apdu_hex)]);
        if line.needs_approval {
            assert!(device.wait_for_prompt(LIMIT));
            device.decide(line.is_accepted());
        }
        assert_eq!(client.receive(), hex::encode(line.answer()), "{line:?}");
        return true;
    }
    false
}

#[test]
fn a_stuck_prompt_is_ended_by_a_power_cut() {
    let device = device(asking());
    let mut client = Client::known(&device);
    client.send(&[AUTHORIZE]);
    assert!(device.wait_for_prompt(LIMIT));
    device.power_cut();
    client.expect_closed();
    device.decide(true);
    Client::known(&device).expect_silence();
}

#[test]
fn a_power_cut_forgets_what_is_selected() {
    let device = device(Config::default());
    assert_eq!(Client::known(&device).exchange(SELECT), "9000");
    device.power_cut();
    assert_eq!(Client::known(&device).exchange(&attestation(20)), "917e");
}

#[test]
fn marks_in_ram_are_lost_with_the_power_but_not_by_leaving_the_app() {
    let in_ram = Config { high_watermark: false, ..Config::default() };
    let device = device(in_ram);
    let attest = |level| {
        let mut client = Client::known(&device);
        assert_eq!(client.exchange(SELECT), "9000");
        let answer = client.exchange(&attestation(level));
        answer[answer.len() - 4..].to_owned()
    };
    assert_eq!(attest(20), "9000");
    assert_eq!(attest(20), "6a80");
    device.power_cut();
    assert_eq!(attest(20), "9000");
    device.quit();
    assert_eq!(attest(20), "6a80");
}

#[test]
fn unplugged_it_serves_nobody_until_it_is_plugged_in() {
    let device = device(Config::default());
    let mut before = Client::known(&device);
    device.unplug();
    before.expect_closed();
    Client::connect(&device).expect_closed();
    device.plug();
    Client::known(&device);
}

#[test]
fn real_latency_takes_its_time() {
    let device = device(Config { latency: Latency::Real, ..Config::default() });
    let mut client = Client::connect(&device);
    let began = Instant::now();
    assert_eq!(client.exchange(SELECT), "9000");
    client.exchange(&attestation(20));
    assert!(began.elapsed() >= Duration::from_millis(465));
}

#[test]
fn shutdown_closes_connections_and_the_port() {
    let device = device(asking());
    let mut client = Client::known(&device);
    client.send(&[AUTHORIZE]);
    assert!(device.wait_for_prompt(LIMIT));
    let address = device.address();
    device.shutdown();
    client.expect_closed();
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn shutdown_does_not_wait_for_a_late_answer() {
    let device = device(Config::default());
    let mut client = Client::known(&device);
    device.inject(Fault::Late(Instruction::AllMarks, Duration::from_secs(3600)));
    client.send(&[ALL_MARKS]);
    assert!(device.wait_for_apdus(2, LIMIT));
    device.shutdown();
    client.expect_closed();
}

#[test]
fn a_frame_too_long_for_an_apdu_ends_the_connection() {
    let device = device(Config::default());
    let mut client = Client::known(&device);
    client.send(&[&"00".repeat(600)]);
    client.expect_closed();
    assert_eq!(Client::known(&device).exchange(VERSION), VERSION_ANSWER);
}
