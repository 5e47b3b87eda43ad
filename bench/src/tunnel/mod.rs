//! Measures what `docs/performance.md` promises of the tunnel, beside the usual stack of OpenSSH: the
//! release build and Debian's programs, in one small internet, in one run.

pub(crate) mod crowd;
mod events;
mod fixture;
mod handshakes;
mod latency;

use std::time::Duration;

use anyhow::bail;
use lab::net::{Outcome, in_program};

use crate::awake::Awake;
use crate::report;

/// For all rows together.
const LIMIT: Duration = Duration::from_secs(15 * 60);

/// Everything of the table, one row after the other.
pub(crate) fn tunnel() -> anyhow::Result<()> {
    let outcome = in_program(&["tunnel"], LIMIT, |internet| {
        let awake = Awake::start()?;
        let mut rows = latency::one_at_a_time()?;
        drop(awake);
        rows.push(events::endpoint_made_again(internet)?);
        rows.push(events::both_lines_cut(internet)?);
        rows.push(events::main_line_silent(internet)?);
        rows.push(handshakes::a_thousand_a_second()?);
        rows.extend(crowd::five_hundred()?);
        report::write("tunnel", &rows)
    })?;
    match outcome {
        Outcome::Done => Ok(()),
        Outcome::Skipped(why) => bail!("not measured: {why}"),
    }
}
