//! What holds of every key, threshold and choice.
use crate::common::{key, message, rng, sign};
use proptest::prelude::*;
use rand::seq::SliceRandom;
use shares::{CombineError, Share, Threshold, split};

fn threshold() -> impl Strategy<Value = Threshold> {
    (2..=Threshold::MOST).prop_flat_map(|shares| {
        let least = (shares / 2 + 1).max(2);
        (least..=shares).prop_map(move |needed| Threshold::new(needed, shares).unwrap())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_shares_that_suffice_make_the_signature_of_the_whole(
        (threshold, seed, bytes) in (threshold(), any::<u64>(), prop::collection::vec(any::<u8>(), 0..200))
    ) {
        let whole = key(u8::try_from(seed % 256).unwrap());
        let mut shares = split(&whole, threshold, rng(seed)).unwrap();
        let group = shares[0].group().clone();
        shares.shuffle(&mut rng(seed));
        let needed = usize::from(threshold.needed());
        let chosen: Vec<&Share> = shares.iter().take(needed).collect();
        let parts = sign(&chosen, message(&bytes));
        let made = group.combine(&parts, message(&bytes)).unwrap();
        prop_assert_eq!(Some(made.signature), whole.sign(&bytes, tezos::BlsScheme::default()));
        let few = group.combine(&parts[1..], message(&bytes));
        prop_assert_eq!(few.map(drop), Err(CombineError::Few { good: needed - 1, needed: threshold.needed(), liars: vec![] }));
    }

    /// However many lie, what comes out is the signature of what was asked, or nothing; and only liars are named.
    #[test]
    fn liars_are_named_and_nobody_else(
        (threshold, seed, lies) in (threshold(), any::<u64>(), prop::collection::vec(any::<bool>(), 16))
    ) {
        let shares = split(&key(1), threshold, rng(seed)).unwrap();
        let parts = shares.iter().zip(&lies).map(|(share, lies)| {
            let bytes: &[u8] = if *lies { b"other" } else { b"asked" };
            share.sign(message(bytes)).unwrap()
        });
        let made = shares[0].group().combine(&parts.collect::<Vec<_>>(), message(b"asked"));
        let lying = |share: &&Share| lies[usize::from(share.index().number()) - 1];
        let good = shares.iter().filter(|share| !lying(share)).count();
        let liars: Vec<_> = shares.iter().filter(lying).map(Share::index).collect();
        match made {
            Ok(made) => {
                prop_assert_eq!(Some(made.signature), key(1).sign(b"asked", tezos::BlsScheme::default()));
                prop_assert!(made.liars.is_empty() || made.liars == liars);
            }
            Err(error) => {
                prop_assert!(good < usize::from(threshold.needed()));
                prop_assert_eq!(error, CombineError::Few { good, needed: threshold.needed(), liars });
            }
        }
    }
}
