//! A payout key on the box: operations of the kinds that are named, and nothing round them.

use serde_json::Value;
use tezos::{BlsScheme, PublicKey, SecretKey, Signature};

use crate::device_faults;
use crate::harness::{self, Daemon, Home, TZ1, TZ1_SECRET, attestation, get};

fn home(allow: &str) -> Home {
    Home::new()
        .with_key("payouts", TZ1_SECRET)
        .with(&format!("allow = {allow}"))
        .with_mark(TZ1, Some(99))
        .with("[monitor]\nlisten = \"127.0.0.1:0\"")
}

/// An operation of the vectors.
fn operation(id: &str) -> Vec<u8> {
    let cases = harness::vectors("payloads.json");
    let case = cases.iter().find(|case| case["id"] == id).unwrap();
    hex::decode(case["payload"].as_str().unwrap()).unwrap()
}

fn signs(daemon: &Daemon, id: &str) {
    let bytes = operation(id);
    let made: Signature = daemon.sign(TZ1, &bytes).signature().unwrap().parse().unwrap();
    let key: PublicKey = SecretKey::from_base58(TZ1_SECRET).unwrap().public_key().clone();
    assert!(key.verifies(&bytes, &made, BlsScheme::default()), "{id}");
}

fn refusal(daemon: &Daemon, id: &str) -> String {
    daemon.sign(TZ1, &operation(id)).signature().unwrap_err()
}

