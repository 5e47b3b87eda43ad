//! Promised: a tz4 key that no machine has votes on while a box is dead, silent or slow, and never signs twice, whoever owns
//! the cloud.

use std::collections::BTreeSet;
use std::path::Path;
use std::thread;
use std::time::Duration;

use blst::{BLST_ERROR, min_pk};
use lab::baker::{Baker, Plan};
use lab::shares::{LEVEL, Liar, Loot, Mark, Part, ShareBox, SharedKey};
use lab::wait;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tezos::Kind;

use crate::fixture::{PEEL, SOON};

const SLOW: Duration = Duration::from_millis(300);
/// So many votes are asked for while something is wrong.
const VOTES: usize = 15;
/// What is demanded of a vote that needs no box that fails; what is promised is in docs/performance.md.
const IN_TIME: Duration = Duration::from_secs(1);

fn bake(shared: &SharedKey) -> anyhow::Result<Baker> {
    let url = format!("http://{}/{}", shared.http, shared.key).parse()?;
    let plan = Plan { kind: Kind::Preattestation, tempts: true, ..Plan::new(url) };
    Baker::start(plan, SOON)
}

#[test]
fn no_vote_is_lost_while_any_one_box_is_dead_silent_or_slow() -> anyhow::Result<()> {
    let mut shared = SharedKey::start(Path::new(PEEL), 2, 3)?;
    let baker = bake(&shared)?;
    baker.wait_for_signatures(VOTES, SOON)?;
    for one in &mut shared.boxes {
        one.kill()?;
        baker.wait_for_signatures(VOTES, SOON)?;
        one.start()?;
        one.line.slow(SLOW);
        baker.wait_for_signatures(VOTES, SOON)?;
        one.line.come_back();
        one.line.fall_silent();
        baker.wait_for_signatures(VOTES, SOON)?;
        one.line.come_back();
        // It dials again; until then the others must not fail.
        let up = || Ok((one.log()?.matches(" is up").count() > 1).then_some(()));
        wait::until("the link is up again", SOON, up)?;
    }
    let record = baker.finish()?;
    println!("two of three, one of them failing: {record}");
    assert!(record.failures().is_empty(), "{:?}", record.failures());
    assert!(record.slowest() <= Some(IN_TIME), "{record}");
    Ok(())
}

/// What the enemy does with one box.
struct Attack {
    /// How many levels there are; each has two rounds, and two votes in each.
    levels: u32,
    seed: u64,
    /// Its store is put back from backups: it signs twice.
    is_put_back: bool,
}

impl Attack {
    /// Asks a box for one of two votes at each mark, and now and then for the other one, too; kills it meanwhile.
    fn run(&self, share_box: &mut ShareBox, liar: &mut Liar) -> anyhow::Result<Loot> {
        let (mut rng, mut loot) = (StdRng::seed_from_u64(self.seed), Loot::default());
        let mut backup = share_box.back_up()?;
        let mut level = LEVEL + 1;
        while level <= LEVEL + self.levels {
            for mark in marks(level) {
                let first = rng.random_range(1..=2_u8);
                let both = [first, 3 - first];
                let count = if rng.random_bool(0.5) { 2 } else { 1 };
                for variant in both.into_iter().take(count) {
                    if let Some(part) = liar.ask(mark, variant)? {
                        loot.keep(mark, variant, part);
                    }
                }
            }
            if rng.random_bool(0.05) {
                share_box.kill()?;
                if self.is_put_back {
                    share_box.put_back(&backup)?;
                    // Once more from where the backup is.
                    level = level.saturating_sub(5).max(LEVEL + 1);
                }
                share_box.start_without_link()?;
                backup = share_box.back_up()?;
            }
            level += 1;
        }
        Ok(loot)
    }
}

fn marks(level: u32) -> impl Iterator<Item = Mark> {
    let rounds = [0, 1].into_iter();
    rounds.flat_map(move |round| ["preattestation", "attestation"].map(|kind| (level, round, kind)))
}

/// With each box the enemy does as it likes; one is the enemy's own, and signs whatever its old stores allow.
#[test]
fn whoever_owns_the_cloud_and_one_box_gets_no_two_signatures_at_one_mark() -> anyhow::Result<()> {
    const NEEDED: usize = 3;
    let mut shared = SharedKey::start(Path::new(PEEL), 3, 4)?;
    let key = shared.key;
    let loots = thread::scope(|scope| {
        let attacks: Vec<_> = (0..)
            .zip(&mut shared.boxes)
            .map(|(seed, share_box)| {
                let attack = Attack { levels: 60, seed, is_put_back: seed == 0 };
                let mut liar = Liar::new(share_box, key);
                scope.spawn(move || attack.run(share_box, &mut liar))
            })
            .collect();
        attacks.into_iter().map(|attack| attack.join().unwrap()).collect::<Result<Vec<_>, _>>()
    })?;
    let mut all = Loot::default();
    loots.into_iter().for_each(|loot| all.join(loot));
    let (signed, twice) = (all.signed(NEEDED), all.signed_twice(NEEDED));
    let own = own_doubles(&all);
    println!(
        "{} votes signed; at {} marks the enemy's own box gave a part of both; two signatures: {}",
        signed.len(),
        own.len(),
        twice.len()
    );
    assert!(twice.is_empty(), "{twice:?}");
    // The attack is one: it gets signatures, its own box gives parts of both, and half of the boxes would be enough.
    assert!(signed.len() > 20 && own.len() > 5, "{} {}", signed.len(), own.len());
    assert!(!all.signed_twice(NEEDED - 1).is_empty());
    check_parts(&shared, &all, &signed);
    Ok(())
}

/// The marks at which one share gave parts of two votes.
fn own_doubles(all: &Loot) -> BTreeSet<(Mark, u64)> {
    let of = |variant: u8| -> BTreeSet<(Mark, u64)> {
        let own = all.0.iter().filter(|((_, it), _)| *it == variant);
        own.flat_map(|((mark, _), parts)| parts.iter().map(|part| (*mark, part.share))).collect()
    };
    of(1).intersection(&of(2)).copied().collect()
}

/// By the library alone: what was counted are parts of signatures, each by its share.
fn check_parts(shared: &SharedKey, all: &Loot, signed: &[(Mark, u8)]) {
    const SCHEME: &[u8] = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";
    let keys: Vec<&[u8]> =
        shared.group.iter().flat_map(|it| it.shares()).map(|key| key.bytes()).collect();
    let liar = Liar::new(shared.boxes.first().unwrap(), shared.key);
    for (mark, variant) in signed.iter().take(20) {
        let payload = liar.payload(*mark, *variant);
        for Part { share, signature } in all.0.get(&(*mark, *variant)).unwrap() {
            let at = usize::try_from(*share).unwrap() - 1;
            let key = min_pk::PublicKey::key_validate(keys.get(at).unwrap()).unwrap();
            let signature: tezos::Signature = signature.parse().unwrap();
            let signature = min_pk::Signature::sig_validate(signature.bytes(), true).unwrap();
            let verified = signature.verify(false, &payload, SCHEME, &[], &key, false);
            assert_eq!(verified, BLST_ERROR::BLST_SUCCESS, "share {share} at {mark:?}");
        }
    }
}
