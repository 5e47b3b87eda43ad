//! Commands as root in the machine, over a port that `guest/peel-test.sh` reads.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use base64ct::{Base64, Encoding};

/// A shell in the machine.
#[derive(Debug)]
pub struct Shell {
    stream: BufReader<UnixStream>,
}

/// What the machine writes when a command has ended, before its exit code.
const ENDED: &str = "peel-test: ";
/// For a command that only looks.
pub const SOON: Duration = Duration::from_secs(60);

impl Shell {
    pub(crate) fn new(stream: UnixStream) -> Shell {
        Shell { stream: BufReader::new(stream) }
    }

    /// Runs a line of shell; gives what it wrote.
    ///
    /// # Errors
    /// When it fails, with what it wrote, or does not end within `limit`.
    pub fn run_within(&mut self, limit: Duration, line: &str) -> anyhow::Result<String> {
        let (code, said) = self.try_within(limit, line)?;
        ensure!(code == "0", "{line}: exit code {code}\n{said}");
        Ok(said)
    }

    /// The same, within [`SOON`].
    ///
    /// # Errors
    /// Those of [`Shell::run_within`].
    pub fn run(&mut self, line: &str) -> anyhow::Result<String> {
        self.run_within(SOON, line)
    }

    /// Its exit code, and what it wrote.
    ///
    /// # Errors
    /// When it does not end within `limit`.
    pub fn try_within(&mut self, limit: Duration, line: &str) -> anyhow::Result<(String, String)> {
        ensure!(!line.contains('\n'), "one line at a time: {line:?}");
        let stream = self.stream.get_mut();
        stream.set_read_timeout(Some(limit))?;
        stream.write_all(format!("{line}\n").as_bytes())?;
        let mut said = String::new();
        loop {
            let mut next = String::new();
            let count =
                self.stream.read_line(&mut next).with_context(|| format!("{line}\n{said}"))?;
            if count == 0 {
                bail!("the machine has ended: {line}\n{said}");
            }
            match next.strip_prefix(ENDED) {
                Some(code) => return Ok((code.trim().to_owned(), said.trim_end().to_owned())),
                None => said += &next,
            }
        }
    }

    /// Writes a file; its folder has to be there.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self, file: &str, text: &str) -> anyhow::Result<()> {
        let text = Base64::encode_string(text.as_bytes());
        self.run(&format!("echo {text} | base64 -d > {file}")).map(drop)
    }
}
