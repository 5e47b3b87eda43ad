//! What the demo tells, scene by scene.

use std::time::{Duration, Instant};

use anyhow::bail;
use tezos::Kind;
use tokio::time::{sleep, sleep_until};

use crate::demo::baker::{Asked, Baker, Variant};
use crate::demo::home::Home;

const FIRST_LEVEL: u32 = 1_000;
const LEVELS_BEFORE: u32 = 12;
const LEVELS_AFTER: u32 = 6;
const A_LEVEL: Duration = Duration::from_secs(1);
/// How long after the votes of a level the next block is asked for.
const BLOCK_AHEAD: Duration = Duration::from_millis(600);

/// The block everybody agrees on, and another one.
const HONEST: Variant = 1;
const OTHER: Variant = 2;

struct Story {
    home: Home,
    baker: Baker,
    slowest: Duration,
    unanswered: u32,
    surprises: Vec<String>,
}

pub(super) fn tell() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        tokio::select! {
            told = Story::tell() => told,
            _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        }
    })
}

impl Story {
    async fn tell() -> anyhow::Result<()> {
        say!("A Ledger (simulated, as slow as a Nano S Plus), a signer, and a baker that asks");
        say!("for what octez-baker asks for; a level a second instead of every six.\n");
        let mut home = Home::new(FIRST_LEVEL - 1)?;
        home.start().await?;
        say!("key {}\n", home.public_key.hash());
        let baker = Baker::new(home.url.clone(), home.public_key.clone());
        let mut story =
            Story { home, baker, slowest: Duration::ZERO, unanswered: 0, surprises: Vec::new() };
        say!("   level   preattestation   attestation   block of the next level");
        let crash_level = FIRST_LEVEL + LEVELS_BEFORE;
        story.levels(FIRST_LEVEL, crash_level).await;
        story.double_signature(crash_level - 1).await;
        let next = story.crash(crash_level).await?;
        story.levels(next, next + LEVELS_AFTER).await;
        story.double_signature(next + LEVELS_AFTER - 1).await;
        story.summary()
    }

    /// A second each: both votes at once, then the block of the next level a little ahead.
    async fn levels(&mut self, from: u32, to: u32) {
        let start = tokio::time::Instant::now();
        for (level, at) in (from..to).zip(0_u32..) {
            sleep_until(start + A_LEVEL * at).await;
            let (preattestation, attestation) = tokio::join!(
                self.baker.ask(Kind::Preattestation, level, HONEST),
                self.baker.ask(Kind::Attestation, level, HONEST)
            );
            sleep_until(start + A_LEVEL * at + BLOCK_AHEAD).await;
            let block = self.baker.ask(Kind::Block, level + 1, HONEST).await;
            say!(
                "{level:>8}   {:>14}   {:>11}   {:>11}",
                self.cell(&preattestation),
                self.cell(&attestation),
                self.cell(&block)
            );
        }
    }

    fn cell(&mut self, asked: &Asked) -> String {
        match asked {
            Asked::Signed(took) => {
                self.slowest = self.slowest.max(*took);
                format!("{} ms", took.as_millis())
            }
            Asked::Refused(why) | Asked::Lost(why) => {
                self.unanswered += 1;
                self.surprises.push(format!("no signature: {why}"));
                "-".to_owned()
            }
            Asked::Broken(why) => {
                self.surprises.push(why.clone());
                "BROKEN".to_owned()
            }
        }
    }

    /// The same again is answered from memory; something else at the same place is refused.
    async fn double_signature(&mut self, level: u32) {
        say!("\nThe baker asks once more for its attestation of level {level}:");
        let before = self.home.device_signatures();
        let again = self.baker.ask(Kind::Attestation, level, HONEST).await;
        match again.signed() {
            Some(took) => say!("  the stored signature, after {} µs", took.as_micros()),
            None => self.surprise(format!("the stored signature did not come: {again:?}")),
        }
        say!("Somebody asks for a different attestation of level {level}, the double signature:");
        self.ask_for_another(Kind::Attestation, level).await;
        if self.home.device_signatures() != before {
            self.surprise("the Ledger was asked to sign".to_owned());
        }
        say!("");
    }

    /// Something else at a place where something was signed.
    async fn ask_for_another(&mut self, kind: Kind, level: u32) {
        let asked = self.baker.ask(kind, level, OTHER).await;
        match asked.refusal() {
            Some(why) => say!("  REFUSED: {why}"),
            None => self.surprise(format!("it was not refused: {asked:?}")),
        }
    }

    /// Kills the signer while it signs; gives the first level that can be signed afterwards.
    async fn crash(&mut self, level: u32) -> anyhow::Result<u32> {
        say!("The signer is killed (SIGKILL) in the middle of the votes of level {level}:");
        let baker = self.baker.clone();
        let asking = async {
            tokio::join!(
                baker.ask(Kind::Preattestation, level, HONEST),
                baker.ask(Kind::Attestation, level, HONEST)
            )
        };
        let killing = async {
            sleep(Duration::from_millis(330)).await;
            self.home.kill()
        };
        let ((preattestation, attestation), killed) = tokio::join!(asking, killing);
        killed?;
        for (kind, asked) in [("preattestation", preattestation), ("attestation", attestation)] {
            match asked {
                Asked::Signed(took) => say!("  {kind}: signed after {} ms", took.as_millis()),
                Asked::Lost(_) => say!("  {kind}: no answer. Was it signed? Nobody can know"),
                Asked::Refused(why) | Asked::Broken(why) => self.surprise(format!("{kind}: {why}")),
            }
        }
        let started = Instant::now();
        self.home.start().await?;
        say!(
            "It is started again, and has found its Ledger after {} ms.",
            started.elapsed().as_millis()
        );
        say!("Somebody asks for different votes of level {level}:");
        for kind in [Kind::Preattestation, Kind::Attestation] {
            self.ask_for_another(kind, level).await;
        }
        Ok(self.resume(level).await)
    }

    /// Goes on as the chain does, level by level, until the signer signs again.
    async fn resume(&mut self, level: u32) -> u32 {
        for given_up in 0..=2 {
            let next = level + given_up;
            let asked = self.baker.ask(Kind::Preattestation, next, HONEST).await;
            if asked.signed().is_some() {
                say!("Levels given up, as they may have been signed: {given_up} (at most two).\n");
                return next + 1;
            }
        }
        self.surprise("more than two levels were given up".to_owned());
        level + 3
    }

    fn surprise(&mut self, what: String) {
        say!("  NOT AS PROMISED: {what}");
        self.surprises.push(what);
    }

    fn summary(self) -> anyhow::Result<()> {
        say!("signatures the baker has        {}", self.baker.signatures());
        say!("signatures the Ledger has made  {}", self.home.device_signatures());
        say!("slowest answer                  {} ms", self.slowest.as_millis());
        say!("requests without a signature    {}", self.unanswered);
        if self.surprises.is_empty() {
            say!("Never two signatures at one mark. Everything was as promised.");
            Ok(())
        } else {
            bail!("not as promised: {}", self.surprises.join("; "))
        }
    }
}
