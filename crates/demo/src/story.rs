//! What the demo tells, scene by scene.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tempfile::TempDir;
use tokio::time::sleep;
use tunnel::Identity;

use crate::baker::Baker;
use crate::chain::{Chain, table_head};
use crate::cloud::{Cloud, loopback};
use crate::home::Home;
use crate::line::Line;
use crate::tally::Event;

/// Everything there is. Dropping it stops it all and removes its folder.
pub(crate) struct Story {
    pub(crate) home: Home,
    pub(crate) cloud: Cloud,
    pub(crate) chain: Chain,
    /// The moment from which the cloud that was made again listened.
    pub(crate) cloud_again: Option<Instant>,
    /// Votes that the Ledger may have signed or not: the signer was killed.
    pub(crate) unknown: u32,
    _folder: TempDir,
}

const FIRST_LEVEL: u32 = 1_000;
const LEVELS_BEFORE: u32 = 5;
const LEVELS_AFTER: u32 = 4;
const START_LIMIT: Duration = Duration::from_secs(15);

const PICTURE: &str = " this program     the cloud,       two lines         at home,
                  a process        (relays)          a process

                              ┌──── line 1 ────┐
 baker ──HTTP─▶ peel gateway ◀┤      ssh       ├─ peel signer ──▶ Ledger
                              └──── line 2 ────┘                (simulated)

The baker asks for what octez-baker asks for, a level a second instead of every
six. The Ledger is as slow as a Nano S Plus. The tables say how long each
signature took, and over which line it came.";

pub(crate) fn tell(slowness: u32) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        tokio::select! {
            told = Story::tell(slowness) => told,
            _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        }
    })
}

impl Story {
    async fn tell(slowness: u32) -> anyhow::Result<()> {
        daemon::say!("{PICTURE}");
        let mut story = Story::set_up(slowness).await?;
        let told = story.scenes().await;
        if told.is_err() || !story.chain.tally.surprises().is_empty() {
            daemon::tell!("{}{}", story.cloud.gateway.log(), story.home.signer.log());
        }
        told.and_then(|()| story.sum_up())
    }

    async fn set_up(slowness: u32) -> anyhow::Result<Story> {
        let folder = TempDir::with_prefix("peel-demo-").context("no temporary folder")?;
        let identity = Identity::generate("home")?;
        let mut cloud = Cloud::new(folder.path(), &[("home", identity.public())], "")?;
        let ssh = loopback(cloud.ports.ssh);
        let lines = [Line::open("line 1", ssh).await?, Line::open("line 2", ssh).await?];
        let home = Home::new(folder.path(), FIRST_LEVEL - 1, &identity, &cloud, &lines)?;
        cloud.start().await?;
        let baker = Baker::new(cloud.url(home.public_key.hash())?, home.public_key.clone());
        let chain = Chain::new(baker, lines, FIRST_LEVEL, slowness);
        let mut story =
            Story { home, cloud, chain, cloud_again: None, unknown: 0, _folder: folder };
        story.start_signer().await?;
        Ok(story)
    }

    async fn scenes(&mut self) -> anyhow::Result<()> {
        daemon::say!("\n1. All is well.");
        table_head();
        self.chain.levels(LEVELS_BEFORE, Event::Calm).await;
        self.a_line_falls_silent().await;
        self.the_cloud_is_lost().await?;
        daemon::say!("\n4. The double signature.");
        self.a_double_signature().await;
        self.the_signer_crashes().await?;
        table_head();
        self.chain.levels(LEVELS_AFTER, Event::Crash).await;
        daemon::say!("");
        self.a_double_signature().await;
        Ok(())
    }

    /// Starts the signer; gives how long it took until the baker could ask it.
    pub(crate) async fn start_signer(&mut self) -> anyhow::Result<Duration> {
        let started = Instant::now();
        self.home.signer.start()?;
        while !self.chain.baker.finds_its_key().await {
            self.home.signer.still_runs()?;
            if started.elapsed() > START_LIMIT {
                bail!("the signer did not come up:\n{}", self.home.signer.log());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(started.elapsed())
    }

    fn sum_up(&self) -> anyhow::Result<()> {
        let (tally, since) = (&self.chain.tally, self.cloud_again);
        let requests = |event| match tally.lost(event) {
            0 => "nothing".to_owned(),
            lost => format!("{lost} requests"),
        };
        let gone = format!("{}, made while it was gone", requests(Event::NewCloud));
        let crash = match self.unknown {
            0 => requests(Event::Crash),
            unknown => format!("{unknown} vote, which the Ledger may have signed"),
        };
        daemon::say!("\n                      slowest answer   lost");
        for (name, slowest, lost) in [
            ("all was well", tally.slowest(Event::Calm, None), requests(Event::Calm)),
            (
                "a line was silent",
                tally.slowest(Event::SilentLine, None),
                requests(Event::SilentLine),
            ),
            ("cloud made again", tally.slowest(Event::NewCloud, since), gone),
            ("after the crash", tally.slowest(Event::Crash, None), crash),
        ] {
            let slowest = slowest.unwrap_or_default().as_millis();
            daemon::say!("   {name:<17} {slowest:>11} ms   {lost}");
        }
        daemon::say!("\nsignatures that the Ledger made   {:>3}", self.home.device_signatures());
        daemon::say!("signatures that the baker has     {:>3}", self.chain.baker.signatures());
        daemon::say!("   (the others were on their way when the cloud or the signer was killed)");
        if tally.surprises().is_empty() {
            daemon::say!("\nNever two signatures at one mark. Everything was as promised.");
            return Ok(());
        }
        bail!("not as promised: {}", tally.surprises().join("; "))
    }
}
