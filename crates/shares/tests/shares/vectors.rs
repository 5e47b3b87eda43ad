//! Every tz4 vector, combined from every choice of shares that suffices, is the vector's signature byte for byte.
use std::path::Path;

use crate::common::{choices, shared, sign};
use serde_json::Value;
use tezos::{BlsScheme, SecretKey, Statement};

fn cases() -> Vec<Value> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/sign.json");
    let all: Vec<Value> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let is_ours = |case: &Value| {
        case["curve"] == "bls12_381"
            && case["valid"] == true
            && case["secret_key"].is_string()
            && case["override_pk"].is_null()
    };
    all.into_iter().filter(is_ours).collect()
}

#[test]
fn every_vector_is_made_by_every_choice_of_shares() {
    let (cases, mut combined, mut proofs, mut augmented) = (cases(), 0, 0, 0);
    for (at, case) in cases.iter().enumerate() {
        let text = |name: &str| case[name].as_str().unwrap_or_default();
        let key = SecretKey::from_base58(text("secret_key")).unwrap();
        let message = hex::decode(text("message")).unwrap();
        let statement = if case["kind"] == "proof_of_possession" {
            proofs += 1;
            Statement::Possession
        } else if case["version"] == 1 {
            augmented += 1;
            Statement::Message { bytes: &message, scheme: BlsScheme::MessageAugmentation }
        } else {
            Statement::Message { bytes: &message, scheme: BlsScheme::ProofOfPossession }
        };
        for (needed, count) in [(2, 3), (3, 4), (3, 5), (4, 5)] {
            let shares = shared(&key, needed, count);
            for choice in choices(&shares, usize::from(needed)) {
                let made = shares[0].group().combine(&sign(&choice, statement), statement).unwrap();
                assert_eq!(made.signature.to_string(), text("signature"), "{} ({at})", case["id"]);
                combined += 1;
            }
        }
    }
    assert!(
        proofs > 0 && augmented > 0 && cases.len() > 20,
        "{proofs}, {augmented}, {}",
        cases.len()
    );
    println!("{combined} signatures of {} vectors", cases.len());
}
