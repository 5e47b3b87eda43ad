//! A configuration that is read anew while the daemon runs: when, and what came of it.
//!
//! A file is looked at each second, so that it does not matter how it is replaced: written in place, renamed into its
//! place, or by a symlink to another folder, as Kubernetes does with a ConfigMap.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Registry;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::config::{ConfigError, ConfigFile};
use crate::file_stamp::FileStamp;
use crate::health::seconds_since_1970;
use crate::{Fact, Verdict, scrape};

/// Notices when a configuration has to be read anew, and reads it.
#[derive(Debug)]
pub struct Changes(Option<Watched>);

#[derive(Debug)]
struct Watched {
    file: PathBuf,
    seen: Option<FileStamp>,
    hang_up: Signal,
}

/// Between two looks at the file.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Changes {
    /// Of the file since it was read; none: there never is one.
    ///
    /// # Errors
    /// When the system takes no signal handler.
    pub fn of(file: Option<&ConfigFile>) -> io::Result<Changes> {
        Ok(Changes(file.map(|file| Watched::of(file.path(), file.stamp())).transpose()?))
    }

    /// What `read` makes of the file at the next SIGHUP, or when the file has changed and stays as it is for a second. A
    /// file that is gone is no change. A future that is dropped may have noticed a change, which is then lost.
    ///
    /// # Errors
    /// Those of `read`.
    pub async fn next<C: Send + 'static>(
        &mut self,
        read: fn(&Path) -> Result<C, ConfigError>,
    ) -> Result<C, ConfigError> {
        let Some(watched) = &mut self.0 else { return std::future::pending().await };
        loop {
            watched.changed().await;
            let file = watched.file.clone();
            // On a thread of its own: a disk that hangs, or a password that takes long to check, must not hold up a vote.
            if let Ok(config) = spawn_blocking(move || read(&file)).await {
                return config;
            }
        }
    }
}

impl Watched {
    fn of(file: &Path, seen: Option<FileStamp>) -> io::Result<Watched> {
        let hang_up = signal(SignalKind::hangup())?;
        Ok(Watched { file: file.to_owned(), seen, hang_up })
    }

    async fn changed(&mut self) {
        let before = self.seen;
        let mut last = before;
        loop {
            tokio::select! {
                _ = self.hang_up.recv() => break,
                () = sleep(LOOK_EVERY) => {}
            }
            let now = stamp_of(self.file.clone()).await;
            if now.is_some() && now != before && now == last {
                break;
            }
            last = now;
        }
        // What is written from here on is another change.
        self.seen = stamp_of(self.file.clone()).await;
    }
}

async fn stamp_of(file: PathBuf) -> Option<FileStamp> {
    spawn_blocking(move || FileStamp::of(&file)).await.ok().flatten()
}

/// What came of the last time that the configuration was read. Clones share it.
#[derive(Debug, Clone)]
pub struct LastReload(Arc<Mutex<(Outcome, f64)>>);

#[derive(Debug, Clone)]
enum Outcome {
    /// What runs is what the file says.
    Applied,
    /// The file says more than can be changed while the daemon runs.
    NeedsRestart(String),
    /// The file is wrong, and what it said before goes on.
    Refused(String),
}

impl Default for LastReload {
    /// The daemon has just been started with it.
    fn default() -> LastReload {
        LastReload(Arc::new(Mutex::new((Outcome::Applied, seconds_since_1970()))))
    }
}

/// A mistake in TOML comes with a picture of its line, which is left out: a fact is one line.
fn in_one_line(why: &str) -> String {
    let is_picture = |line: &&str| {
        let margin = line.split('|').next().unwrap_or_default();
        line.contains('|') && margin.chars().all(|c| c.is_ascii_digit() || c == ' ')
    };
    let lines = why.lines().filter(|line| !is_picture(line)).map(str::trim);
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(": ")
}

impl LastReload {
    /// Notes, and logs, what was taken up, and what of it waits for a restart.
    pub fn taken_up(&self, changes: &str, fields: &[String]) {
        if fields.is_empty() {
            self.applied(changes);
        } else {
            self.needs_restart(changes, fields);
        }
    }

    /// What runs is what the file says; `changes` is empty when the file says the same as before.
    fn applied(&self, changes: &str) {
        let changes = if changes.is_empty() { "nothing has changed" } else { changes };
        tracing::info!("the configuration was read anew: {changes}");
        *self.0.lock() = (Outcome::Applied, seconds_since_1970());
    }

    /// The same, but for `fields`, which are taken up at the next start.
    fn needs_restart(&self, changes: &str, fields: &[String]) {
        let fields = fields.join(", ");
        let and = if changes.is_empty() { String::new() } else { format!("{changes}; ") };
        tracing::warn!(
            "the configuration was read anew: {and}{fields} changed, and wait for a restart"
        );
        *self.0.lock() = (Outcome::NeedsRestart(fields), seconds_since_1970());
    }

    /// Notes, and logs, that the file is wrong.
    pub fn refused(&self, why: &str) {
        let why = &in_one_line(why);
        tracing::error!("the configuration is refused, and the one from before goes on: {why}");
        self.0.lock().0 = Outcome::Refused(why.to_owned());
    }

