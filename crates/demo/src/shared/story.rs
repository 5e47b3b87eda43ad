//! What is told of a key in shares, scene by scene.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rand::SeedableRng;
use rand::rngs::StdRng;
use shares::{Group, Share, Threshold, gateway_block, split};
use tempfile::TempDir;
use tezos::{Curve, Kind, SecretKey};
use tokio::time::{sleep, sleep_until};
use tunnel::Identity;

use crate::baker::{Asked, Baker};
use crate::chain::HONEST;
use crate::cloud::Cloud;
use crate::shared::boxes::{NAMES, ShareBox};
use crate::tally::{Event, Tally};

/// Everything there is. Dropping it stops it all and removes its folder.
pub(super) struct Story {
    pub(super) boxes: Vec<ShareBox>,
    pub(super) baker: Baker,
    pub(super) group: Group,
    pub(super) tally: Tally,
    /// The next level.
    pub(super) next: u32,
    cloud: Cloud,
    _folder: TempDir,
}

const FIRST_LEVEL: u32 = 1_000;
const LEVELS: u32 = 4;
const A_LEVEL: Duration = Duration::from_secs(1);
/// In the middle of the votes of a level.
const IN_MID_VOTE: Duration = Duration::from_millis(1001);
/// For a box to answer.
pub(super) const LIMIT: Duration = Duration::from_secs(5);
/// A vote that needs the box that fell silent would take much longer.
const PROMISE: Duration = Duration::from_millis(500);

const PICTURE: &str =
    " this program     the cloud         three lines, and a process for each computer

                                      ┌─ line 1 ─ peel signer, share 1 (home)
 baker ──HTTP─▶ peel gateway ◀──ssh───┼─ line 2 ─ peel signer, share 2 (office)
                combines two          └─ line 3 ─ peel signer, share 3 (cabin)

A tz4 key was split into three shares, of which any two sign. None of these
computers has the key, and none can sign alone. The baker asks for what
octez-baker asks for, a level a second instead of every six.";

impl Story {
    pub(super) async fn tell(slowness: u32) -> anyhow::Result<()> {
        daemon::say!("{PICTURE}");
        let mut story = Story::set_up(slowness).await?;
        let told = story.scenes().await;
        if told.is_err() || !story.tally.surprises().is_empty() {
            let logs = story.boxes.iter().map(|one| one.signer.log());
            daemon::tell!("{}{}", story.cloud.gateway.log(), logs.collect::<String>());
        }
        told.and_then(|()| story.sum_up())
    }

    async fn set_up(slowness: u32) -> anyhow::Result<Story> {
        let folder = TempDir::with_prefix("peel-demo-").context("no temporary folder")?;
        let shares = a_split_key()?;
        let group = shares.first().context("no shares")?.group().clone();
        let identities = NAMES.map(|(name, _)| Identity::generate(name));
        let identities = identities.into_iter().collect::<Result<Vec<_>, _>>()?;
        let known = NAMES.iter().zip(&identities).map(|((name, _), own)| (*name, own.public()));
        let known: Vec<_> = known.collect();
        let names = NAMES.map(|(name, _)| name.to_owned());
        let mut cloud = Cloud::new(folder.path(), &known, &gateway_block(&group, names))?;
        let mut boxes = Vec::new();
        for (share, identity) in shares.iter().enumerate().zip(&identities) {
            let one =
                ShareBox::new(folder.path(), share, identity, &cloud, FIRST_LEVEL - 1).await?;
            boxes.push(one);
        }
        cloud.start().await?;
        let key = group.public_key();
        let baker = Baker::new(cloud.url(key.hash())?, key.clone());
        let (tally, next) = (Tally::new(slowness), FIRST_LEVEL);
        let mut story = Story { boxes, baker, group, tally, next, cloud, _folder: folder };
        for one in &mut story.boxes {
            one.start().await?;
        }
        Ok(story)
    }

    async fn scenes(&mut self) -> anyhow::Result<()> {
        daemon::say!("\n1. All is well.");
        self.levels(Event::Calm).await;
        self.a_box_is_killed().await?;
        self.a_box_falls_silent().await;
        self.the_gateway_lies().await;
        Ok(())
    }

