//! Whether this computer's clock is synchronised: a Raspberry Pi has no battery for it, and starts in the past.
//!
//! The kernel knows (`adjtimex`), but no crate that is well kept reads it without `unsafe` here: clock-steering, of
//! ntpd-rs, sets clocks and shows nothing. So systemd is asked. Its own client of time servers leaves a file; where
//! another one runs (chrony, ntpd), `timedatectl` says what the kernel says.
//!
//! Of the two daemons only the one at home cares: its level bound goes by the time, and clouds keep their own clocks.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use daemon::Shutdown;
use parking_lot::Mutex;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// This computer's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Clock {
    Synchronized,
    NotSynchronized,
    /// With the reason.
    Unknown(String),
}

/// The clock as it was when last looked at. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct ClockWatch(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    system: System,
    state: Mutex<Clock>,
}

/// Where it is said.
#[derive(Debug, Clone)]
struct System {
    /// systemd-timesyncd's folder while it runs, with the file `synchronized` in it once it has the time.
    timesyncd: PathBuf,
    /// It is there if systemd runs, as for sd_booted(3).
    systemd: PathBuf,
    /// What says `yes` or `no`, and the words to ask it with.
    program: &'static str,
    words: &'static [&'static str],
}

/// The program starts a service of systemd to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// For a program that was killed to be gone.
const END_LIMIT: Duration = Duration::from_secs(1);
/// More than `yes` or `no`.
const MAX_ANSWER: u64 = 64;
/// Between two looks at the file.
const FILE_PAUSE: Duration = Duration::from_secs(10);
/// Between two starts of the program.
const PROGRAM_PAUSE: Duration = Duration::from_secs(60);

const SYSTEMD_WORDS: [&str; 3] = ["show", "--property=NTPSynchronized", "--value"];

impl ClockWatch {
    /// Looks at the clock for the first time, within some three seconds.
    pub(crate) async fn start() -> ClockWatch {
        ClockWatch::of(System::here()).await
    }

    async fn of(system: System) -> ClockWatch {
        let state = Mutex::new(system.look().await);
        ClockWatch(Arc::new(Inner { system, state }))
    }

    /// What the last look showed.
    pub(crate) fn state(&self) -> Clock {
        self.0.state.lock().clone()
    }

    /// Looks again and again until shutdown is requested.
    pub(crate) async fn watch(&self, shutdown: &Shutdown) {
        loop {
            let pause = if self.0.system.has_file() { FILE_PAUSE } else { PROGRAM_PAUSE };
            let looked = async {
                sleep(pause).await;
                self.0.system.look().await
            };
            let clock = tokio::select! {
                () = shutdown.requested() => return,
                clock = looked => clock,
            };
            *self.0.state.lock() = clock;
        }
    }
}

impl System {
    fn here() -> System {
        System {
            timesyncd: PathBuf::from("/run/systemd/timesync"),
            systemd: PathBuf::from("/run/systemd/system"),
            program: "timedatectl",
            words: &SYSTEMD_WORDS,
        }
    }

    fn has_file(&self) -> bool {
        self.timesyncd.exists()
    }

    async fn look(&self) -> Clock {
        if self.has_file() {
            return said_by(&self.timesyncd);
        }
        if !self.systemd.exists() {
            return Clock::Unknown("systemd does not run here".to_owned());
        }
        match self.spawn() {
            Ok(child) => self.answer_of(child).await,
            Err(error) => Clock::Unknown(format!("{} cannot be started: {error}", self.program)),
        }
    }

