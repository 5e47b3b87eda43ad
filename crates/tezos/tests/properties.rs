//! What holds for any bytes.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use proptest::prelude::*;
use tezos::{KeyForm, Payload, PublicKeyHash, Signature};

fn form() -> impl Strategy<Value = KeyForm> {
    prop_oneof![Just(KeyForm::Slot), Just(KeyForm::NoSlot)]
}

/// Real payloads with a few bytes changed, cut off or added: near misses find more than noise.
fn near_miss() -> impl Strategy<Value = Vec<u8>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/payloads.json");
    let cases: Vec<serde_json::Value> =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let payloads: Vec<Vec<u8>> =
        cases.iter().map(|case| hex::decode(case["payload"].as_str().unwrap()).unwrap()).collect();
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    let tail = prop::collection::vec(any::<u8>(), 0..4);
    (prop::sample::select(payloads), edits, any::<prop::sample::Index>(), any::<bool>(), tail)
        .prop_map(|(mut bytes, edits, cut, whole, tail)| {
            for (at, byte) in edits {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if !whole {
                bytes.truncate(cut.index(bytes.len() + 1));
                bytes.extend(tail);
            }
            bytes
        })
}

fn encodes_to_itself(bytes: &[u8], form: KeyForm) {
    if let Ok(payload) = Payload::parse_any_form(bytes, form) {
        assert_eq!(payload.encode(), bytes);
        assert_eq!(Payload::parse(bytes, form).is_ok(), payload.unknown_form().is_none());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

    #[test]
    fn what_parses_encodes_to_the_same_bytes(bytes in near_miss(), form in form()) {
        encodes_to_itself(&bytes, form);
    }

    #[test]
    fn any_bytes_parse_or_are_refused(
        magic in 0x10_u8..0x15, body in prop::collection::vec(any::<u8>(), 0..300), form in form()
    ) {
        let mut bytes = vec![magic];
        bytes.extend(body);
        encodes_to_itself(&bytes, form);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,120}") {
        if let Ok(hash) = text.parse::<PublicKeyHash>() {
            prop_assert_eq!(hash.to_string(), text.clone());
        }
        if let Ok(signature) = text.parse::<Signature>() {
            prop_assert_eq!(signature.to_string(), text);
        }
    }
}