#[test]
fn only_the_kinds_that_are_named_are_signed() {
    let daemon =
        home(r#"["reveal", "transaction", "delegation", "ballot", "update_consensus_key"]"#)
            .start();
    for id in [
        "reveal-tz1",
        "transfer",
        "stake",
        "call-named",
        "batch-reveal-transfer",
        "batch-100-transfers",
    ] {
        signs(&daemon, &format!("synth-op-{id}"));
    }
    for id in ["delegation-self", "undelegation", "ballot-yay", "update-consensus-key-tz4"] {
        signs(&daemon, &format!("synth-op-{id}"));
    }
    for (id, why) in [
        ("proposals", "kind proposals is not one that this key may sign"),
        ("origination", "kind origination is not one that this key may sign"),
        ("drain", "operation kind 9 is never signed here"),
        ("sr-add-messages", "operation kind 201 is never signed here"),
        ("seed-nonce-revelation", "operation kind 1 is never signed here"),
        ("batch-mixed-sources", "which is not this key's account"),
        ("reveal-tz3", "which is not this key's account"),
        ("transfer-huge-numbers", "fees of 4611686018427.387904 tez"),
    ] {
        let refusal = refusal(&daemon, &format!("synth-op-{id}"));
        assert!(refusal.contains(why), "{id}: {refusal}");
    }
    let metrics = get(daemon.monitor.unwrap(), "/metrics").text();
    let line = "peel_signer_requests_total{key=\"payouts\",kind=\"operation\",result=\"signed\",reason=\"\"} 10";
    assert!(metrics.contains(line), "{metrics}");
    // Blocks and votes are not named, so a payout key cannot vote.
    let vote = daemon.sign(TZ1, &attestation(100, 1)).signature().unwrap_err();
    assert!(vote.contains("kind attestation is not one that this key may sign"), "{vote}");
}

#[test]
fn nothing_malformed_and_no_kind_that_is_not_known_is_signed() {
    let every_kind: Vec<&str> = tezos::OperationKind::ALL.map(tezos::OperationKind::name).to_vec();
    let daemon = home(&format!("{every_kind:?}")).start();
    for case in harness::vectors("malformed.json") {
        let payload = hex::decode(case["payload"].as_str().unwrap()).unwrap();
        let answer = daemon.sign(TZ1, &payload);
        assert!(matches!(answer.status, 500 | 413), "{}: {}", case["id"], answer.text());
    }
    let mut failing_noop = vec![0x03];
    failing_noop.extend([7; 32]);
    failing_noop.extend([17, 0, 0, 0, 1, 65]);
    let refusal = daemon.sign(TZ1, &failing_noop).signature().unwrap_err();
    assert!(refusal.contains("operation kind 17 is never signed here"), "{refusal}");
    // As before where no operation is named.
    let plain = home("[\"attestation\"]").start();
    let refusal = plain.sign(TZ1, &operation("synth-op-transfer")).signature().unwrap_err();
    assert!(refusal.contains("magic byte 0x03 not allowed"), "{refusal}");
}

/// The transfer of the vectors: 1 tez to tz2DTy9…, with a fee of 0.00142 tez.
#[test]
fn a_transaction_is_narrowed_to_destinations_and_an_amount() {
    let allowed = |narrowed: &str| {
        let daemon =
            home(&format!("[\"reveal\", {{ kind = \"transaction\", {narrowed} }}]")).start();
        ["transfer", "call-named", "stake"]
            .map(|id| daemon.sign(TZ1, &operation(&format!("synth-op-{id}"))).signature().map(drop))
    };
    let to = r#"to = ["tz2DTy9uoYbCFZrtSi9AHNUsnyE8CgDSyQqp"]"#;
    let [transfer, call, stake] = allowed(to);
    transfer.unwrap();
    assert!(call.unwrap_err().contains("a transaction to KT1DieU51jzXLerQx5AqMCiLC1SsCeM8yRat"));
    assert!(stake.unwrap_err().contains("not one of"));

    let [_, call, _] = allowed(r#"to = ["KT1DieU51jzXLerQx5AqMCiLC1SsCeM8yRat"]"#);
    assert!(call.unwrap_err().contains("calls an entrypoint"), "a narrowed one only moves money");

    for (at_most, is_signed) in
        [("1.00142 tez", true), ("1.001419 tez", false), ("1 tez", false), ("100 tez", true)]
    {
        let [transfer, ..] = allowed(&format!("{to}, at_most = {at_most:?}"));
        assert_eq!(transfer.is_ok(), is_signed, "{at_most}: {transfer:?}");
        if let Err(why) = transfer {
            assert!(why.contains("transactions of 1.00142 tez with their fees"), "{why}");
        }
    }
}

/// The limits are the group's: a hundred transfers, each with a fee, are no way round them.
#[test]
fn the_limits_hold_for_all_of_a_group() {
    let signed = |at_most: &str, fee: &[u8], storage: &[u8], count: usize| {
        let narrowed = format!("[{{ kind = \"transaction\", at_most = {at_most:?} }}]");
        let one = operation("synth-op-transfer");
        let (head, content) = one.split_at(33);
        // Behind tag and source: a fee of 0.00142 tez, counter, gas and storage limit of two bytes each.
        let (start, rest) = content.split_at(22);
        let counter_and_gas = &rest[2..6];
        let content = [start, fee, counter_and_gas, storage, &rest[8..]].concat();
        let group = [head, &content.repeat(count)].concat();
        home(&narrowed).start().sign(TZ1, &group).signature().map(drop)
    };
    let (fee, storage) = (&[0x8c, 0x0b][..], &[0x81, 0x02][..]);
    signed("100 tez", fee, storage, 99).unwrap();
    let over = signed("99 tez", fee, storage, 99).unwrap_err();
    assert!(over.contains("transactions of 99.14058 tez with their fees"), "{over}");
    // 0.1 tez, eleven times.
    let fees = signed("100 tez", &[0xa0, 0x8d, 0x06], storage, 11).unwrap_err();
    assert!(fees.contains("fees of 1.1 tez"), "{fees}");
    let burn = signed("100 tez", fee, &[0x82, 0x02], 1).unwrap_err();
    assert!(burn.contains("may pay for storage"), "{burn}");
}

/// It needs no watermark, and is ready without one.
#[test]
fn a_key_that_only_pays_needs_no_watermark() {
    let home = Home::new()
        .with("[monitor]\nlisten = \"127.0.0.1:0\"")
        .with_key("payouts", TZ1_SECRET)
        .with("allow = [\"transaction\"]");
    harness::open_records(&home.path("watermark.db"));
    let daemon = home.start();
    signs(&daemon, "synth-op-transfer");
    let ready = get(daemon.monitor.unwrap(), "/readyz");
    assert_eq!(ready.status, 200, "{}", ready.text());
}

#[test]
fn mistakes_in_allow_are_told_at_the_start() {
    for (allow, word) in [
        ("[\"drain_delegate\"]", "no key here ever signs it"),
        ("[\"failing_noop\"]", "no key here ever signs it"),
        ("[\"transfer\"]", "write of block, preattestation, attestation, reveal, transaction"),
        ("[]", "allow is empty"),
        ("[\"transaction\", { kind = \"transaction\" }]", "allow names transaction twice"),
        ("[{ kind = \"delegation\", at_most = \"1 tez\" }]", "only a transaction has"),
        ("[{ kind = \"block\", to = [] }]", "only a transaction has"),
        ("[{ kind = \"transaction\", to = [\"tz1nobody\"] }]", "neither an account"),
        ("[{ kind = \"transaction\", at_most = \"100\" }]", "write an amount, as in"),
        ("[{ kind = \"transaction\", most = \"100 tez\" }]", "at_most = "),
        ("[7]", "write kinds, as in"),
    ] {
        let error = home(allow).config().unwrap_err().to_string();
        assert!(error.contains(word), "{allow}: {error}");
    }
}

/// The Baking app would ask on its screen, and sign a reveal without asking.
#[test]
fn a_ledger_and_another_signer_are_never_asked_for_an_operation() {
    let device = device_faults::device(ledger_sim::Latency::None);
    let home = Home::new()
        .with(&format!("[ledger]\ntransport = \"tcp://{}\"", device.address()))
        .with("[[key]]\nname = \"baker\"\nledger = \"secp256k1/0h/0h\"\nallow = [\"block\", \"reveal\"]");
    let error = home.config().unwrap_err().to_string();
    assert!(error.contains("allow names reveal, and only a key in memory"), "{error}");
    let upstream = "[[key]]\nname = \"far\"\nupstream = \"http://127.0.0.1:1/tz1KqTpEZ7Yob7QbPE4Hy4Wo8fHG8LhKxZSx\"";
    let home = Home::new().with(&format!("{upstream}\nallow = [\"transaction\"]"));
    assert!(home.config().unwrap_err().to_string().contains("only a key in memory"));
}

/// The key votes and pays: neither touches the other.
#[test]
fn a_key_that_votes_and_pays_has_its_marks_as_before() {
    let daemon = home(r#"["attestation", "transaction"]"#).start();
    signs(&daemon, "synth-op-transfer");
    daemon.sign(TZ1, &attestation(100, 1)).signature().unwrap();
    signs(&daemon, "synth-op-transfer-zero");
    let again = daemon.sign(TZ1, &attestation(100, 2)).signature().unwrap_err();
    assert!(again.contains("already signed with different data"), "{again}");
    let _: Value = get(daemon.http, "/authorized_keys").json();
}