    /// Whether what runs is what the file says.
    #[must_use]
    pub fn fact(&self) -> Fact {
        let fact = |state, verdict, line| Fact::new("configuration", state, verdict, line);
        let fact = match &self.0.lock().0 {
            Outcome::Applied => fact("current", Verdict::Good, "ok".to_owned()),
            Outcome::NeedsRestart(fields) => fact(
                "restart_needed",
                Verdict::Degraded,
                format!("{fields} changed in the file since the start; restart to take it up"),
            ),
            Outcome::Refused(why) => fact(
                "refused",
                Verdict::Degraded,
                format!("the file is wrong, and what it said before goes on; correct it: {why}"),
            ),
        };
        fact.logged_elsewhere()
    }

    /// Registers it, under the daemon's name, as Prometheus does of its own.
    pub fn register(&self, registry: &mut Registry, daemon: &str) {
        let (reload, daemon) = (self.clone(), daemon.to_owned());
        registry.register_collector(Box::new(Readings { reload, daemon }));
    }
}

#[derive(Debug)]
struct Readings {
    reload: LastReload,
    daemon: String,
}

impl Collector for Readings {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (outcome, read_at) = self.reload.0.lock().clone();
        let name = format!("{}_config_last_reload_successful", self.daemon);
        let help = "0: the configuration file is wrong, and what it said before goes on";
        let is_successful = !matches!(outcome, Outcome::Refused(_));
        scrape::gauge(&mut encoder, (&name, help), i64::from(is_successful))?;
        let name = format!("{}_config_last_reload_success_timestamp_seconds", self.daemon);
        let help = "When the configuration file was last read and taken, in seconds since 1970";
        scrape::gauge(&mut encoder, (&name, help), read_at)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    async fn notices(watched: &mut Watched) -> bool {
        timeout(SOON, watched.changed()).await.is_ok()
    }

    /// As an editor, a rename, and Kubernetes do it.
    #[tokio::test]
    async fn a_file_that_is_written_renamed_or_swapped_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("1")).unwrap();
        fs::create_dir_all(at("2")).unwrap();
        fs::write(at("1/file"), "a").unwrap();
        fs::write(at("2/file"), "a").unwrap();
        symlink("1", at("data")).unwrap();
        symlink("data/file", at("file")).unwrap();
        let mut changes = Watched::of(&at("file"), FileStamp::of(&at("file"))).unwrap();

        fs::write(at("1/file"), "b").unwrap();
        assert!(notices(&mut changes).await);
        fs::write(at("new"), "b").unwrap();
        fs::rename(at("new"), at("1/file")).unwrap();
        assert!(notices(&mut changes).await);
        symlink("2", at("data-new")).unwrap();
        fs::rename(at("data-new"), at("data")).unwrap();
        assert!(notices(&mut changes).await);
    }

    #[tokio::test]
    async fn a_file_that_is_the_same_or_gone_is_no_change() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "a").unwrap();
        let mut changes = Watched::of(&file, FileStamp::of(&file)).unwrap();
        assert!(timeout(3 * LOOK_EVERY, changes.changed()).await.is_err());
        fs::remove_file(&file).unwrap();
        assert!(timeout(3 * LOOK_EVERY, changes.changed()).await.is_err());
        fs::write(&file, "b").unwrap();
        assert!(notices(&mut changes).await);
    }

    /// The daemon may wait for a port meanwhile, for a minute.
    #[tokio::test]
    async fn a_change_between_the_reading_and_the_first_look_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "a = 1").unwrap();
        let read = |path: &Path| {
            let understand = |typed: toml::Table, _: &Path| Ok::<_, fmt::Error>(typed);
            crate::config::read(path, understand)
        };
        let (_, config) = read(&file).unwrap();
        fs::write(&file, "a = 22").unwrap();
        let mut changes = Changes::of(Some(&config)).unwrap();
        let next = timeout(SOON, changes.next(read)).await.expect("it is not noticed");
        assert_eq!(next.unwrap().1.differs_in(&config, &[]), ["a"]);
    }

    #[test]
    fn a_mistake_is_told_in_one_line() {
        let error = toml::from_str::<toml::Table>("a = 1\nb = \n").unwrap_err().to_string();
        assert!(error.lines().count() > 1, "{error}");
        let line = in_one_line(&error);
        assert!(line.starts_with("TOML parse error at line 2, column 5: "), "{line}");
        assert!(!line.contains(['\n', '|', '^']), "{line}");
        assert_eq!(in_one_line("a|b: two signers"), "a|b: two signers");
    }

    #[test]
    fn a_wrong_file_is_told_until_a_right_one_is_read() {
        let reload = LastReload::default();
        assert!(reload.fact().is_good());
        reload.refused("line 3: what");
        assert_eq!(reload.fact().state, "refused");
        assert!(reload.fact().line.contains("line 3: what"));
        reload.needs_restart("signer a added", &["[ssh] listen".to_owned()]);
        assert_eq!(reload.fact().state, "restart_needed");
        reload.applied("");
        assert!(reload.fact().is_good());
    }
}