    fn spawn(&self) -> io::Result<Child> {
        let mut command = Command::new(self.program);
        command.args(self.words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        // If this process stops waiting, as at shutdown.
        command.kill_on_drop(true).spawn()
    }

    async fn answer_of(&self, mut child: Child) -> Clock {
        let answered = timeout(ANSWER_LIMIT, answer(&mut child)).await;
        let why = match answered {
            Ok(Ok(answer)) if answer.trim() == "yes" => return Clock::Synchronized,
            Ok(Ok(answer)) if answer.trim() == "no" => return Clock::NotSynchronized,
            Ok(Ok(_)) => "says neither yes nor no".to_owned(),
            Ok(Err(error)) => format!("failed: {error}"),
            Err(_) => format!("has not answered within {} s", ANSWER_LIMIT.as_secs()),
        };
        // Killed and waited for. One that the kernel does not let go is left to the runtime.
        let _ = timeout(END_LIMIT, child.kill()).await;
        Clock::Unknown(format!("{} {why}", self.program))
    }
}

fn said_by(timesyncd: &Path) -> Clock {
    let is_synchronized = timesyncd.join("synchronized").exists();
    if is_synchronized { Clock::Synchronized } else { Clock::NotSynchronized }
}

/// What it writes, when it has ended well.
async fn answer(child: &mut Child) -> io::Result<String> {
    let mut text = String::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(MAX_ANSWER).read_to_string(&mut text).await?;
    }
    let status = child.wait().await?;
    if status.success() { Ok(text) } else { Err(io::Error::other(status.to_string())) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;
    use tokio::time::Instant;

    use super::*;
    use crate::starting;

    /// A shell in the place of timedatectl.
    fn system(folder: &TempDir, words: &'static [&'static str]) -> System {
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("system")).unwrap();
        System { timesyncd: path("timesync"), systemd: path("system"), program: "sh", words }
    }

    /// What the program's answer means, and its process number.
    async fn asked(words: &'static [&'static str]) -> (Clock, u32) {
        let folder = tempfile::tempdir().unwrap();
        let system = system(&folder, words);
        let child = starting::alone(|| system.spawn()).unwrap();
        let number = child.id().unwrap();
        (system.answer_of(child).await, number)
    }

    fn unknown(clock: Clock) -> String {
        match clock {
            Clock::Unknown(why) => why,
            known @ (Clock::Synchronized | Clock::NotSynchronized) => panic!("{known:?}"),
        }
    }

    #[tokio::test]
    async fn the_file_of_timesyncd_says_it() {
        let folder = tempfile::tempdir().unwrap();
        let system = system(&folder, &["-c", "echo not asked"]);
        fs::create_dir(&system.timesyncd).unwrap();
        assert_eq!(system.look().await, Clock::NotSynchronized);
        fs::write(system.timesyncd.join("synchronized"), "").unwrap();
        assert_eq!(system.look().await, Clock::Synchronized);
    }

    #[tokio::test]
    async fn without_the_file_the_program_says_it() {
        assert_eq!(asked(&["-c", "echo yes"]).await.0, Clock::Synchronized);
        assert_eq!(asked(&["-c", "echo no"]).await.0, Clock::NotSynchronized);
    }

    #[tokio::test]
    async fn an_answer_that_is_none_is_unknown_with_the_reason() {
        for (words, word) in [
            (&["-c", "echo maybe"] as &'static [&'static str], "neither yes nor no"),
            (&["-c", "echo yes; exit 3"], "exit status: 3"),
            (&["-c", "yes yes"], "failed"),
            (&["-c", "yes | tr -d '\\n'"], "failed"),
            (&["-c", "printf '\\377'"], "failed"),
        ] {
            let why = unknown(asked(words).await.0);
            assert!(why.starts_with("sh ") && why.contains(word), "{words:?}: {why}");
        }
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_killed_and_gone_within_its_limit() {
        let started = Instant::now();
        let (clock, number) = asked(&["-c", "exec sleep 1000"]).await;
        let why = unknown(clock);
        assert!(why.contains("has not answered within 2 s"), "{why}");
        assert!((ANSWER_LIMIT..Duration::from_secs(20)).contains(&started.elapsed()));
        // Not even as a zombie: that would still have a folder.
        assert!(!Path::new(&format!("/proc/{number}")).exists());
    }

    #[tokio::test]
    async fn a_computer_without_systemd_is_unknown_and_starts_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let system =
            System { systemd: folder.path().join("none"), ..system(&folder, &["-c", "echo yes"]) };
        assert_eq!(system.look().await, Clock::Unknown("systemd does not run here".to_owned()));
        let missing = System { program: "no-such-program", ..self::system(&folder, &[]) };
        assert!(starting::alone(|| missing.spawn()).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_is_seen_and_the_watch_hears_shutdown() {
        let folder = tempfile::tempdir().unwrap();
        let system = system(&folder, &[]);
        fs::create_dir(&system.timesyncd).unwrap();
        let (file, shutdown) = (system.timesyncd.join("synchronized"), Shutdown::new());
        let watch = ClockWatch::of(system).await;
        assert_eq!(watch.state(), Clock::NotSynchronized);
        fs::write(file, "").unwrap();
        let seen = async {
            sleep(FILE_PAUSE - Duration::from_millis(1)).await;
            assert_eq!(watch.state(), Clock::NotSynchronized);
            sleep(Duration::from_millis(2)).await;
            assert_eq!(watch.state(), Clock::Synchronized);
            shutdown.request();
        };
        tokio::join!(watch.watch(&shutdown), seen);
    }
}
