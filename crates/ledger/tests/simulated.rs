//! The app in software behind its TCP port, and everything that goes wrong in between.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use ledger::{
    Address, BakingApp, KeyPath, LedgerError, Meaning, StatusWord, TransportError, find, open,
};
use ledger_sim::{Approval, Config, Curve, Device, Fault, Instruction, Path, Setup};
use tezos::{BlsScheme, ChainId, Kind, Level, sample_payload};

fn device(approval: Approval) -> Device {
    let setup = Setup {
        curve: Curve::Secp256k1,
        path: Path::FIRST,
        chain_id: ChainId::MAINNET.to_bytes(),
        level: 10,
    };
    let config = Config { approval, setup: Some(setup), ..Config::default() };
    Device::start("127.0.0.1:0".parse().unwrap(), &config).unwrap()
}

fn connect(device: &Device) -> Result<BakingApp, LedgerError> {
    let found = find(Address::Tcp(device.address())).unwrap();
    BakingApp::new(open(found.first().unwrap())?)
}

fn path() -> KeyPath {
    "secp256k1/0h/0h".parse().unwrap()
}

fn attestation(level: u32) -> Vec<u8> {
    sample_payload(Kind::Attestation, level, 0, 7)
}

#[test]
fn it_signs_what_verifies() {
    let device = device(Approval::Accept);
    let mut app = connect(&device).unwrap();
    let key = app.public_key(&path()).unwrap();
    let signature = app.sign(&path(), &attestation(11)).unwrap();
    assert!(key.verifies(&attestation(11), &signature, BlsScheme::default()));
    assert_eq!(app.marks().unwrap().main.level, Level::try_from(11_i64).unwrap());
}

#[test]
fn another_keys_public_key_in_between_does_not_move_the_selection() {
    let device = device(Approval::Accept);
    let mut app = connect(&device).unwrap();
    app.public_key(&"secp256k1/0h/1h".parse().unwrap()).unwrap();
    app.sign(&path(), &attestation(11)).unwrap();
}

#[test]
fn the_devices_own_mark_is_a_refusal() {
    let device = device(Approval::Accept);
    let mut app = connect(&device).unwrap();
    let Err(LedgerError::Status { status, .. }) = app.sign(&path(), &attestation(9)) else {
        unreachable!("it signed");
    };
    assert_eq!(status.meaning(), Meaning::RefusedByMark);
    app.sign(&path(), &attestation(11)).unwrap();
}

#[test]
fn setup_and_marks() {
    let device = device(Approval::Accept);
    let mut app = connect(&device).unwrap();
    let other: KeyPath = "ed25519/0h/0h".parse().unwrap();
    let level = |number: i64| Level::try_from(number).unwrap();
    app.setup(&other, ChainId::MAINNET, level(500), level(7)).unwrap();
    assert_eq!(app.authorized_key().unwrap(), Some(other));
    let marks = app.marks().unwrap();
    assert_eq!((marks.main.level, marks.other.level), (level(500), level(7)));
    app.reset_marks(level(20)).unwrap();
    assert_eq!(app.marks().unwrap().main.level, level(20));
    app.deauthorize().unwrap();
    assert_eq!(app.authorized_key().unwrap(), None);
    assert_eq!(app.version().unwrap().to_string(), "2.5.1");
    assert_eq!(app.running_app().unwrap().name, "Tezos Baking");
    assert!(app.build().unwrap().starts_with("v2.4"));
}

#[test]
fn a_person_who_says_no_is_heard() {
    let device = device(Approval::Reject);
    let mut app = connect(&device).unwrap();
    let Err(LedgerError::Status { status, .. }) = app.show_public_key(&path()) else {
        unreachable!("it was shown");
    };
    assert_eq!(status.meaning(), Meaning::RejectedByPerson);
}

/// Signs with `fault` in the way, and once more on a new connection.
fn sign_through(fault: Fault) -> LedgerError {
    let device = device(Approval::Accept);
    let mut app = connect(&device).unwrap();
    device.inject(fault);
    let error = app.sign(&path(), &attestation(11)).unwrap_err();
    assert!(!error.is_answer(), "{error}: the connection must be given up");
    drop(app);
    connect(&device).unwrap().sign(&path(), &attestation(12)).unwrap();
    error
}

