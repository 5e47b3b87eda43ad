//! Waiting for the signer to be ready.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;

use crate::home::Home;

/// From power-on, or from the end of what was wrong, to a signer that can sign: TCG is some ten times slower than a processor.
pub const READY_LIMIT: Duration = Duration::from_secs(240);
/// Between two questions, each of which costs the slow machine two processes.
const PAUSE: Duration = Duration::from_millis(250);

/// `/readyz`, without a program that not every system has.
const ASK: &str = r#"bash -c 'exec 3<>/dev/tcp/127.0.0.1/9584 && printf "GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n" >&3 && timeout 10 cat <&3' 2>&1"#;

impl Home {
    /// Waits until `/readyz` says that a vote can be signed; returns when that was.
    ///
    /// # Errors
    /// When it does not within [`READY_LIMIT`], with what it says.
    pub fn wait_until_ready(&mut self) -> anyhow::Result<Instant> {
        self.wait_for_readiness(true)
    }

    /// The opposite of [`Home::wait_until_ready`].
    ///
    /// # Errors
    /// When it is ready all the while.
    pub fn wait_until_not_ready(&mut self) -> anyhow::Result<Instant> {
        self.wait_for_readiness(false)
    }

    fn wait_for_readiness(&mut self, wanted: bool) -> anyhow::Result<Instant> {
        let end = Instant::now() + READY_LIMIT;
        loop {
            let said = self.readyz()?;
            if said.contains(" 200 ") == wanted {
                return Ok(Instant::now());
            }
            if Instant::now() >= end {
                bail!("ready is not {wanted} within {READY_LIMIT:?}; /readyz: {said}");
            }
            thread::sleep(PAUSE);
        }
    }

    /// What `/readyz` says, or why it says nothing.
    ///
    /// # Errors
    /// When the machine does not answer.
    pub fn readyz(&mut self) -> anyhow::Result<String> {
        Ok(self.shell()?.try_within(READY_LIMIT, ASK)?.1)
    }
}
