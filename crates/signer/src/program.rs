//! Programs of the system that are asked something, each within a limit.

use std::ffi::OsString;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// A program and its words.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    name: OsString,
    words: Vec<OsString>,
    /// The address of a message bus that is no system's.
    #[cfg(test)]
    bus: Option<String>,
    limit: Duration,
}

/// What a program wrote before it ended.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

/// Why a program gave nothing. *Failed*.
#[derive(Debug, Error)]
pub(crate) enum ProgramError {
    #[error("it is not installed")]
    NotInstalled,
    #[error("it does not answer in time")]
    Late,
    #[error("{0}")]
    Failed(io::Error),
}

const LIMIT: Duration = Duration::from_secs(2);
/// For the system to end a process that was killed.
pub(crate) const KILL_LIMIT: Duration = Duration::from_secs(1);
/// Bytes that are read of what it writes.
const MAX_OUTPUT: u64 = 256 * 1024;

impl Program {
    /// In whatever folder of PATH it is.
    pub(crate) fn new(name: &str, words: &[&str]) -> Program {
        let words = words.iter().map(OsString::from).collect();
        Program {
            name: name.into(),
            words,
            #[cfg(test)]
            bus: None,
            limit: LIMIT,
        }
    }

    /// The same with another limit.
    #[cfg(test)]
    pub(crate) fn within(self, limit: Duration) -> Program {
        Program { limit, ..self }
    }

    /// The same on another bus.
    #[cfg(test)]
    pub(crate) fn on_bus(self, address: &str) -> Program {
        Program { bus: Some(address.to_owned()), ..self }
    }

    /// Runs it to its end, within the limit.
    pub(crate) async fn run(&self) -> Result<Output, ProgramError> {
        let mut child = self.spawn().map_err(|error| {
            let is_installed = error.kind() != io::ErrorKind::NotFound;
            if is_installed { ProgramError::Failed(error) } else { ProgramError::NotInstalled }
        })?;
        match timeout(self.limit, output(&mut child)).await {
            Ok(output) => output.map_err(ProgramError::Failed),
            Err(_) => {
                // A process that does not end even so is reaped by tokio, when it does.
                let _ = timeout(KILL_LIMIT, child.kill()).await;
                Err(ProgramError::Late)
            }
        }
    }

    fn spawn(&self) -> io::Result<Child> {
        let mut command = Command::new(&self.name);
        #[cfg(test)]
        command.envs(self.bus.iter().map(|address| ("DBUS_SYSTEM_BUS_ADDRESS", address)));
        command
            .args(&self.words)
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
    }
}

async fn output(child: &mut Child) -> io::Result<Output> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (stdout, stderr) = tokio::try_join!(beginning(stdout), beginning(stderr))?;
    Ok(Output { status: child.wait().await?, stdout, stderr })
}

/// What is written to a pipe, up to the bound. The pipe is closed then: what is written after that fails.
async fn beginning(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(MAX_OUTPUT).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}
