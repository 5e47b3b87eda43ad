//! A simulated Ledger behind the signer, and everything that can go wrong with it.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use ledger_sim::{Config, Curve, Device, Fault, Instruction, Latency, Path, Setup};

use crate::harness::{
    Daemon, Home, TZ1, TZ1_SECRET, answer, attestation, connect, get, preattestation, send_post,
    sign,
};

/// The simulator's first secp256k1 key.
pub(crate) const TZ2: &str = "tz2Q3U8EbGayZzK2Vwap5JQJFmJEbwURe77o";
/// A port on which no Ledger is.
const NOBODY: &str = "127.0.0.1:1";

pub(crate) fn device(latency: Latency) -> Device {
    let setup = Setup {
        curve: Curve::Secp256k1,
        path: Path::FIRST,
        chain_id: [0x7a, 6, 0xa7, 0x70],
        level: 10,
    };
    let config = Config { latency, setup: Some(setup), ..Config::default() };
    Device::start("127.0.0.1:0".parse().unwrap(), &config).unwrap()
}

fn home(device: &Device) -> Home {
    Home::new()
        .with(&format!("[ledger]\ntransport = \"tcp://{}\"", device.address()))
        .with("[[key]]\nname = \"baker\"\nledger = \"secp256k1/0h/0h\"")
        .with(&format!("public_key_hash = \"{TZ2}\""))
        .with_mark(TZ2, Some(10))
}

pub(crate) fn ready(device: &Device) -> (Home, Daemon) {
    let home = home(device);
    let daemon = home.start();
    daemon.await_ready(TZ2);
    (home, daemon)
}

fn signs(daemon: &Daemon, level: u32) {
    daemon.sign(TZ2, &attestation(level, 1)).signature().unwrap();
}

/// After any fault the signer comes back by itself, and the mark that was used up stays used up.
fn survives(fault: Fault) -> String {
    let device = device(Latency::None);
    let (_home, daemon) = ready(&device);
    device.inject(fault);
    let failed = daemon.sign(TZ2, &attestation(11, 1));
    assert_eq!(failed.status, 500, "a mark was used up: asking again is of no use");
    let repeated = daemon.sign(TZ2, &attestation(11, 1)).signature().unwrap_err();
    assert!(repeated.contains("no answer came"), "{repeated}");
    let different = daemon.sign(TZ2, &attestation(11, 2)).signature().unwrap_err();
    assert!(different.contains("already signed with different data"), "{different}");
    daemon.await_ready(TZ2);
    signs(&daemon, 12);
    failed.text()
}

/// After a partial list a gateway would refuse the missing keys.
#[test]
fn which_keys_there_are_is_said_when_all_are_known() {
    let known = |transport: &str| {
        let daemon = Home::new()
            .with("allow_list_known_keys = true")
            .with(&format!("[ledger]\ntransport = \"tcp://{transport}\""))
            .with("[[key]]\nname = \"baker\"\nledger = \"secp256k1/0h/0h\"")
            .with_key("software", TZ1_SECRET)
            .with_mark(TZ1, None)
            .with_mark(TZ2, Some(10))
            .start();
        if transport != NOBODY {
            daemon.await_ready(TZ2);
        }
        get(daemon.http, "/known_keys")
    };
    assert_eq!(known(NOBODY).status, 502);
    let answer = known(&device(Latency::None).address().to_string());
    assert!(answer.text().contains(TZ1) && answer.text().contains(TZ2), "{}", answer.text());
}

#[test]
fn a_disconnect_in_any_phase_is_survived() {
    survives(Fault::DisconnectBefore(Instruction::SignWithHash));
    survives(Fault::DisconnectAfter(Instruction::SignWithHash));
}

/// Nothing was signed, no mark was used up, and the vote is signed when it is asked for again.
#[test]
fn what_fails_before_the_bytes_are_sent_moves_no_mark() {
    let faults = [
        Fault::DisconnectBefore(Instruction::Select),
        Fault::DisconnectAfter(Instruction::Select),
        Fault::Status(Instruction::Select, 0x6f00),
        Fault::Garbage(Instruction::Select),
    ];
    for fault in faults {
        let device = device(Latency::None);
        let (_home, daemon) = ready(&device);
        device.inject(fault.clone());
        assert_eq!(daemon.sign(TZ2, &attestation(11, 1)).status, 502, "{fault:?}");
        daemon.await_ready(TZ2);
        // Also other bytes: the first ones never came to the device.
        daemon.sign(TZ2, &attestation(11, 2)).signature().unwrap();
    }
}

