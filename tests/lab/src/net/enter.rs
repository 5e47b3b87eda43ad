//! Into namespaces of one's own, without being root.
//!
//! Only a program's first breath can go into a user namespace, so the test starts itself once more
//! inside, does its work there, and outside passes or fails with it:
//!
//! ```text
//! the test ── setpriv ── unshare ── sh, first of its own processes ── the test again, in the cloud
//!             dies with  its child  mounts /proc, /run, /sys
//!             the test   dies with it
//! ```
//!
//! However the test ends, all that it started ends with it: the kernel sees to it.

use std::env;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, geteuid, kill_process_group};

use super::Internet;
use crate::skip;
use crate::{programs, wait};

/// How long a test may take inside.
pub const LIMIT: Duration = Duration::from_secs(120);

/// What came of the work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was done, here or inside.
    Done,
    /// No namespaces are to be had here, and why.
    Skipped(String),
}

/// Runs the body of the test `name` (its full path, as the test program lists it) in a small
/// internet, within [`LIMIT`]. Where no namespaces are to be had it prints `skipped: …` and passes.
///
/// # Errors
/// When the body fails, takes too long, or a program is missing.
pub fn in_test(
    name: &str,
    body: impl FnOnce(&Internet) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    in_test_within(LIMIT, name, body)
}

/// [`in_test`] with another limit.
///
/// # Errors
/// Those of [`in_test`].
pub fn in_test_within(
    limit: Duration,
    name: &str,
    body: impl FnOnce(&Internet) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let arguments = ["--exact", name, "--nocapture", "--include-ignored"];
    let outcome = enter(&arguments, limit, Output::AtItsEnd, body)?;
    if let Outcome::Skipped(why) = outcome {
        skip(&why);
    }
    Ok(())
}

/// Runs `body` in a small internet, by starting this program again with `arguments`, which must lead
/// it to this call.
///
/// # Errors
/// When the body fails, takes longer than `limit`, or a program is missing.
pub fn in_program(
    arguments: &[&str],
    limit: Duration,
    body: impl FnOnce(&Internet) -> anyhow::Result<()>,
) -> anyhow::Result<Outcome> {
    enter(arguments, limit, Output::AsItComes, body)
}

/// Why no small internet can be made here; none if it can.
///
/// # Errors
/// When a program is missing.
pub fn why_not() -> anyhow::Result<Option<String>> {
    Ok(rights()?.err())
}

/// Whether this program is the one inside.
#[must_use]
pub fn is_inside() -> bool {
    env::var_os(DONE).is_some()
}

/// Where the program inside finds the file that it makes when its work is done. A program that was
/// led astray (a test of that name does not exist) ends well, too, but makes no file.
const DONE: &str = "PEEL_LAB_DONE";

/// What has to be done first inside. Everything in /run is the lab's own: `ip netns` keeps its names
/// there, sshd its empty folder. The shell stays: it reaps the dead. The system's own list of
/// passwords is not an ordinary user's to read, and sshd takes an account without a line there for a
/// locked one: hence a line for nobody, as whom sshd then runs.
const SETUP: &str = r#"
PATH=$PATH:/usr/sbin:/sbin; export PATH
set -e
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -m 755 /run/netns /run/sshd
if ! test -r /etc/shadow; then
    echo 'nobody:*:1::::::' >/run/shadow
    mount --bind /run/shadow /etc/shadow
fi
ip link set lo up
ip netns add home
ip netns exec home true
set +e
"$@"
exit $?
"#;

/// As root there is no need of a user namespace, and without one sshd can become another user.
const AS_ROOT: &[&str] = &[];
const AS_ANYBODY: &[&str] = &["--user", "--map-root-user"];

enum Output {
    /// Printed when it is over: a test's output belongs to the test.
    AtItsEnd,
    AsItComes,
}

fn enter(
    arguments: &[&str],
    limit: Duration,
    output: Output,
    body: impl FnOnce(&Internet) -> anyhow::Result<()>,
) -> anyhow::Result<Outcome> {
    if let Some(done) = env::var_os(DONE) {
        body(&Internet::build()?)?;
        fs::write(done, "")?;
        return Ok(Outcome::Done);
    }
    let rights = match rights()? {
        Ok(rights) => rights,
        Err(why) => return Ok(Outcome::Skipped(why)),
    };
    let folder = tempfile::tempdir()?;
    let done = folder.path().join("done");
    let mut command = unshare(rights)?;
    command.arg(env::current_exe()?).args(arguments).env(DONE, &done);
    let status = match output {
        Output::AtItsEnd => run_and_print(command, limit, &folder.path().join("output"))?,
        Output::AsItComes => run(command, limit)?,
    };
    match (status.success(), done.exists()) {
        (true, true) => Ok(Outcome::Done),
        (true, false) => bail!("{} did not lead to the same place inside", arguments.join(" ")),
        (false, _) => bail!("it failed inside: {status}"),
    }
}

/// With what the namespaces can be made here; or why they cannot.
fn rights() -> anyhow::Result<Result<&'static [&'static str], String>> {
    programs::path("ip")?;
    let mut why = String::new();
    let ways = if geteuid().is_root() { &[AS_ROOT, AS_ANYBODY][..] } else { &[AS_ANYBODY] };
    for way in ways {
        let tried = unshare(way)?.arg("true").output()?;
        if tried.status.success() {
            return Ok(Ok(way));
        }
        String::from_utf8_lossy(&tried.stderr).trim().clone_into(&mut why);
    }
    Ok(Err(format!("no network namespaces are to be had here: {why}")))
}

fn unshare(rights: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new(programs::path("setpriv")?);
    command.args(["--pdeathsig", "KILL"]).arg(programs::path("unshare")?).args(rights);
    command.args(["--net", "--mount", "--pid", "--fork", "--kill-child"]);
    command.args(["sh", "-c", SETUP, "sh"]).stdin(Stdio::null());
    Ok(command)
}

fn run_and_print(mut command: Command, limit: Duration, file: &Path) -> anyhow::Result<ExitStatus> {
    let output = File::options().create(true).append(true).open(file)?;
    command.stdout(output.try_clone()?).stderr(output);
    let status = run(command, limit);
    // Indented: whoever counts the results of tests must not count this one twice.
    for line in String::from_utf8_lossy(&fs::read(file)?).lines() {
        println!("  inside: {line}");
    }
    status
}

fn run(mut command: Command, limit: Duration) -> anyhow::Result<ExitStatus> {
    let child = command.process_group(0).spawn().context("setpriv cannot be started")?;
    let mut group = Group(child);
    wait::until("the work inside", limit, || Ok(group.0.try_wait()?))
}

/// Ended with everything in it when it is dropped.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        // Of a group whose leader is reaped the number may be somebody else's.
        if matches!(self.0.try_wait(), Ok(None)) {
            let _ = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
            let _ = self.0.wait();
        }
    }
}
