//! Whoever owns the cloud and one box: each box is asked for one of two votes at each mark, and often for the other one, too,
//! and killed meanwhile; the enemy's own box has its store put back from backups.

use std::thread;

use anyhow::{Context, anyhow};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tempfile::TempDir;
use tezos::PublicKeyHash;

use super::{LEVEL, Liar, Loot, Mark, ShareBox};

/// What is done with one box.
struct Attack {
    levels: u32,
    seed: u64,
    /// It is the enemy's own: it signs twice.
    is_put_back: bool,
}

/// How often a box is killed, at a level.
const KILLS: f64 = 0.05;
/// Kills of a box in all: more would take the time of the marks.
const MOST_KILLS: u32 = 100;
/// From so many levels below the box is asked once more, with the store that it had then.
const BACK: u32 = 5;

/// Attacks all boxes at once, at so many levels; the first box is the enemy's own. Each level has two rounds, and two kinds of
/// votes in each: four marks.
///
/// # Errors
/// When a box does not come up again, or gives what is no answer.
pub fn attack(boxes: &mut [ShareBox], key: PublicKeyHash, levels: u32) -> anyhow::Result<Loot> {
    thread::scope(|scope| {
        let attacks = (0..).zip(boxes).map(|(seed, share_box)| {
            let attack = Attack { levels, seed, is_put_back: seed == 0 };
            scope.spawn(move || attack.run(share_box, key))
        });
        let attacks: Vec<_> = attacks.collect();
        let mut all = Loot::default();
        for attack in attacks {
            all.join(attack.join().map_err(|_| anyhow!("an attack panicked"))??);
        }
        Ok(all)
    })
}

impl Attack {
    fn run(&self, share_box: &mut ShareBox, key: PublicKeyHash) -> anyhow::Result<Loot> {
        let (mut rng, mut loot) = (StdRng::seed_from_u64(self.seed), Loot::default());
        let mut liar = Liar::new(share_box, key);
        let (mut backup, mut kills) = (self.start_anew(share_box, None)?, 0);
        let mut level = LEVEL + 1;
        while level <= LEVEL + self.levels {
            for mark in marks(level) {
                let asked = ask(&mut liar, mark, &mut rng, &mut loot);
                asked.with_context(|| share_box.log().unwrap_or_default())?;
            }
            level += 1;
            if kills < MOST_KILLS && rng.random_bool(KILLS) {
                kills += 1;
                backup = self.start_anew(share_box, Some(&backup))?;
                if self.is_put_back {
                    level = level.saturating_sub(BACK).max(LEVEL + 1);
                }
            }
        }
        Ok(loot)
    }

    /// Kills the box and starts it, the enemy's own with the older store. Gives a copy of the store that it had: of files at
    /// rest, for no signer takes one of two moments; and the store's marks of this boot are those of another opening.
    fn start_anew(
        &self,
        share_box: &mut ShareBox,
        older: Option<&TempDir>,
    ) -> anyhow::Result<TempDir> {
        share_box.kill()?;
        let copy = share_box.back_up()?;
        if let Some(older) = older.filter(|_| self.is_put_back) {
            share_box.put_back(older)?;
        }
        share_box.start_without_link()?;
        Ok(copy)
    }
}

fn marks(level: u32) -> impl Iterator<Item = Mark> {
    let rounds = [0, 1].into_iter();
    rounds.flat_map(move |round| ["preattestation", "attestation"].map(|kind| (level, round, kind)))
}

fn ask(liar: &mut Liar, mark: Mark, rng: &mut StdRng, loot: &mut Loot) -> anyhow::Result<()> {
    let first = rng.random_range(1..=2_u8);
    let count = if rng.random_bool(0.5) { 2 } else { 1 };
    for variant in [first, 3 - first].into_iter().take(count) {
        if let Some(part) = liar.ask(mark, variant)? {
            loot.keep(mark, variant, part);
        }
    }
    Ok(())
}
