//! The task that reads the source, and stops the signer when the battery is nearly empty.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use daemon::Shutdown;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::{Answer, Config, Limits, Power, Reading, Source, Supply, gpio, nut, sysfs};

/// Reads the source until shutdown is requested. Requests it itself when the battery is down to `stop_at_charge`: the
/// marks are exact after a clean stop, and not after the end of the battery.
pub(crate) async fn watch(config: Config, power: Power, shutdown: Shutdown) {
    let watcher = Watcher::new(Reader::of(config.source), config.limits, power);
    watcher.run(&shutdown).await;
}

/// Returns when the battery is not down to `stop_at_charge`, as a rule at once; `waiting` is called at each reading until
/// then. systemd starts a signer again that has stopped for that reason, and it would stop and start until the battery
/// is empty. A source that does not answer holds up no start.
pub(crate) async fn await_charge(config: &Config, waiting: impl Fn()) {
    let reader = Reader::of(config.source.clone());
    Watcher::new(reader, config.limits, Power::new()).until_charged(waiting).await;
}

/// What the source says now, and whether a start would wait for mains.
pub(crate) async fn read_once(config: &Config) -> (Reading, bool) {
    let reader = Reader::of(config.source.clone());
    let reading = Watcher::new(reader, config.limits, Power::new()).read_in_time().await;
    let is_empty = config.limits.empty(&reading).is_some();
    (reading, is_empty)
}

struct Watcher {
    reader: Reader,
    limits: Limits,
    power: Power,
    stop: StopRule,
    /// `stop_at_charge` cannot act: the log has said so.
    warned_of_no_charge: bool,
}

/// The source, opened.
enum Reader {
    Sysfs(PathBuf),
    Nut(nut::Client),
    Gpio(Arc<gpio::Reader>),
}

/// A line can be read as often as is wanted; upsd itself asks its UPS every 2 s.
const GPIO_PAUSE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_secs(2);
/// For a reading that a start waits for.
const START_LIMIT: Duration = Duration::from_secs(5);

impl Watcher {
    fn new(reader: Reader, limits: Limits, power: Power) -> Watcher {
        let stop = StopRule { limits, is_suspected: false };
        Watcher { reader, limits, power, stop, warned_of_no_charge: false }
    }

    async fn run(mut self, shutdown: &Shutdown) {
        let until_empty = async {
            loop {
                let answer = self.reader.read().await;
                if self.learn(answer) {
                    return shutdown.request();
                }
                sleep(self.reader.pause()).await;
            }
        };
        tokio::select! {
            () = until_empty => {}
            () = shutdown.requested() => {}
        }
    }

    async fn until_charged(mut self, waiting: impl Fn()) {
        let mut is_waiting = false;
        while self.limits.stop_at.is_some() {
            let reading = self.read_in_time().await;
            let empty = self.stop.judge(&reading);
            if !self.stop.is_suspected {
                break;
            }
            if let Some((charge, limit)) = empty {
                if !is_waiting {
                    let (charge, limit) = (percent(charge), percent(limit));
                    tracing::warn!(
                        "on battery with {charge} of it left, and stop_at_charge is {limit}: not signing until mains are back"
                    );
                }
                is_waiting = true;
                waiting();
            }
            sleep(self.reader.pause()).await;
        }
        if is_waiting {
            tracing::info!("mains are back, or the battery is charged: starting");
        }
    }

    async fn read_in_time(&mut self) -> Reading {
        let answer = timeout(START_LIMIT, self.reader.read()).await;
        self.reading(answer.unwrap_or_else(|_| Err("it does not answer".to_owned())))
    }

    fn reading(&self, answer: Result<Answer, String>) -> Reading {
        match answer {
            Ok(answer) => Reading::new(answer, &self.limits),
            Err(why) => Reading::unknown(why),
        }
    }

    /// Whether the signer is to stop.
    fn learn(&mut self, answer: Result<Answer, String>) -> bool {
        let reading = self.reading(answer);
        self.warn_of_no_charge(&reading);
        let empty = self.stop.judge(&reading);
        self.power.set(reading);
        if let Some((charge, limit)) = empty {
            tracing::error!(
                "on battery with {} of it left, and stop_at_charge is {}: stopping, so that the marks are exact",
                percent(charge),
                percent(limit)
            );
        }
        empty.is_some()
    }

    fn warn_of_no_charge(&mut self, reading: &Reading) {
        let is_known = !matches!(reading.supply, Supply::Unknown(_));
        let is_idle = self.limits.stop_at.is_some() && is_known && reading.charge.is_none();
        if is_idle && !self.warned_of_no_charge {
            self.warned_of_no_charge = true;
            tracing::warn!(
                "the source under [power] tells no charge: stop_at_charge does nothing until it does"
            );
        }
    }
}

