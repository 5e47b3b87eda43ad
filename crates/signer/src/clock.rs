//! Whether this computer's clock is synchronised: a Raspberry Pi has no battery for it, and starts in the past.
//!
//! The kernel knows (`adjtimex`), but no crate that is well kept reads it without `unsafe` here: clock-steering, of
//! ntpd-rs, sets clocks and shows nothing. So systemd is asked. Its own client of time servers leaves a file; where
//! another one runs (chrony, ntpd), `timedatectl` says what the kernel says.
//!
//! Of the two daemons only the one at home cares: its level bound goes by the time, and clouds keep their own clocks.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use daemon::Shutdown;
use parking_lot::Mutex;
use tokio::time::sleep;

use crate::program::Program;

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
    /// What says `yes` or `no`.
    timedatectl: Program,
}

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
            timedatectl: Program::new("timedatectl", &SYSTEMD_WORDS),
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
        let why = match self.timedatectl.run().await {
            Ok(output) if output.status.success() => match output.stdout.trim_ascii() {
                b"yes" => return Clock::Synchronized,
                b"no" => return Clock::NotSynchronized,
                _ => "it says neither yes nor no".to_owned(),
            },
            Ok(output) => format!("it failed with {}", output.status),
            Err(error) => error.to_string(),
        };
        Clock::Unknown(format!("timedatectl: {why}"))
    }
}

fn said_by(timesyncd: &Path) -> Clock {
    let is_synchronized = timesyncd.join("synchronized").exists();
    if is_synchronized { Clock::Synchronized } else { Clock::NotSynchronized }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    /// A shell in the place of timedatectl.
    fn system(folder: &TempDir, script: &str) -> System {
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("system")).unwrap();
        let timedatectl = Program::new("sh", &["-c", script]);
        System { timesyncd: path("timesync"), systemd: path("system"), timedatectl }
    }

    /// What the program's answer means.
    async fn asked(script: &str) -> Clock {
        let folder = tempfile::tempdir().unwrap();
        system(&folder, script).look().await
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
        let system = system(&folder, "echo not asked");
        fs::create_dir(&system.timesyncd).unwrap();
        assert_eq!(system.look().await, Clock::NotSynchronized);
        fs::write(system.timesyncd.join("synchronized"), "").unwrap();
        assert_eq!(system.look().await, Clock::Synchronized);
    }

    #[tokio::test]
    async fn without_the_file_the_program_says_it() {
        assert_eq!(asked("echo yes").await, Clock::Synchronized);
        assert_eq!(asked("echo no").await, Clock::NotSynchronized);
    }

    #[tokio::test]
    async fn an_answer_that_is_none_is_unknown_with_the_reason() {
        for (script, word) in [
            ("echo maybe", "neither yes nor no"),
            ("echo yes; exit 3", "exit status: 3"),
            ("yes yes", "failed"),
            ("printf '\\377'", "neither yes nor no"),
            ("exec sleep 1000", "does not answer in time"),
        ] {
            let why = unknown(asked(script).await);
            assert!(why.starts_with("timedatectl: ") && why.contains(word), "{script}: {why}");
        }
    }

    #[tokio::test]
    async fn a_computer_without_systemd_is_unknown_and_starts_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let system = System { systemd: folder.path().join("none"), ..system(&folder, "echo yes") };
        assert_eq!(system.look().await, Clock::Unknown("systemd does not run here".to_owned()));
        let timedatectl = Program::new("/nowhere/timedatectl", &[]);
        let missing = System { timedatectl, ..self::system(&folder, "") };
        assert_eq!(unknown(missing.look().await), "timedatectl: it is not installed");
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_is_seen_and_the_watch_hears_shutdown() {
        let folder = tempfile::tempdir().unwrap();
        let system = system(&folder, "echo not asked");
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
