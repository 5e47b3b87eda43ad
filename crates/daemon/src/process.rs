//! What this process uses of its computer, under the names that every exporter of Prometheus has for it.
//!
//! It is read from `/proc` at each scrape; what cannot be read is left out, and nothing else with it.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue};
use prometheus_client::registry::Registry;
use rustix::param;

use crate::{open_files, scrape};

/// Registers the metrics of this process: `process_cpu_seconds_total`, `process_open_fds` and their like.
pub fn register(registry: &mut Registry) {
    registry.register_collector(Box::new(Process { proc: PathBuf::from("/proc") }));
}

#[derive(Debug)]
struct Process {
    /// Where the system shows its processes.
    proc: PathBuf,
}

/// `/proc/self/stat`, in units of Prometheus.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Stat {
    cpu_seconds: f64,
    threads: f64,
    /// Since the computer was started.
    started_seconds: f64,
    virtual_bytes: f64,
    resident_bytes: f64,
}

/// More than `/proc/stat` has on a computer with a thousand processors.
const MAX_BYTES: u64 = 1024 * 1024;

impl Process {
    fn stat(&self) -> Option<Stat> {
        Stat::parse(&read(&self.proc.join("self/stat")).ok()?)
    }

    /// Seconds since 1970.
    fn started(&self, stat: Stat) -> Option<f64> {
        let system = read(&self.proc.join("stat")).ok()?;
        let booted = system.lines().find_map(|line| line.strip_prefix("btime "))?;
        Some(booted.trim().parse::<f64>().ok()? + stat.started_seconds)
    }

    fn open_files(&self) -> Option<u64> {
        let files = fs::read_dir(self.proc.join("self/fd")).ok()?.count();
        // The folder itself is open while it is read.
        u64::try_from(files).ok()?.checked_sub(1)
    }
}

impl Stat {
    /// The fields are counted as in proc_pid_stat(5), from 1.
    fn parse(line: &str) -> Option<Stat> {
        // The second field is the program's name, which may have spaces and parentheses in it.
        let (_, rest) = line.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let field = |number: usize| fields.get(number.checked_sub(3)?)?.parse::<f64>().ok();
        let ticks = param::clock_ticks_per_second() as f64;
        Some(Stat {
            cpu_seconds: (field(14)? + field(15)?) / ticks,
            threads: field(20)?,
            started_seconds: field(22)? / ticks,
            virtual_bytes: field(23)?,
            resident_bytes: field(24)? * param::page_size() as f64,
        })
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        if let Some(stat) = self.stat() {
            encode_stat(&mut encoder, stat)?;
            let help = "When the process was started, in seconds since 1970";
            gauge(&mut encoder, ("process_start_time_seconds", help), self.started(stat))?;
        }
        let help = "Files that are open, connections among them";
        gauge(&mut encoder, ("process_open_fds", help), self.open_files())?;
        let limit = u64::try_from(open_files::limit()).ok();
        gauge(&mut encoder, ("process_max_fds", "Files that may be open"), limit)
    }
}

fn encode_stat(encoder: &mut DescriptorEncoder<'_>, stat: Stat) -> fmt::Result {
    let help = "Time that processors have spent on the process";
    scrape::counter(encoder, ("process_cpu_seconds", help), stat.cpu_seconds)?;
    let help = "Memory of the process that is in RAM";
    scrape::gauge(encoder, ("process_resident_memory_bytes", help), stat.resident_bytes)?;
    let help = "Memory that the process has asked for";
    scrape::gauge(encoder, ("process_virtual_memory_bytes", help), stat.virtual_bytes)?;
    scrape::gauge(encoder, ("process_threads", "Threads of the process"), stat.threads)
}

/// Writes a gauge, if its value is known.
fn gauge<N: EncodeGaugeValue>(
    encoder: &mut DescriptorEncoder<'_>,
    described: (&str, &str),
    value: Option<N>,
) -> fmt::Result {
    value.map_or(Ok(()), |value| scrape::gauge(encoder, described, value))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tempfile::TempDir;

    use super::*;

    /// A program with a name that was made to be misread; 250 and 50 ticks, 7 threads.
    const STAT: &str = "42 (peel) R 1 (x) S 1 42 42 0 -1 4194560 4158 0 12 0 250 50 0 0 20 0 7 0 \
                        12345 73728000 4505 18446744073709551615 1 1 0 0 0 0 0 4096 0 0 0 0 17 1 0 0\n";

    fn folder(files: &[(&str, &str)]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("self/fd")).unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    fn metrics(process: Process) -> BTreeMap<String, f64> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(process));
        values(&registry)
    }

    fn values(registry: &Registry) -> BTreeMap<String, f64> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let pairs = samples.map(|line| line.split_once(' ').unwrap());
        pairs.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_recorded_process_is_shown_in_base_units() {
        let system = "cpu  1 2 3\nbtime 1700000000\nprocesses 1\n";
        let files = [("self/stat", STAT), ("stat", system), ("self/fd/0", ""), ("self/fd/1", "")];
        let folder = folder(&files);
        let shown = metrics(Process { proc: folder.path().to_owned() });
        let (ticks, page) = (param::clock_ticks_per_second() as f64, param::page_size() as f64);
        for (name, expected) in [
            ("process_cpu_seconds_total", 300.0 / ticks),
            ("process_threads", 7.0),
            ("process_virtual_memory_bytes", 73_728_000.0),
            ("process_resident_memory_bytes", 4505.0 * page),
            ("process_start_time_seconds", 1_700_000_000.0 + 12_345.0 / ticks),
            ("process_open_fds", 1.0),
        ] {
            assert_eq!(shown.get(name), Some(&expected), "{name} in {shown:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_left_out_and_nothing_else() {
        let folder = folder(&[("self/stat", STAT), ("self/fd/0", "")]);
        let shown = metrics(Process { proc: folder.path().to_owned() });
        assert!(!shown.contains_key("process_start_time_seconds"), "{shown:?}");
        assert!(shown.contains_key("process_threads"), "{shown:?}");
        fs::write(folder.path().join("self/stat"), "42 (peel) S 1\n").unwrap();
        let shown = metrics(Process { proc: folder.path().to_owned() });
        assert!(!shown.contains_key("process_threads"), "{shown:?}");
        assert!(shown.contains_key("process_open_fds"), "{shown:?}");
    }

    #[test]
    fn this_process_is_shown_as_it_is() {
        let mut registry = Registry::default();
        register(&mut registry);
        let before = values(&registry);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let age = now.as_secs_f64() - before["process_start_time_seconds"];
        assert!((-2.0..3600.0).contains(&age), "{age}");
        assert!(before["process_resident_memory_bytes"] > 1_000_000.0, "{before:?}");
        assert!(before["process_threads"] >= 1.0, "{before:?}");
        let _open: Vec<File> = (0..200).map(|_| File::open("/proc/self/stat").unwrap()).collect();
        let after = values(&registry);
        // Other tests of this process open and close some, too.
        assert!(after["process_open_fds"] >= before["process_open_fds"] + 100.0, "{after:?}");
        assert!(after["process_open_fds"] <= after["process_max_fds"], "{after:?}");
    }
}
