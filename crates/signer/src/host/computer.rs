//! The computer that a signer runs on, as the system shows it: load, memory, processors, time.
//!
//! Names, labels and units are those of Prometheus's node exporter, so that its dashboards work.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::{param, system};

use super::bounded;
use super::exposition::{Exposition, Kind, Sample};
use super::{file_systems, network, temperatures};

/// Where the system shows itself, and the folder that the signer writes to.
#[derive(Debug)]
pub(super) struct Computer {
    pub(super) proc: PathBuf,
    pub(super) sys: PathBuf,
    pub(super) state: PathBuf,
}

/// Processors that are shown.
const MAX_PROCESSORS: usize = 256;

/// The columns of a processor in `/proc/stat`; guests that follow are within `user` and `nice`.
const MODES: [&str; 8] = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];

impl Computer {
    /// What the kernel counts. Nothing slow is asked.
    pub(super) fn system(&self) -> String {
        let mut text = Exposition::default();
        self.load(&mut text);
        self.memory(&mut text);
        self.processors(&mut text);
        network::write(&self.sys, &mut text);
        time(&mut text);
        name(&mut text);
        text.into_text()
    }

    /// The temperatures. Sensors can be slow.
    pub(super) fn sensors(&self) -> String {
        let mut text = Exposition::default();
        temperatures::write(&self.sys, &mut text);
        text.into_text()
    }

    /// The file systems of `/` and of the signer's own folder.
    pub(super) fn disks(&self) -> String {
        let mut text = Exposition::default();
        file_systems::write(&self.proc, &self.state, &mut text);
        text.into_text()
    }

    fn load(&self, text: &mut Exposition) {
        let line = bounded::text(&self.proc.join("loadavg")).unwrap_or_default();
        let mut averages = line.split_whitespace().map(|word| word.parse().ok());
        for described in [
            ("node_load1", "1m load average."),
            ("node_load5", "5m load average."),
            ("node_load15", "15m load average."),
        ] {
            text.gauge(described, averages.next().flatten());
        }
    }

    fn memory(&self, text: &mut Exposition) {
        let lines = bounded::text(&self.proc.join("meminfo")).unwrap_or_default();
        for field in ["MemAvailable", "MemTotal"] {
            let name = format!("node_memory_{field}_bytes");
            let help = format!("Memory information field {field}_bytes.");
            text.gauge((&name, &help), bytes(&lines, field));
        }
    }

    fn processors(&self, text: &mut Exposition) {
        let lines = bounded::text(&self.proc.join("stat")).unwrap_or_default();
        let booted = lines.lines().find_map(|line| line.strip_prefix("btime "));
        let booted = booted.and_then(|seconds| seconds.trim().parse().ok());
        text.gauge(("node_boot_time_seconds", "Node boot time, in unixtime."), booted);
        let processors = lines.lines().filter_map(processor).take(MAX_PROCESSORS);
        let described = ("node_cpu_seconds_total", "Seconds the CPUs spent in each mode.");
        text.family(Kind::Counter, described, processors.flatten());
    }
}

/// `MemTotal:       24684084 kB`
fn bytes(lines: &str, field: &str) -> Option<f64> {
    let rest = lines.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    let kilobytes: f64 = rest.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024.0)
}

/// `cpu0 23764 0 2337 33564 79 0 18 22 0 0`, in ticks. The sum of all, `cpu`, is none.
fn processor(line: &str) -> Option<Vec<Sample>> {
    let mut words = line.strip_prefix("cpu")?.split(' ');
    let number = words.next().filter(|number| !number.is_empty())?.to_owned();
    let ticks = param::clock_ticks_per_second() as f64;
    let samples = MODES.iter().zip(words).filter_map(|(mode, word)| {
        let labels = vec![("cpu", number.clone()), ("mode", (*mode).to_owned())];
        Some(Sample::new(labels, word.parse::<f64>().ok()? / ticks))
    });
    Some(samples.collect())
}

fn time(text: &mut Exposition) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok();
    let described = ("node_time_seconds", "System time in seconds since epoch (1970).");
    text.gauge(described, now.map(|now| now.as_secs_f64()));
}

/// Without the computer's name, which would tell whose home it is.
fn name(text: &mut Exposition) {
    let name = system::uname();
    let parts =
        [("machine", name.machine()), ("release", name.release()), ("sysname", name.sysname())];
    let labels = parts.map(|(label, part)| (label, part.to_string_lossy().into_owned()));
    let help = "Labeled system information as provided by the uname system call.";
    text.family(Kind::Gauge, ("node_uname_info", help), [Sample::new(labels.to_vec(), 1.0)]);
}
