//! The chain goes on, level by level, and the baker asks for what each level needs.

use std::time::{Duration, Instant};

use tezos::Kind;
use tokio::time::sleep_until;

use crate::baker::{Asked, Baker, Variant};
use crate::line::Line;
use crate::tally::{Event, Tally};

/// The chain as the baker sees it.
pub(crate) struct Chain {
    pub(crate) baker: Baker,
    pub(crate) lines: [Line; 2],
    pub(crate) tally: Tally,
    /// The next level.
    pub(crate) next: u32,
    /// The line over which the last level's answers came.
    in_use: &'static str,
}

/// The block that the network agrees on.
pub(crate) const HONEST: Variant = 1;
const A_LEVEL: Duration = Duration::from_secs(1);
/// How long after the votes of a level the next block is asked for.
const BLOCK_AHEAD: Duration = Duration::from_millis(600);
const NOTHING: &str = "-";

/// A request that has ended.
struct Ended {
    asked: Instant,
    ended: Instant,
    what: Asked,
}

impl Chain {
    pub(crate) fn new(baker: Baker, lines: [Line; 2], first: u32, slowness: u32) -> Chain {
        Chain { baker, lines, tally: Tally::new(slowness), next: first, in_use: NOTHING }
    }

    /// So many levels, a second each.
    pub(crate) async fn levels(&mut self, count: u32, event: Event) {
        let start = Instant::now();
        for at in 0..count {
            sleep_until((start + A_LEVEL * at).into()).await;
            self.level(event).await;
        }
    }

    /// The line that carries the answers.
    pub(crate) fn line_in_use(&self) -> Option<&Line> {
        self.lines.iter().find(|line| line.name == self.in_use)
    }

    /// Both votes at once, then the block of the next level a little ahead.
    async fn level(&mut self, event: Event) {
        let (level, began) = (self.next, Instant::now());
        let end = began + A_LEVEL;
        self.next += 1;
        let before = self.lines.each_ref().map(Line::carried);
        let (preattestation, attestation) = tokio::join!(
            self.ask(Kind::Preattestation, level, end),
            self.ask(Kind::Attestation, level, end)
        );
        sleep_until((began + BLOCK_AHEAD).into()).await;
        let block = self.ask(Kind::Block, level + 1, end).await;
        let is_answered = block.what.signed().is_some();
        self.in_use = if is_answered { self.busiest(before) } else { NOTHING };
        let cells = [preattestation, attestation, block].map(|ended| self.note(event, &ended));
        let [preattestation, attestation, block] = cells;
        daemon::say!(
            "{level:>8}   {preattestation:>14}   {attestation:>11}   {block:>10}   {}",
            self.in_use
        );
    }

    async fn ask(&self, kind: Kind, level: u32, end: Instant) -> Ended {
        let asked = Instant::now();
        let what = self.baker.ask_until(kind, level, HONEST, end).await;
        Ended { asked, ended: Instant::now(), what }
    }

    fn note(&mut self, event: Event, Ended { asked, ended, what }: &Ended) -> String {
        self.tally.note(event, *asked, *ended, what);
        match what {
            Asked::Signed(took) => format!("{} ms", took.as_millis()),
            // Whether it may be lost then is for the scene to say.
            Asked::Lost(_) if event == Event::NewCloud => NOTHING.to_owned(),
            Asked::Refused(why) | Asked::Lost(why) => {
                self.tally.surprise(format!("no signature: {why}"));
                NOTHING.to_owned()
            }
            Asked::Broken(why) => {
                self.tally.surprise(why.clone());
                "BROKEN".to_owned()
            }
        }
    }

    fn busiest(&self, before: [u64; 2]) -> &'static str {
        let carried = self.lines.iter().zip(before);
        let carried = carried.map(|(line, before)| (line.carried() - before, line.name));
        carried.max().map_or(NOTHING, |(_, name)| name)
    }
}

pub(crate) fn table_head() {
    daemon::say!("\n   level   preattestation   attestation   next block   over");
}