#[test]
fn a_no_of_the_device_is_its_answer_also_to_a_repeat() {
    let device = device(Latency::None);
    let (_home, daemon) = ready(&device);
    signs(&daemon, 20);
    for _ in 0..2 {
        let answer = daemon.sign(TZ2, &preattestation(15, 1)).signature().unwrap_err();
        assert!(answer.contains("not above the mark on the device"), "{answer}");
    }
    let other = daemon.sign(TZ2, &preattestation(15, 2)).signature().unwrap_err();
    assert!(other.contains("already signed with different data"), "{other}");
}

/// As when another key was authorised, and then this one again.
#[test]
fn after_not_authorised_and_a_new_setup_the_same_bytes_are_signed() {
    let device = device(Latency::None);
    let (_home, daemon) = ready(&device);
    device.inject(Fault::Status(Instruction::SignWithHash, 0x6982));
    let answer = daemon.sign(TZ2, &attestation(11, 1));
    assert!(answer.text().contains("not authorised"), "{}", answer.text());
    daemon.await_ready(TZ2);
    let other = daemon.sign(TZ2, &attestation(11, 2)).signature().unwrap_err();
    assert!(other.contains("already signed with different data"), "{other}");
    signs(&daemon, 11);
}

#[test]
fn an_answer_after_the_time_out_is_survived() {
    let text = survives(Fault::Late(Instruction::SignWithHash, Duration::from_millis(3300)));
    assert!(text.contains("did not answer"), "{text}");
}

#[test]
fn a_wrong_signature_is_thrown_away() {
    let text = survives(Fault::WrongSignature);
    assert!(text.contains("does not verify"), "{text}");
}

#[test]
fn garbage_and_lies_about_length_are_survived() {
    survives(Fault::Garbage(Instruction::SignWithHash));
    survives(Fault::BrokenFrame(Instruction::SignWithHash));
    survives(Fault::Status(Instruction::SignWithHash, 0x1234));
}

#[test]
fn it_starts_without_a_device_and_finds_it_when_it_comes() {
    let device = device(Latency::None);
    device.unplug();
    let daemon = home(&device).start();
    let answer = daemon.sign(TZ2, &attestation(11, 1));
    assert_eq!(answer.status, 502, "nobody could be asked: {}", answer.text());
    assert!(answer.text().contains("device absent"), "{}", answer.text());
    device.plug();
    daemon.await_ready(TZ2);
    signs(&daemon, 11);
}

#[test]
fn an_unplugged_device_is_found_again() {
    let device = device(Latency::None);
    let (_home, daemon) = ready(&device);
    signs(&daemon, 11);
    device.unplug();
    daemon.await_status(TZ2, |answer| answer.status == 503 && answer.text().contains("absent"));
    assert_eq!(daemon.sign(TZ2, &attestation(12, 1)).status, 502, "no mark was used up");
    device.plug();
    daemon.await_ready(TZ2);
    signs(&daemon, 12);
}

/// The state that `/statusz`, the answer and the readiness show while `fault` lasts.
fn shows(fault: Fault, words: &str) {
    let device = device(Latency::None);
    let (_home, daemon) = ready(&device);
    device.inject(fault);
    daemon.await_status(TZ2, |answer| answer.status == 503);
    let answer = daemon.sign(TZ2, &attestation(11, 1));
    assert_eq!(answer.status, 500, "{}", answer.text());
    assert!(answer.text().contains(words), "{words:?} is not in {}", answer.text());
    device.plug();
    daemon.await_ready(TZ2);
    signs(&daemon, 11);
}

#[test]
fn a_locked_device_is_named() {
    shows(Fault::Locked, "enter the PIN");
}

#[test]
fn another_app_is_named() {
    shows(Fault::OtherApp("Tezos Wallet".to_owned()), "device in another app");
}