impl Reader {
    fn of(source: Source) -> Reader {
        match source {
            Source::Sysfs => Reader::Sysfs(PathBuf::from(sysfs::ROOT)),
            Source::Nut(address) => Reader::Nut(nut::Client::new(address)),
            Source::Gpio(line) => Reader::Gpio(Arc::new(gpio::Reader::new(line))),
        }
    }

    async fn read(&mut self) -> Result<Answer, String> {
        match self {
            Reader::Sysfs(root) => read_sysfs(root).await,
            Reader::Nut(client) => client.read().await.map_err(|error| error.to_string()),
            Reader::Gpio(line) => {
                let line = Arc::clone(line);
                blocking(move || line.read().map_err(|error| error.to_string())).await
            }
        }
    }

    fn pause(&self) -> Duration {
        match self {
            Reader::Sysfs(_) | Reader::Nut(_) => PAUSE,
            Reader::Gpio(_) => GPIO_PAUSE,
        }
    }
}

async fn read_sysfs(root: &Path) -> Result<Answer, String> {
    let root = root.to_owned();
    blocking(move || sysfs::read(&root).map_err(|error| error.to_string())).await
}

/// A driver may hang in the kernel. Then this one thread hangs with it, no second one is started, and the last reading
/// grows stale ([`Power::reading`]).
async fn blocking(
    read: impl FnOnce() -> Result<Answer, String> + Send + 'static,
) -> Result<Answer, String> {
    let read = spawn_blocking(read).await;
    read.unwrap_or_else(|error| Err(format!("{error}; please report this with the log")))
}

/// When the battery is empty: two readings in a row have to say so, for a battery may lie once.
struct StopRule {
    limits: Limits,
    is_suspected: bool,
}

impl StopRule {
    /// The charge and the limit, when the signer is to stop.
    fn judge(&mut self, reading: &Reading) -> Option<(f64, f64)> {
        let found = self.limits.empty(reading);
        let was_suspected = std::mem::replace(&mut self.is_suspected, found.is_some());
        found.filter(|_| was_suspected)
    }
}