    async fn a_box_is_killed(&mut self) -> anyhow::Result<()> {
        let mut killed = self.boxes.pop().context("no box")?;
        daemon::say!(
            "\n2. The box in the {} is killed (SIGKILL) in mid-vote, and stays dead.",
            killed.name
        );
        let killing = async {
            sleep(IN_MID_VOTE).await;
            killed.signer.kill()
        };
        let (is_killed, ()) = tokio::join!(killing, self.levels(Event::Crash));
        is_killed?;
        killed.start().await?;
        daemon::say!("   It is started again.");
        self.boxes.push(killed);
        Ok(())
    }

    async fn a_box_falls_silent(&mut self) {
        daemon::say!(
            "\n3. The line of the box in the office falls silent: bytes vanish, and nothing is"
        );
        daemon::say!("   closed.");
        let Some(silent) = self.boxes.get(1) else { return };
        silent.line.fall_silent();
        self.levels(Event::SilentLine).await;
        if let Some(silent) = self.boxes.get(1) {
            silent.line.come_back();
            daemon::say!("   The line works again.");
        }
        let slowest = self.tally.slowest(Event::SilentLine, None).unwrap_or_default();
        if slowest > self.tally.promised(PROMISE) {
            let slowest = slowest.as_millis();
            self.tally.surprise(format!("a vote took {slowest} ms because of a silent box"));
        }
    }

    /// Some levels, a second each: both votes, and the next block.
    async fn levels(&mut self, event: Event) {
        daemon::say!("\n   level   preattestation   attestation   next block");
        let start = Instant::now();
        for at in 0..LEVELS {
            sleep_until((start + A_LEVEL * at).into()).await;
            let level = self.next;
            self.next += 1;
            let end = Instant::now() + A_LEVEL;
            let (preattestation, attestation) = tokio::join!(
                self.ask(Kind::Preattestation, level, end),
                self.ask(Kind::Attestation, level, end)
            );
            let block = self.ask(Kind::Block, level + 1, end).await;
            let cells = [preattestation, attestation, block].map(|asked| self.note(event, asked));
            let [preattestation, attestation, block] = cells;
            daemon::say!("{level:>8}   {preattestation:>14}   {attestation:>11}   {block:>10}");
        }
    }

    async fn ask(&self, kind: Kind, level: u32, end: Instant) -> (Instant, Instant, Asked) {
        let asked = Instant::now();
        let what = self.baker.ask_until(kind, level, HONEST, end).await;
        (asked, Instant::now(), what)
    }

    fn note(&mut self, event: Event, (asked, ended, what): (Instant, Instant, Asked)) -> String {
        self.tally.note(event, asked, ended, &what);
        match what {
            Asked::Signed(took) => format!("{} ms", took.as_millis()),
            Asked::Refused(why) | Asked::Lost(why) | Asked::Broken(why) => {
                self.tally.surprise(format!("no signature: {why}"));
                "-".to_owned()
            }
        }
    }

    fn sum_up(&self) -> anyhow::Result<()> {
        daemon::say!("\n                      slowest answer   lost");
        for (name, event) in [
            ("all was well", Event::Calm),
            ("a box was dead", Event::Crash),
            ("a box was silent", Event::SilentLine),
        ] {
            let slowest = self.tally.slowest(event, None).unwrap_or_default().as_millis();
            let lost = match self.tally.lost(event) {
                0 => "nothing".to_owned(),
                lost => format!("{lost} requests"),
            };
            daemon::say!("   {name:<17} {slowest:>11} ms   {lost}");
        }
        if self.tally.surprises().is_empty() {
            daemon::say!("\nNever two signatures at one mark. Everything was as promised.");
            return Ok(());
        }
        bail!("not as promised: {}", self.tally.surprises().join("; "))
    }
}

/// As `peel key split` does. After it nothing has the key.
fn a_split_key() -> anyhow::Result<Vec<Share>> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    let secret = SecretKey::generate(Curve::Bls, &seed)?;
    Ok(split(&secret, Threshold::new(2, 3)?, StdRng::from_seed(seed))?)
}
