//! Real programs, what they write, and their end.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
pub use rustix::process::{Pid, Signal};
use rustix::process::{kill_process, kill_process_group};
use tempfile::TempDir;

use crate::wait;

/// A running program and all that it started, killed when it is dropped. What it writes, to either
/// output, is kept in one file.
#[derive(Debug)]
pub struct Daemon {
    name: String,
    child: Child,
    folder: TempDir,
}

/// Memory of a program and all that it started, in KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memory {
    /// What is in memory; a page that two processes share counts twice.
    pub resident: u64,
    /// The same with each shared page divided among its sharers; none where the kernel does not say.
    pub proportional: Option<u64>,
}

/// A place in a daemon's log: only what comes after it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bookmark(usize);

/// How many bytes of a log an error repeats.
const TAIL: usize = 3000;

/// From SIGKILL to the end; more is a kernel in trouble.
const KILL_LIMIT: Duration = Duration::from_secs(10);

impl Daemon {
    /// Starts `command`; `name` is what errors call it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(name: &str, mut command: Command) -> anyhow::Result<Daemon> {
        let folder = tempfile::tempdir()?;
        let log = File::options().create(true).append(true).open(folder.path().join("log"))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
        let child = command.spawn().with_context(|| format!("{name} cannot be started"))?;
        Ok(Daemon { name: name.to_owned(), child, folder })
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// All that it has written so far.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn log(&self) -> anyhow::Result<String> {
        self.log_after(Bookmark::default())
    }

    /// What it has written after `from`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn log_after(&self, from: Bookmark) -> anyhow::Result<String> {
        let bytes = fs::read(self.folder.path().join("log"))?;
        Ok(String::from_utf8_lossy(bytes.get(from.0..).unwrap_or_default()).into_owned())
    }

    /// The end of its log as it is now.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn bookmark(&self) -> anyhow::Result<Bookmark> {
        Ok(Bookmark(fs::read(self.folder.path().join("log"))?.len()))
    }

    /// Waits until `text` is anywhere in its log.
    ///
    /// # Errors
    /// When it is not within `limit`, or the program has ended without it.
    pub fn wait_until_log_says(&mut self, text: &str, limit: Duration) -> anyhow::Result<()> {
        self.wait_until_log_says_after(Bookmark::default(), text, limit)
    }

    /// Waits until `text` is in its log after `from`.
    ///
    /// # Errors
    /// When it is not within `limit`, or the program has ended without it.
    pub fn wait_until_log_says_after(
        &mut self,
        from: Bookmark,
        text: &str,
        limit: Duration,
    ) -> anyhow::Result<()> {
        let what = format!("{text:?} in the log of {}", self.name);
        let said = wait::until(&what, limit, || {
            // Asked before the log is read: what it wrote last must count.
            let ended = self.child.try_wait()?;
            match (self.log_after(from)?.contains(text), ended) {
                (true, _) => Ok(Some(())),
                (false, None) => Ok(None),
                (false, Some(status)) => bail!("{what}: it has ended, {status}"),
            }
        });
        said.map_err(|error| anyhow!("{error}\n{}", self.tail()))
    }

    fn tail(&self) -> String {
        let end = self.bookmark().unwrap_or_default();
        let tail = self.log_after(Bookmark(end.0.saturating_sub(TAIL)));
        tail.unwrap_or_else(|error| error.to_string())
    }

    /// Sends a signal to it alone, as a service manager does.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        if !self.is_running()? {
            bail!("{} has ended\n{}", self.name, self.tail());
        }
        kill_process(self.id(), signal).with_context(|| format!("{} and {signal:?}", self.name))
    }

    /// Sends a signal to it and to all that it started.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal_all(&mut self, signal: Signal) -> anyhow::Result<()> {
        self.signal(signal)?;
        for process in descendants(self.id())? {
            // Gone already is just as good.
            let _ = kill_process(process, signal);
        }
        Ok(())
    }

    /// What it started, and what those started.
    ///
    /// # Errors
    /// When /proc cannot be read.
    pub fn children(&self) -> anyhow::Result<Vec<Pid>> {
        descendants(self.id())
    }

    /// Whether it has not ended.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn is_running(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// SIGTERM, and its exit status.
    ///
    /// # Errors
    /// When it has ended already, or has not within `limit`.
    pub fn stop(&mut self, limit: Duration) -> anyhow::Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.wait(limit)
    }

    /// SIGKILL to it and to all that it started, and waits for its end.
    ///
    /// # Errors
    /// When it does not end.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        if !self.is_running()? {
            return Ok(());
        }
        // Stopped first, so that it starts nothing while its children are counted.
        kill_process(self.id(), Signal::STOP)?;
        let children = descendants(self.id())?;
        kill_process_group(self.id(), Signal::KILL)?;
        for child in children {
            let _ = kill_process(child, Signal::KILL);
        }
        self.wait(KILL_LIMIT).map(drop)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it has not ended within `limit`.
    pub fn wait(&mut self, limit: Duration) -> anyhow::Result<ExitStatus> {
        let what = format!("the end of {}", self.name);
        let ended = wait::until(&what, limit, || Ok(self.child.try_wait()?));
        ended.map_err(|error| anyhow!("{error}\n{}", self.tail()))
    }

    /// What it and all that it started have in memory.
    ///
    /// # Errors
    /// When it has ended.
    pub fn memory(&self) -> anyhow::Result<Memory> {
        let mut sum = memory(self.id()).with_context(|| format!("memory of {}", self.name))?;
        for child in descendants(self.id())? {
            // It may have ended since it was counted.
            let Ok(other) = memory(child) else { continue };
            sum.resident += other.resident;
            sum.proportional = sum.proportional.zip(other.proportional).map(|(a, b)| a + b);
        }
        Ok(sum)
    }

    /// Its resident memory and that of all that it started, in KiB.
    ///
    /// # Errors
    /// When it has ended.
    pub fn rss_kib(&self) -> anyhow::Result<u64> {
        Ok(self.memory()?.resident)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- log of {}\n{}", self.name, self.tail());
        }
        let _ = self.kill();
    }
}

/// Sends a signal to any process, an ssh below autossh for instance.
///
/// # Errors
/// When it has ended.
pub fn send(process: Pid, signal: Signal) -> anyhow::Result<()> {
    Ok(kill_process(process, signal)?)
}

/// All below `root`: those whose parents have ended are not among them.
fn descendants(root: Pid) -> anyhow::Result<Vec<Pid>> {
    let parents: Vec<(Pid, Pid)> = fs::read_dir("/proc")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|number| Some((Pid::from_raw(number)?, parent(number)?)))
        .collect();
    let mut found = vec![root];
    let mut at = 0;
    while let Some(&process) = found.get(at) {
        found
            .extend(parents.iter().filter(|(_, above)| *above == process).map(|(child, _)| *child));
        at += 1;
    }
    found.remove(0);
    Ok(found)
}

fn parent(process: i32) -> Option<Pid> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    Pid::from_raw(field(&status, "PPid:")?.try_into().ok()?)
}

/// What one process has in memory.
///
/// # Errors
/// When it has ended.
pub fn memory(process: Pid) -> anyhow::Result<Memory> {
    let file = |name: &str| format!("/proc/{}/{name}", process.as_raw_nonzero());
    let status = fs::read_to_string(file("status"))?;
    let resident = field(&status, "VmRSS:").context("it has ended")?;
    let rollup = fs::read_to_string(file("smaps_rollup")).ok();
    Ok(Memory { resident, proportional: rollup.and_then(|text| field(&text, "Pss:")) })
}

/// The number after `name` at the start of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}
