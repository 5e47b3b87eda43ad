//! Operations, held against the vectors: every one of a known kind is read whole, everything else is refused.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::Value;
use tezos::{Contract, OperationError, OperationGroup, OperationKind, Payload, PublicKey};

fn cases(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors").join(file);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn bytes(case: &Value) -> Vec<u8> {
    hex::decode(case["payload"].as_str().unwrap()).unwrap()
}

fn operations() -> Vec<Value> {
    let mut cases = cases("payloads.json");
    cases.retain(|case| case["type"] == "operation" && case["encoding"] == "U025");
    cases
}

fn kind(content: &Value) -> Option<OperationKind> {
    OperationKind::from_name(content["kind"].as_str().unwrap())
}

#[test]
fn what_octez_writes_is_read_if_its_kinds_are_known() {
    let (mut read, mut refused) = (0, 0);
    for case in operations() {
        let (id, contents) = (&case["id"], case["fields"]["contents"].as_array().unwrap());
        let parsed = OperationGroup::parse(&bytes(&case));
        if contents.iter().any(|content| kind(content).is_none()) {
            assert!(matches!(parsed, Err(OperationError::Kind(_))), "{id}: {parsed:?}");
            refused += 1;
            continue;
        }
        let group = parsed.unwrap_or_else(|error| unreachable!("{id}: {error}"));
        assert_eq!((group.contents().len(), group.bytes()), (contents.len(), &bytes(&case)[..]));
        for (content, expected) in group.contents().iter().zip(contents) {
            assert_eq!(Some(content.kind), kind(expected), "{id}");
            assert_eq!(content.source.to_string(), expected["source"].as_str().unwrap(), "{id}");
            let fee = expected["fee"].as_str().unwrap_or("0");
            assert_eq!(content.fee.to_string(), fee, "{id}");
            let transfer = content.transfer.as_ref();
            assert_eq!(
                transfer.map(|transfer| transfer.amount.to_string()).as_deref(),
                amount(expected)
            );
            let to = transfer.map(|transfer| transfer.to.to_string());
            let is_transaction = content.kind == OperationKind::Transaction;
            assert_eq!(to.as_deref(), expected["destination"].as_str().filter(|_| is_transaction));
            let is_call = transfer.is_some_and(|transfer| transfer.is_call);
            assert_eq!(is_call, expected["entrypoint"].is_string() && is_transaction, "{id}");
            let shown = expected["public_key"].as_str();
            let shown = shown.map(|key| key.parse::<PublicKey>().unwrap().hash());
            assert_eq!(content.revealed, shown, "{id}");
        }
        read += 1;
    }
    assert!(read >= 28 && refused >= 8, "{read} read, {refused} refused");
}

fn amount(content: &Value) -> Option<&str> {
    content["amount"].as_str().filter(|_| content["kind"] == "transaction")
}

#[test]
fn what_is_malformed_is_refused() {
    for file in ["malformed.json", "payloads.json"] {
        let is_operation = |case: &&Value| file == "payloads.json" && case["type"] == "operation";
        for case in cases(file).iter().filter(|case| !is_operation(case)) {
            let parsed = OperationGroup::parse(&bytes(case));
            assert!(parsed.is_err(), "{}: {}", case["id"], case["why"]);
        }
    }
}

/// Older layouts of reveal and update_consensus_key end before a proof.
#[test]
fn what_is_cut_anywhere_or_goes_on_is_refused() {
    for case in operations() {
        let whole = bytes(&case);
        if OperationGroup::parse(&whole).is_err() {
            continue;
        }
        let contents = case["fields"]["contents"].as_array().unwrap().len();
        for end in 0..whole.len() {
            // Of a batch, the first ones stand alone, too.
            let parsed = OperationGroup::parse(&whole[..end]);
            assert!(parsed.is_err() || contents > 1, "{} cut at {end}", case["id"]);
        }
        for tail in [0_u8, 255] {
            let longer = [whole.as_slice(), &[tail]].concat();
            assert!(OperationGroup::parse(&longer).is_err(), "{} and {tail}", case["id"]);
        }
    }
}

/// What one parser takes the other does not: a block or vote is never signed as an operation.
#[test]
fn no_bytes_are_both_an_operation_and_a_block_or_vote() {
    for case in cases("payloads.json").iter().chain(&cases("malformed.json")) {
        let raw = bytes(case);
        let is_operation = OperationGroup::parse(&raw).is_ok();
        let forms = [tezos::KeyForm::Slot, tezos::KeyForm::NoSlot];
        let is_payload = forms.iter().any(|form| Payload::parse_any_form(&raw, *form).is_ok());
        assert!(!(is_operation && is_payload), "{}", case["id"]);
    }
}

#[test]
fn an_account_or_a_contract_is_read_as_it_is_written() {
    for text in ["tz1KqTpEZ7Yob7QbPE4Hy4Wo8fHG8LhKxZSx", "KT1DieU51jzXLerQx5AqMCiLC1SsCeM8yRat"] {
        assert_eq!(text.parse::<Contract>().unwrap().to_string(), text);
    }
    for wrong in ["", "KT1DieU51jzXLerQx5AqMCiLC1SsCeM8yRaT", "edpk", "tz1"] {
        wrong.parse::<Contract>().unwrap_err();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

    /// Near misses: an operation of octez with some bytes changed.
    #[test]
    fn any_bytes_are_read_or_refused(
        at in any::<prop::sample::Index>(), place in any::<prop::sample::Index>(), byte in any::<u8>()
    ) {
        static WHOLE: LazyLock<Vec<Vec<u8>>> =
            LazyLock::new(|| operations().iter().map(bytes).collect());
        let mut raw = WHOLE[at.index(WHOLE.len())].clone();
        let place = place.index(raw.len());
        raw[place] = byte;
        if let Ok(group) = OperationGroup::parse(&raw) {
            prop_assert_eq!(group.bytes(), &raw[..]);
            prop_assert!(!group.contents().is_empty());
        }
    }
}