#[test]
fn a_broken_connection_is_opened_again_in_every_phase() {
    for instruction in [Instruction::Select, Instruction::SignWithHash] {
        for fault in [Fault::DisconnectBefore(instruction), Fault::DisconnectAfter(instruction)] {
            let error = sign_through(fault);
            assert!(matches!(error, LedgerError::Transport(TransportError::Broken(_))), "{error}");
        }
    }
}

#[test]
fn an_answer_after_the_time_out_is_no_answer_to_the_next_question() {
    let late = Fault::Late(Instruction::SignWithHash, Duration::from_millis(3500));
    let error = sign_through(late);
    assert!(matches!(error, LedgerError::Transport(TransportError::Silent(_))), "{error}");
}

#[test]
fn garbage_is_not_a_signature() {
    for _ in 0..8 {
        let device = device(Approval::Accept);
        let mut app = connect(&device).unwrap();
        device.inject(Fault::Garbage(Instruction::SignWithHash));
        app.sign(&path(), &attestation(11)).unwrap_err();
    }
}

#[test]
fn a_length_that_lies_is_garbage() {
    let error = sign_through(Fault::BrokenFrame(Instruction::SignWithHash));
    assert!(matches!(error, LedgerError::Transport(TransportError::Garbage(_))), "{error}");
}

#[test]
fn every_state_has_its_word() {
    let device = device(Approval::Accept);
    let meaning = |app: &mut BakingApp| match app.sign(&path(), &attestation(11)) {
        Err(LedgerError::Status { status, .. } | LedgerError::NotSelected(status)) => {
            status.meaning()
        }
        other => unreachable!("{other:?}"),
    };
    let mut app = connect(&device).unwrap();
    device.inject(Fault::Locked);
    assert_eq!(meaning(&mut app), Meaning::Locked);
    device.plug();
    device.inject(Fault::OtherApp("Tezos Wallet".to_owned()));
    assert_eq!(meaning(&mut app), Meaning::OtherApp);
    assert_eq!(app.running_app().unwrap().name, "Tezos Wallet");
    device.plug();
    app.deauthorize().unwrap();
    assert_eq!(meaning(&mut app), Meaning::NotAuthorized);
    assert_eq!(StatusWord(0x1234).meaning(), Meaning::Unknown);
    device.unplug();
    assert!(!app.sign(&path(), &attestation(11)).unwrap_err().is_answer());
    let twice = connect(&device).err().unwrap();
    assert!(matches!(twice, LedgerError::Transport(TransportError::InUse(_))), "{twice}");
    drop(app);
    assert!(connect(&device).is_err());
    device.plug();
    connect(&device).unwrap();
}

#[test]
fn a_stuck_prompt_ends_in_silence_and_its_answer_pairs_with_nothing() {
    let device = device(Approval::Ask);
    let found = find(Address::Tcp(device.address())).unwrap();
    let mut raw = open(found.first().unwrap()).unwrap();
    // A prompt that nobody answers, asked on a connection that is given up.
    let show = hex::decode("8003000111048000002c800006c18000000080000000").unwrap();
    raw.send(&show, Duration::from_secs(1)).unwrap();
    assert!(device.wait_for_prompt(Duration::from_secs(5)));
    drop(raw);
    assert!(connect(&device).is_err(), "everything is dropped while the prompt is up");
    let mut late = TcpStream::connect(device.address()).unwrap();
    late.write_all(&hex::decode("00000005b001000000").unwrap()).unwrap();
    device.decide(true);
    let mut app = connect(&device).unwrap();
    assert_eq!(app.running_app().unwrap().name, "Tezos Baking");
}

#[test]
fn nobody_there_is_absent() {
    let device = device(Approval::Accept);
    let address = device.address();
    device.shutdown();
    let found = find(Address::Tcp(address)).unwrap();
    let error = open(found.first().unwrap()).err().unwrap();
    assert!(matches!(error, TransportError::Absent(_)));
}
