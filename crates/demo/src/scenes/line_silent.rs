//! A line goes silent, and no request fails.

use std::time::Duration;

use crate::line::Line;
use crate::story::Story;
use crate::tally::Event;

const SILENT_LEVELS: u32 = 5;
const LEVELS_BACK: u32 = 3;
/// Most of it is the Ledger's, for both votes; the rest is what it takes to notice.
const PROMISE: Duration = Duration::from_millis(1500);

impl Story {
    /// The one that carries the answers falls silent for a while.
    pub(crate) async fn a_line_falls_silent(&mut self) {
        let Some(line) = self.chain.line_in_use() else {
            return self.surprise("no line carries anything".to_owned());
        };
        let name = line.name;
        daemon::say!(
            "\n2. The line in use, {name}, falls silent: bytes vanish, nothing is closed."
        );
        line.fall_silent();
        self.chain.levels(SILENT_LEVELS, Event::SilentLine).await;
        daemon::say!("   {name} works again.");
        self.chain.lines.iter().for_each(Line::come_back);
        self.chain.levels(LEVELS_BACK, Event::SilentLine).await;
        if self.chain.line_in_use().is_none_or(|line| line.name != name) {
            self.surprise(format!("{name} is not used again"));
        }
        self.judge_silence();
    }

    /// That a request failed is a surprise of its own.
    fn judge_silence(&mut self) {
        let slowest = self.chain.tally.slowest(Event::SilentLine, None).unwrap_or_default();
        let promise = self.chain.tally.promised(PROMISE);
        let (slowest_ms, promised) = (slowest.as_millis(), promise.as_millis());
        daemon::say!("   The slowest answer took {slowest_ms} ms (promised: at most {promised}).");
        if slowest > promise {
            self.surprise(format!(
                "with a silent line, an answer took {slowest_ms} ms; at most {promised} were promised"
            ));
        }
    }
}