#[test]
fn a_device_that_is_not_authorised_is_named_and_signs_when_it_is() {
    let device = Device::start("127.0.0.1:0".parse().unwrap(), &Config::default()).unwrap();
    let daemon = home(&device).start();
    daemon.await_status(TZ2, |answer| answer.text().contains("not authorised"));
    let answer = daemon.sign(TZ2, &attestation(11, 1)).signature().unwrap_err();
    assert!(answer.contains("peel ledger setup secp256k1/0h/0h"), "{answer}");
}

#[test]
fn another_seed_is_named() {
    let words = "abandon ".repeat(11) + "about";
    let device = Device::start(
        "127.0.0.1:0".parse().unwrap(),
        &Config { mnemonic: words, ..Config::default() },
    )
    .unwrap();
    let daemon = home(&device).start();
    daemon.await_status(TZ2, |answer| answer.text().contains("another seed"));
    assert_eq!(daemon.sign(TZ2, &attestation(11, 1)).status, 500);
}

#[test]
fn the_devices_own_mark_is_a_refusal() {
    let device = device(Latency::None);
    let home = home(&device);
    let daemon = home.start();
    daemon.await_ready(TZ2);
    signs(&daemon, 20);
    // Below the device's mark of all kinds, above ours of this kind.
    let answer = daemon.sign(TZ2, &preattestation(15, 1)).signature().unwrap_err();
    assert!(answer.contains("not above the mark on the device"), "{answer}");
    signs(&daemon, 21);
}

#[test]
fn a_hundred_identical_requests_are_one_signature_on_the_device() {
    let device = device(Latency::Real);
    let (_home, daemon) = ready(&device);
    let before = device.signatures();
    let answers: Vec<String> = std::thread::scope(|scope| {
        let ask = || sign(daemon.http, TZ2, &attestation(11, 1)).signature().unwrap();
        let asking: Vec<_> = (0..100).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|answer| Some(answer) == answers.first()));
    assert_eq!(device.signatures() - before, 1);
}

/// The one that the device has to sign last comes first.
#[test]
fn both_votes_at_once_are_signed_in_the_order_of_the_device() {
    let device = device(Latency::Real);
    let (_home, daemon) = ready(&device);
    for level in 11..17 {
        // Nothing but two writes is between the two.
        let votes = [attestation(level, 1), preattestation(level, 1)];
        let votes = votes.map(|vote| (connect(daemon.http), vote));
        let path = format!("/keys/{TZ2}");
        let asked = votes.map(|(stream, vote)| send_post(stream, &path, &vote));
        asked.into_iter().for_each(|one| drop(answer(one).signature().unwrap()));
    }
}

#[test]
fn the_public_key_is_known_as_soon_as_the_device_is() {
    let device = device(Latency::None);
    let (_home, daemon) = ready(&device);
    let answer = get(daemon.http, &format!("/keys/{TZ2}"));
    assert!(answer.text().contains("sppk7ZntgM6x2Z3MyxARtAJXLF6d74nLApU5Awt9nsFjJZFqaRFddqG"));
}

/// A key whose hash is not known yet may be the one that is asked for.
#[test]
fn before_the_device_is_seen_an_unknown_key_may_be_asked_for_again() {
    let device = device(Latency::None);
    device.unplug();
    let home = home(&device);
    let home =
        Home { text: home.text.replace(&format!("public_key_hash = \"{TZ2}\""), ""), ..home };
    let daemon = home.start();
    assert_eq!(daemon.sign(TZ2, &attestation(11, 1)).status, 502);
    assert_eq!(get(daemon.http, &format!("/keys/{TZ2}")).status, 502);
    device.plug();
    daemon.await_ready(TZ2);
    signs(&daemon, 11);
    let unknown = "tz1ddb9NMYHZi5UzPdzTZMYQQZoMub195zgv";
    assert_eq!(daemon.sign(unknown, &attestation(11, 1)).status, 500);
}

/// Levels from 2^30 on are refused by the app: no mark may be used up for them.
#[test]
fn what_the_app_cannot_sign_moves_no_mark() {
    let device = device(Latency::None);
    let home = home(&device).with("[level_bound]\nmargin = 2000000000");
    let daemon = home.start();
    daemon.await_ready(TZ2);
    let refused = daemon.sign(TZ2, &attestation(1 << 30, 1)).signature().unwrap_err();
    assert!(refused.contains("2^30"), "{refused}");
    signs(&daemon, 11);
}

