//! Waiting for what will come, or saying that it did not.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;

/// Between two looks: short beside anything that is measured here.
const PAUSE: Duration = Duration::from_millis(5);

/// Looks until `probe` finds something.
///
/// # Errors
/// When it finds nothing within `limit`, named by `what`; whatever `probe` fails with, at once.
pub fn until<T>(
    what: &str,
    limit: Duration,
    mut probe: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = probe()? {
            return Ok(found);
        }
        if Instant::now() >= end {
            bail!("{what}: not within {:.1} s", limit.as_secs_f64());
        }
        thread::sleep(PAUSE);
    }
}