fn percent(charge: f64) -> String {
    format!("{:.0} %", charge * 100.0)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::process::Command;

    use futures_util::poll;
    use tempfile::TempDir;
    use tokio::time::Instant;

    use super::*;

    const STOP_AT_10: Limits = Limits { low_at: 0.3, stop_at: Some(0.1) };

    fn reading(supply: Supply, charge: Option<f64>) -> Reading {
        Reading { supply, charge, is_low: false }
    }

    fn on_battery(charge: f64) -> Reading {
        reading(Supply::Battery, Some(charge))
    }

    /// What the rule says to each of these in turn.
    fn stops<const N: usize>(readings: [Reading; N]) -> [bool; N] {
        let mut rule = StopRule { limits: STOP_AT_10, is_suspected: false };
        readings.map(|reading| rule.judge(&reading).is_some())
    }

    #[test]
    fn two_readings_in_a_row_stop_the_signer() {
        assert_eq!(
            stops([on_battery(0.11), on_battery(0.1), on_battery(0.1)]),
            [false, false, true]
        );
    }

    #[test]
    fn a_single_lie_does_not_stop_the_signer() {
        let lies = [on_battery(0.0), on_battery(0.8), on_battery(0.0)];
        assert_eq!(stops(lies), [false; 3]);
        let unknown = reading(Supply::Unknown(String::new()), None);
        assert_eq!(stops([on_battery(0.0), unknown, on_battery(0.0)]), [false; 3]);
    }

    #[test]
    fn an_empty_battery_on_mains_does_not_stop_the_signer() {
        let charging = || reading(Supply::Mains, Some(0.01));
        assert_eq!(stops([charging(), charging(), charging()]), [false; 3]);
        let no_charge = || reading(Supply::Battery, None);
        assert_eq!(stops([no_charge(), no_charge()]), [false; 2]);
    }

    #[test]
    fn without_a_limit_nothing_stops_the_signer() {
        let mut rule =
            StopRule { limits: Limits { stop_at: None, ..STOP_AT_10 }, is_suspected: false };
        assert!((0..3).all(|_| rule.judge(&on_battery(0.0)).is_none()));
    }

    /// A laptop's battery in a folder.
    fn battery(status: &str, capacity: &str) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let device = folder.path().join("BAT0");
        fs::create_dir(&device).unwrap();
        for (file, text) in [("type", "Battery"), ("status", status), ("capacity", capacity)] {
            fs::write(device.join(file), text).unwrap();
        }
        folder
    }

    fn watcher(folder: &TempDir) -> (Watcher, Power) {
        let power = Power::new();
        let reader = Reader::Sysfs(folder.path().to_owned());
        (Watcher::new(reader, STOP_AT_10, power.clone()), power)
    }

    #[tokio::test(start_paused = true)]
    async fn a_nearly_empty_battery_requests_the_shutdown_at_the_second_reading() {
        let folder = battery("Discharging", "10");
        let (watcher, power) = watcher(&folder);
        let (shutdown, started) = (Shutdown::new(), Instant::now());
        watcher.run(&shutdown).await;
        assert!(shutdown.is_requested());
        assert!((PAUSE..2 * PAUSE).contains(&started.elapsed()), "{:?}", started.elapsed());
        let low = Reading { is_low: true, ..on_battery(0.1) };
        assert_eq!(power.reading(), low);
    }

    #[tokio::test(start_paused = true)]
    async fn a_start_waits_while_the_battery_is_down_to_the_limit_and_goes_on_when_mains_are_back()
    {
        let folder = battery("Discharging", "10");
        let started = Instant::now();
        let calls = std::cell::Cell::new(0);
        let mains = || {
            calls.set(calls.get() + 1);
            if calls.get() == 3 {
                fs::write(folder.path().join("BAT0/status"), "Charging").unwrap();
            }
        };
        watcher(&folder).0.until_charged(mains).await;
        assert_eq!(calls.get(), 3);
        assert!(started.elapsed() >= 4 * PAUSE, "{:?}", started.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_start_is_not_held_up_by_a_good_battery_or_by_a_source_that_is_gone() {
        for folder in [battery("Discharging", "80"), tempfile::tempdir().unwrap()] {
            let started = Instant::now();
            watcher(&folder).0.until_charged(|| panic!("it waits")).await;
            assert_eq!(started.elapsed(), Duration::ZERO);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_start_is_not_held_up_by_a_source_that_hangs() {
        let folder = battery("Discharging", "80");
        let pipe = folder.path().join("BAT0/capacity");
        fs::remove_file(&pipe).unwrap();
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let mut starting = Box::pin(watcher(&folder).0.until_charged(|| panic!("it waits")));
        assert!(poll!(&mut starting).is_pending());
        tokio::time::advance(START_LIMIT).await;
        starting.await;
        // Lets the thread go that reads it.
        drop(File::options().write(true).open(pipe).unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_ends_when_shutdown_is_requested() {
        let folder = battery("Discharging", "80");
        let (watcher, power) = watcher(&folder);
        let shutdown = Shutdown::new();
        let mut running = std::pin::pin!(watcher.run(&shutdown));
        tokio::select! {
            () = &mut running => panic!("it has ended by itself"),
            _ = power.wait_for(|reading| reading.charge == Some(0.8)) => {}
        }
        assert!(poll!(&mut running).is_pending());
        shutdown.request();
        running.await;
    }

    /// A pipe hangs as the file of a stuck driver does.
    #[tokio::test(start_paused = true)]
    async fn a_source_that_hangs_is_unknown_after_ten_seconds_and_holds_up_no_stop() {
        let folder = battery("Discharging", "80");
        let (watcher, power) = watcher(&folder);
        let shutdown = Shutdown::new();
        let steps = async {
            power.wait_for(|reading| reading.supply == Supply::Battery).await;
            let pipe = folder.path().join("BAT0/capacity");
            fs::remove_file(&pipe).unwrap();
            assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
            tokio::time::advance(PAUSE).await;
            // Opened when the reader has opened it, too; the clock stands still meanwhile.
            let open = spawn_blocking(move || File::options().write(true).open(pipe));
            let held = open.await.unwrap().unwrap();
            assert_eq!(power.reading().supply, Supply::Battery);
            tokio::time::advance(Duration::from_secs(10)).await;
            let Supply::Unknown(why) = power.reading().supply else { panic!() };
            assert!(why.contains("hangs"), "{why}");
            shutdown.request();
            held
        };
        let ((), held) = tokio::join!(watcher.run(&shutdown), steps);
        drop(held);
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_is_gone_is_unknown_at_the_next_reading() {
        let folder = battery("Discharging", "80");
        let (watcher, power) = watcher(&folder);
        let shutdown = Shutdown::new();
        let steps = async {
            power.wait_for(|reading| reading.supply == Supply::Battery).await;
            fs::remove_dir_all(folder.path().join("BAT0")).unwrap();
            power.wait_for(|reading| matches!(reading.supply, Supply::Unknown(_))).await
        };
        let unknown = tokio::select! {
            () = watcher.run(&shutdown) => panic!("it has ended by itself"),
            unknown = steps => unknown,
        };
        assert_eq!((unknown.charge, unknown.is_low), (None, false));
    }
}
