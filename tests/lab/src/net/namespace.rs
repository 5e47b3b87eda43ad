//! One computer of the small internet.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsFd;
use std::process::{Command, Output, Stdio};
use std::thread;

use anyhow::{Context, anyhow, bail};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::programs;

/// A network namespace: one of the lab's, or the one that the test itself is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Namespace(Option<&'static str>);

impl Namespace {
    /// Where the test itself is. Inside the lab: the cloud. Outside: this machine.
    #[must_use]
    pub const fn here() -> Namespace {
        Namespace(None)
    }

    /// One that `ip netns add` has made under this name.
    #[must_use]
    pub const fn named(name: &'static str) -> Namespace {
        Namespace(Some(name))
    }

    /// Runs `program` there, as the very process that is started: its id is the program's.
    ///
    /// # Errors
    /// When iproute2 is not here.
    pub fn command(self, program: impl AsRef<std::ffi::OsStr>) -> anyhow::Result<Command> {
        let Some(name) = self.0 else { return Ok(Command::new(program)) };
        // It shows the namespace's own /sys/class/net too, which nsenter --net does not.
        let mut command = Command::new(programs::path("ip")?);
        command.args(["netns", "exec", name]).arg(program);
        Ok(command)
    }

    /// Runs a short command there to its end; gives what it wrote.
    ///
    /// # Errors
    /// When it cannot be started or fails, with what it said.
    pub fn run(self, program: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.command(program)?.args(arguments).stdin(Stdio::null()).output();
        said(output.with_context(|| format!("{program} cannot be started"))?)
            .with_context(|| format!("{program} {}", arguments.join(" ")))
    }

    /// Runs `work` on a thread that is there; the sockets it opens stay there.
    ///
    /// # Errors
    /// When the thread cannot go there; whatever `work` fails with.
    pub fn on_thread<T: Send>(
        self,
        work: impl FnOnce() -> anyhow::Result<T> + Send,
    ) -> anyhow::Result<T> {
        thread::scope(|scope| {
            let working = scope.spawn(|| {
                self.move_thread()?;
                work()
            });
            working.join().map_err(|_| anyhow!("a thread panicked in {self:?}"))?
        })
    }

    /// Moves the calling thread there, and the threads it starts from now on.
    ///
    /// # Errors
    /// When there is no such namespace, or no right.
    pub fn move_thread(self) -> anyhow::Result<()> {
        let Some(name) = self.0 else { return Ok(()) };
        let link = File::open(format!("/run/netns/{name}"))?;
        Ok(move_into_link_name_space(link.as_fd(), Some(LinkNameSpaceType::Network))?)
    }

    /// Runs these lines of `ip -batch` there.
    ///
    /// # Errors
    /// When `ip` refuses one of them, with what it said.
    pub fn ip(self, lines: &str) -> anyhow::Result<()> {
        let mut ip = self.command(programs::path("ip")?)?;
        ip.args(["-batch", "-"]).stdin(Stdio::piped());
        let mut child = ip.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(lines.as_bytes())?;
        }
        said(child.wait_with_output()?).with_context(|| format!("ip, in {self:?}: {lines}"))?;
        Ok(())
    }

    /// Sets `/proc/sys/net/ipv4/<name>`, which shows the namespace of the thread that looks.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set_ipv4(self, name: &'static str, value: &'static str) -> anyhow::Result<()> {
        let set = move || Ok(fs::write(format!("/proc/sys/net/ipv4/{name}"), value)?);
        self.on_thread(set).with_context(|| format!("{name} cannot be set in {self:?}"))
    }
}

fn said(output: Output) -> anyhow::Result<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        bail!("{}: {}{}", output.status, text(&output.stdout), text(&output.stderr))
    }
}
