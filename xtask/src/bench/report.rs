//! What was measured, written into `docs/performance.md` with the machine it was measured on.

use std::fmt;
use std::fs;
use std::process::Command;

use anyhow::Context;

/// A line of the table.
pub(super) struct Row {
    pub(super) what: String,
    pub(super) promise: String,
    pub(super) measured: String,
    pub(super) kept: bool,
}

/// Times in milliseconds.
pub(super) struct Figures {
    count: usize,
    pub(super) median: f64,
    pub(super) p99: f64,
    pub(super) max: f64,
}

impl Figures {
    pub(super) fn of(mut times: Vec<f64>) -> Figures {
        times.sort_by(f64::total_cmp);
        // The smallest that so many hundredths of all are not above.
        let at = |hundredths: usize| {
            let rank = (times.len() * hundredths).div_ceil(100).max(1);
            times.get(rank - 1).copied().unwrap_or_default()
        };
        Figures { count: times.len(), median: at(50), p99: at(99), max: at(100) }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "median {:.2} ms, p99 {:.2} ms, max {:.2} ms (n = {})",
            self.median, self.p99, self.max, self.count
        )
    }
}

const BEGIN: &str = "<!-- begin: cargo xtask bench sign -->";
const END: &str = "<!-- end: cargo xtask bench sign -->";

/// Shows the table, and puts it between its marks in the document.
pub(super) fn write(rows: &[Row]) -> anyhow::Result<()> {
    let mut table = String::from("| what | promise | measured | kept |\n|---|---|---|---|\n");
    for row in rows {
        let kept = if row.kept { "yes" } else { "**no**" };
        table += &format!("| {} | {} | {} | {kept} |\n", row.what, row.promise, row.measured);
    }
    println!("\n{table}");
    let path = crate::root().join("docs/performance.md");
    let text = fs::read_to_string(&path).context("docs/performance.md cannot be read")?;
    let (before, rest) = text.split_once(BEGIN).context("docs/performance.md has lost its mark")?;
    let (_, after) = rest.split_once(END).context("docs/performance.md has lost its mark")?;
    let text = format!("{before}{BEGIN}\n{}\n\n{table}{END}{after}", machine());
    fs::write(&path, text).context("docs/performance.md cannot be written")
}

fn machine() -> String {
    let first = |file: &str, name: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split(':').nth(1).unwrap_or("?").trim().to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = Command::new("uname").arg("-sr").output();
    let kernel = kernel.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    format!(
        "Measured on a virtual machine: {} ({cores} cores), {} of memory, {}.",
        first("/proc/cpuinfo", "model name"),
        first("/proc/meminfo", "MemTotal"),
        kernel.unwrap_or_default()
    )
}
