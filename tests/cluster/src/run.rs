//! Running a command to its end, within a limit.

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use lab::process::Pid;
use lab::wait;
use rustix::process::{Signal, kill_process};

/// What a command that succeeded wrote on its standard output.
///
/// # Errors
/// When it cannot be started, fails, or takes longer than `limit`: with what it wrote.
pub fn said(mut command: Command, limit: Duration) -> anyhow::Result<String> {
    let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
    let what = words.join(" ");
    let folder = tempfile::tempdir()?;
    let (out, err) = (folder.path().join("out"), folder.path().join("err"));
    command.stdout(File::create(&out)?).stderr(File::create(&err)?);
    let mut child = command.spawn().with_context(|| format!("{what}: it cannot be started"))?;
    let ended = wait::until(&what, limit, || Ok(child.try_wait()?));
    if ended.is_err() {
        // Not reaped, so that its number is still its own.
        let _ = kill_process(Pid::from_child(&child), Signal::KILL);
        let _ = child.wait();
    }
    let text =
        |file| Ok::<_, std::io::Error>(String::from_utf8_lossy(&fs::read(file)?).into_owned());
    let (out, err) = (text(&out)?, text(&err)?);
    match ended {
        Ok(status) if status.success() => Ok(out),
        Ok(status) => bail!("{what}: {status}\n{out}{err}"),
        Err(error) => bail!("{error}\n{out}{err}"),
    }
}

/// A command that reads `text`.
///
/// # Errors
/// When the text cannot be kept in a file.
pub(crate) fn with_input(command: &mut Command, text: &str) -> anyhow::Result<()> {
    use std::io::{Seek, Write};
    let mut file = tempfile::tempfile()?;
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    command.stdin(Stdio::from(file));
    Ok(())
}