#[test]
fn the_wallet_app_is_another_app_and_not_a_broken_one() {
    let device = device(Latency::None);
    let (_home, daemon) = ready(&device);
    device.inject(Fault::OtherApp("Tezos Wallet".to_owned()));
    daemon.await_status(TZ2, |answer| answer.text().contains("Tezos Wallet"));
}

/// Another program's prompt is up: everything is dropped until it is answered.
#[test]
fn a_stuck_prompt_is_named_and_survived() {
    let setup = Setup {
        curve: Curve::Secp256k1,
        path: Path::FIRST,
        chain_id: [0x7a, 6, 0xa7, 0x70],
        level: 10,
    };
    let config =
        Config { approval: ledger_sim::Approval::Ask, setup: Some(setup), ..Config::default() };
    let device = Device::start("127.0.0.1:0".parse().unwrap(), &config).unwrap();
    let (_home, daemon) = ready(&device);
    let mut other = TcpStream::connect(device.address()).unwrap();
    let show = hex::decode("000000168003000111048000002c800006c18000000080000000").unwrap();
    other.write_all(&show).unwrap();
    assert!(device.wait_for_prompt(Duration::from_secs(10)));
    daemon.await_status(TZ2, |answer| answer.status == 503);
    let refused = daemon.sign(TZ2, &attestation(11, 1));
    assert_eq!(refused.status, 502, "no mark was used up: {}", refused.text());
    assert!(refused.text().contains("look at its screen"), "{}", refused.text());
    device.decide(false);
    drop(other);
    daemon.await_ready(TZ2);
    signs(&daemon, 11);
}

/// What "device not authorised" advises: the prompt may be up as long as a person needs.
#[test]
fn a_setup_beside_a_running_signer_is_waited_for() {
    let config = Config { approval: ledger_sim::Approval::Ask, ..Config::default() };
    let device = Device::start("127.0.0.1:0".parse().unwrap(), &config).unwrap();
    let daemon = home(&device).start();
    daemon.await_status(TZ2, |answer| answer.text().contains("peel ledger setup"));
    let address = ledger::Address::Tcp(device.address());
    let setup = std::thread::spawn(move || {
        let found = ledger::find(address).unwrap().remove(0);
        let transport = loop {
            match ledger::open(&found) {
                Ok(transport) => break transport,
                Err(error) => assert!(matches!(error, ledger::TransportError::InUse(_)), "{error}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let mut app = ledger::BakingApp::new(transport).unwrap();
        let (path, level) = ("secp256k1/0h/0h".parse().unwrap(), 10.try_into().unwrap());
        app.setup(&path, tezos::ChainId::MAINNET, level, level).unwrap();
    });
    assert!(device.wait_for_prompt(Duration::from_secs(10)));
    daemon.await_status(TZ2, |answer| {
        assert!(!answer.text().contains("absent"), "{}", answer.text());
        answer.text().contains("device busy") && answer.text().contains("in use")
    });
    device.decide(true);
    setup.join().unwrap();
    daemon.await_status(TZ2, |answer| {
        assert!(!answer.text().contains("absent"), "{}", answer.text());
        answer.status == 200
    });
    signs(&daemon, 11);
}

/// Each vote would be refused: "it can sign" would be a lie.
#[test]
fn a_device_whose_own_mark_is_above_the_store_is_not_ready() {
    let setup = Setup {
        curve: Curve::Secp256k1,
        path: Path::FIRST,
        chain_id: [0x7a, 6, 0xa7, 0x70],
        level: 200,
    };
    let config = Config { latency: Latency::None, setup: Some(setup), ..Config::default() };
    let device = Device::start("127.0.0.1:0".parse().unwrap(), &config).unwrap();
    let daemon = home(&device).start();
    daemon.await_status(TZ2, |answer| {
        answer.status == 503 && answer.text().contains("own high watermark is 200")
    });
    assert!(daemon.sign(TZ2, &attestation(150, 1)).signature().is_err());
    // The chain is beyond it after all.
    signs(&daemon, 201);
    daemon.await_ready(TZ2);
}

#[test]
fn a_key_without_a_watermark_is_not_ready() {
    let daemon = Home::new().with_key("software", TZ1_SECRET).with_mark(TZ2, Some(10)).start();
    daemon.await_status(TZ1, |answer| {
        answer.status == 503 && answer.text().contains("peel watermark init")
    });
}
