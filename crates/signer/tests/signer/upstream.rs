//! A key that is another signer's: here, another Peel.

use crate::harness::{Daemon, Home, TZ1, TZ1_SECRET, attestation};

fn elsewhere() -> (Home, Daemon) {
    let home = Home::new().with_key("baker", TZ1_SECRET).with_mark(TZ1, Some(9));
    let daemon = home.start();
    (home, daemon)
}

fn in_front_of(other: &Daemon) -> Daemon {
    Home::new()
        .with(&format!("[[key]]\nname = \"elsewhere\"\nupstream = \"http://{}/{TZ1}\"", other.http))
        .with_mark(TZ1, Some(9))
        .start()
}

#[test]
fn its_signature_is_checked_and_handed_on() {
    let (_home, other) = elsewhere();
    let front = in_front_of(&other);
    front.await_ready(TZ1);
    let made = front.sign(TZ1, &attestation(10, 1)).signature().unwrap();
    assert_eq!(made, other.sign(TZ1, &attestation(10, 1)).signature().unwrap());
    let refused = front.sign(TZ1, &attestation(10, 2)).signature().unwrap_err();
    assert!(refused.contains("already signed with different data"), "{refused}");
}

#[test]
fn its_refusal_is_handed_on_in_its_words() {
    let (_home, other) = elsewhere();
    other.sign(TZ1, &attestation(20, 1)).signature().unwrap();
    let front = in_front_of(&other);
    front.await_ready(TZ1);
    let refused = front.sign(TZ1, &attestation(15, 1));
    assert_eq!(refused.status, 500);
    assert!(refused.text().contains("not above high watermark"), "{}", refused.text());
}

#[test]
fn when_it_is_gone_nobody_could_be_asked() {
    let (_home, other) = elsewhere();
    let front = in_front_of(&other);
    front.await_ready(TZ1);
    other.stop().unwrap();
    front.await_status(TZ1, |answer| answer.status == 503);
    assert_eq!(front.sign(TZ1, &attestation(10, 1)).status, 502, "no mark was used up");
}
