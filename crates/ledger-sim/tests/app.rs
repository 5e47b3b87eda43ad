//! The app's traits that no recording shows: they follow from its source, or are the simulation's.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use std::time::Duration;

use ledger_sim::{App, Approval, Config, ConfigError, Curve, Outcome, Path, Setup};

const MAINNET: [u8; 4] = [0x7a, 0x06, 0xa7, 0x70];

fn set_up(curve: Curve) -> App {
    let setup = Setup { curve, path: Path::FIRST, chain_id: MAINNET, level: 10 };
    App::new(&Config { setup: Some(setup), ..Config::default() }).unwrap()
}

fn exchange(app: &mut App, apdu: &str) -> (String, Duration) {
    match app.handle(&hex::decode(apdu).unwrap()) {
        Outcome::Answer { bytes, took } => (hex::encode(bytes), took),
        other @ (Outcome::Prompt(_) | Outcome::Dropped) => panic!("{other:?}"),
    }
}

fn answer(app: &mut App, apdu: &str) -> String {
    exchange(app, apdu).0
}

fn select(curve: Curve) -> String {
    format!("800400{:02x}11048000002c800006c18000000080000000", curve as u8)
}

fn attestation(level: u32) -> String {
    let (branch, payload) = ("00".repeat(32), "11".repeat(32));
    format!("8004810050137a06a770{branch}150000{level:08x}00000000{payload}")
}

#[test]
fn a_setup_in_the_configuration_is_in_force_at_once_and_survives_a_power_cut() {
    let mut app = set_up(Curve::Secp256k1);
    for _ in 0..2 {
        assert_eq!(answer(&mut app, "800d000000"), "01048000002c800006c180000000800000009000");
        assert_eq!(answer(&mut app, "800b000000"), "0000000a000000000000000a000000007a06a7709000");
        app.power_cut();
    }
}

#[test]
fn a_setup_for_a_key_that_the_app_cannot_have_is_an_error() {
    for path in ["44'/1'/0'/0'", "44'/1729'/0/0"] {
        let path = path.parse().unwrap();
        let setup = Setup { curve: Curve::Ed25519, path, chain_id: MAINNET, level: 0 };
        let made = App::new(&Config { setup: Some(setup), ..Config::default() });
        assert!(matches!(made, Err(ConfigError::Setup(_))), "{path}");
    }
}

#[test]
fn a_rejecting_person_rejects() {
    let config = Config { approval: Approval::Reject, ..Config::default() };
    let mut app = App::new(&config).unwrap();
    assert_eq!(answer(&mut app, "800600000400000032"), "6985");
    assert!(!app.is_prompting());
}

#[test]
fn select_and_sign_together_take_as_long_as_one_signature() {
    let measured = [
        (Curve::Ed25519, 465),
        (Curve::Secp256k1, 229),
        (Curve::Secp256r1, 226),
        (Curve::Bip32Ed25519, 787),
    ];
    for (curve, milliseconds) in measured {
        let mut app = set_up(curve);
        let (_, selecting) = exchange(&mut app, &select(curve));
        let (_, signing) = exchange(&mut app, &attestation(20));
        assert_eq!(selecting + signing, Duration::from_millis(milliseconds), "{curve:?}");
    }
}

#[test]
fn a_refusal_is_quick_and_no_signature() {
    let mut app = set_up(Curve::Ed25519);
    answer(&mut app, &select(Curve::Ed25519));
    let (refused, took) = exchange(&mut app, &attestation(1));
    assert_eq!((refused.as_str(), app.signatures()), ("6a80", 0));
    assert!(took < Duration::from_millis(5));
}

/// `packet_index` shares its memory with what "setup" and "reset" read; a select clears it.
#[test]
fn after_a_reset_only_a_select_makes_it_sign() {
    let mut app = set_up(Curve::Ed25519);
    assert_eq!(answer(&mut app, &select(Curve::Ed25519)), "9000");
    assert_eq!(answer(&mut app, "800600000400000005"), "9000");
    assert_eq!(answer(&mut app, &attestation(20)), "9405");
    assert_eq!(answer(&mut app, &select(Curve::Ed25519)), "9000");
    assert!(answer(&mut app, &attestation(20)).ends_with("9000"));
}

#[test]
fn another_mnemonic_is_another_key() {
    let config = Config { mnemonic: "abandon ".repeat(11) + "about", ..Config::default() };
    let mut other = App::new(&config).unwrap();
    let mut app = App::new(&Config::default()).unwrap();
    let public_key = "8002000111048000002c800006c18000000080000000";
    assert_ne!(answer(&mut app, public_key), answer(&mut other, public_key));
}

/// Bytes of trials with the real app: for a reveal it holds against the marks what others left in memory.
mod a_reveal_moves_a_mark_by {
    use super::*;

    const KEY: &str = "048000002c800006c18000000080000000";
    const REVEAL: &str = "5c03000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f6b004035f49a9d068f\
852084ddf642835bbfdd4ff68100000000001dbfcc527042205a12508a62f37a72080e512c9338a9e7db\
                          3adeb6cae73e3ca5";

    fn app() -> App {
        App::new(&Config::default()).unwrap()
    }

    fn setup(app: &mut App, chain: &str, main: u32, test: u32) {
        let answer = answer(app, &format!("800a00001d{chain}{main:08x}{test:08x}{KEY}"));
        assert!(answer.ends_with("9000"), "{answer}");
    }

    fn reveal(app: &mut App) {
        let answer = answer(app, &format!("80048100{REVEAL}"));
        assert!(answer.ends_with("9000"), "{answer}");
    }

    #[test]
    fn the_levels_of_a_setup() {
        let mut app = app();
        setup(&mut app, "00000000", 5, 1);
        reveal(&mut app);
        answer(&mut app, &select(Curve::Ed25519));
        assert_eq!(answer(&mut app, &attestation(5)), "6a80");
    }

    #[test]
    fn a_message_that_was_not_finished() {
        let mut app = app();
        setup(&mut app, "7a06a770", 100, 100);
        answer(&mut app, &select(Curve::Ed25519));
        let begun = attestation(1500).replace("8004810050", "8004010050");
        let begun = begun.replace("000005dc00000000", "000005dc00000003");
        assert_eq!(answer(&mut app, &begun), "9000");
        assert_eq!(answer(&mut app, "800600000400000100"), "9000");
        reveal(&mut app);
        let marks = answer(&mut app, "800b000000");
        assert!(marks.starts_with("000005dc00000003"), "{marks}");
    }

    #[test]
    fn the_signature_of_an_hmac() {
        let mut app = app();
        assert!(answer(&mut app, &format!("800e000111{KEY}")).ends_with("9000"));
        setup(&mut app, "deadbe00", 100, 100);
        reveal(&mut app);
        let marks = answer(&mut app, "800b000000");
        assert!(marks.ends_with("fa44c61cdeadbe009000"), "{marks}");
    }
}
