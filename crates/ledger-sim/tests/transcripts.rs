//! Every recording of the real app, replayed: the same status words, keys and signatures.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]
#![expect(clippy::indexing_slicing, reason = "a test may fail")]
#![expect(dead_code, reason = "the tests share the recordings' fields")]

mod recording;

use std::collections::BTreeSet;

use ledger_sim::{App, Approval, Config, Outcome};
use recording::{Line, folder, transcript, unhex};

/// A test for each file, and the list of them; in brackets, how many exchanges it compares.
macro_rules! transcripts {
    ($($test:ident: $file:literal [$exchanges:literal];)*) => {
        $(#[test] fn $test() { assert_eq!(replay($file), $exchanges); })*
        const REPLAYED: &[&str] = &[$($file),*];
    };
}

transcripts! {
    info: "01_info" [13];
    public_keys: "02_pubkeys" [82];
    authorize: "03_authorize" [33];
    setup_and_reset: "04_setup_reset" [45];
    sign_with_bip32_ed25519: "05_sign_bip32-ed25519" [36];
    sign_with_bls: "05_sign_bls12-381" [36];
    sign_with_ed25519: "05_sign_ed25519" [36];
    sign_with_secp256k1: "05_sign_secp256k1" [36];
    sign_with_secp256r1: "05_sign_secp256r1" [36];
    marks_matrix: "06_hwm_matrix" [226];
    marks_in_corner_cases: "07_hwm_misc" [44];
    marks_with_main_chain_zero: "07b_hwm_main_chain_zero" [9];
    reveal_lowers_the_round_of_every_chain: "07c_reveal_resets_round_chain_zero" [14];
    reveal_lowers_the_round_of_other_chains: "07d_reveal_resets_round_mainnet" [14];
    delegation_lowers_the_round: "07e_delegation_resets_round" [8];
    keys_not_authorized: "08_unauthorized" [42];
    operations_with_bip32_ed25519: "09_manager_ops_bip32-ed25519" [60];
    operations_with_bls: "09_manager_ops_bls12-381" [60];
    operations_with_ed25519: "09_manager_ops_ed25519" [60];
    operations_with_secp256k1: "09_manager_ops_secp256k1" [60];
    operations_with_secp256r1: "09_manager_ops_secp256r1" [60];
    malformed: "10_malformed" [120];
    a_second_apdu_while_a_prompt_is_up: "11_second_prompt" [35];
    power_cut_with_marks_in_flash: "12a_hwm_enabled_power_cut" [13];
    power_cut_with_marks_in_ram: "12b_hwm_disabled_power_cut" [13];
    quit_with_marks_in_ram: "12c_hwm_disabled_quit" [9];
    power_cut_after_authorizing_in_ram: "12d_hwm_disabled_authorize" [18];
    hmac: "13_hmac" [35];
    bls: "14_bls" [32];
    bench: "16_bench" [5];
    screens: "17_ui" [3];
}

/// Replayed over TCP, in `tests/connections.rs`: they are about connections.
const OVER_TCP: &[&str] = &["11b_reconnect_during_prompt", "11c_two_connections", "11d_pipelining"];

#[test]
fn every_transcript_is_replayed() {
    let replayed = REPLAYED.iter().chain(OVER_TCP).map(|name| format!("{name}.jsonl"));
    let files = folder().join("transcripts").read_dir().unwrap();
    let recorded = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    assert_eq!(replayed.collect::<BTreeSet<_>>(), recorded.collect());
}

/// Replays a transcript on a fresh device and says how many exchanges it compared.
fn replay(name: &str) -> usize {
    let config = Config { approval: Approval::Ask, ..Config::default() };
    let mut app = App::new(&config).unwrap();
    transcript(name).iter().map(|line| step(&mut app, line)).sum()
}

fn step(app: &mut App, line: &Line) -> usize {
    if line.first_apdu.is_some() {
        second_apdu(app, line);
    } else if line.is_note() {
        return note(app, line);
    } else {
        let answer = exchange(app, &line.apdu_hex, line);
        assert_eq!(hex::encode(answer), hex::encode(line.answer()), "{line:?}");
    }
    1
}

/// Sends an APDU and decides as the recording did; a prompt comes up exactly if it did there.
fn exchange(app: &mut App, apdu: &[u8], line: &Line) -> Vec<u8> {
    match app.handle(apdu) {
        Outcome::Answer { bytes, .. } if !line.needs_approval => bytes,
        Outcome::Prompt(_) if line.needs_approval => app.decide(line.is_accepted()).unwrap(),
        unlike @ (Outcome::Answer { .. } | Outcome::Prompt(_) | Outcome::Dropped) => {
            panic!("{unlike:?} at {line:?}")
        }
    }
}

/// While the first APDU's prompt is up the second is dropped; only the first is answered.
fn second_apdu(app: &mut App, line: &Line) {
    let first = unhex(line.first_apdu.as_deref().unwrap());
    let second = unhex(line.second_apdu.as_deref().unwrap());
    assert!(matches!(app.handle(&first), Outcome::Prompt(_)), "{line:?}");
    assert_eq!(app.handle(&second), Outcome::Dropped, "{line:?}");
    let answers = line.answers_after_decision.as_ref().unwrap();
    assert_eq!(answers.len(), 1);
    assert_eq!(app.decide(line.is_accepted()), Some(unhex(&answers[0])), "{line:?}");
    assert_eq!(app.decide(true), None);
}

/// Does what a note tells was done to the device.
fn note(app: &mut App, line: &Line) -> usize {
    match line.name.as_str() {
        "toggle HWM setting" => app.set_high_watermark(false),
        "power cut" | "restarted" => app.power_cut(),
        "quit" => app.quit(),
        "raw " => assert_eq!(app.handle(&[]), Outcome::Dropped),
        name if name.starts_with("restarted after") => app.power_cut(),
        "_session"
        | "bench"
        | "had_preattestation across RESET"
        | "screen home"
        | "screen"
        | "setting after restart" => {}
        name if name.starts_with("home screens") => {}
        _ => panic!("what to do with {line:?}?"),
    }
    0
}
