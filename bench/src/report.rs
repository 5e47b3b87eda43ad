//! What was measured, written into `docs/performance.md` with the machine it was measured on.

use std::fmt;
use std::fs;
use std::process::Command;

use anyhow::{Context, bail};

/// A line of the table.
pub(super) struct Row {
    pub(super) what: String,
    pub(super) promise: String,
    /// The same with OpenSSH, in the same run; none where there is no such thing.
    pub(super) beside: Option<String>,
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

/// Shows the table, puts it between its marks in the document, and fails when a promise was missed.
pub(super) fn write(bench: &str, rows: &[Row]) -> anyhow::Result<()> {
    let table = table(rows);
    println!("\n{table}");
    let mark = |end: &str| format!("<!-- {end}: cargo xtask bench {bench} -->");
    let (begin, end) = (mark("begin"), mark("end"));
    let path = crate::root().join("docs/performance.md");
    let text = fs::read_to_string(&path).context("docs/performance.md cannot be read")?;
    let (before, rest) =
        text.split_once(&begin).context("docs/performance.md has lost its mark")?;
    let (_, after) = rest.split_once(&end).context("docs/performance.md has lost its mark")?;
    let text = format!("{before}{begin}\n{}\n\n{table}{end}{after}", machine());
    fs::write(&path, text).context("docs/performance.md cannot be written")?;
    let missed = rows.iter().filter(|row| !row.kept).map(|row| row.what.as_str());
    let missed: Vec<&str> = missed.collect();
    if missed.is_empty() { Ok(()) } else { bail!("missed: {}", missed.join("; ")) }
}

fn table(rows: &[Row]) -> String {
    let is_beside = rows.iter().any(|row| row.beside.is_some());
    let (head, rule) = if is_beside { ("OpenSSH | ", "---|") } else { ("", "") };
    let mut table =
        format!("| what | promise | {head}measured | kept |\n|---|---|{rule}---|---|\n");
    for row in rows {
        let kept = if row.kept { "yes" } else { "**no**" };
        let beside = match &row.beside {
            Some(beside) => format!("{beside} | "),
            None if is_beside => "– | ".to_owned(),
            None => String::new(),
        };
        table +=
            &format!("| {} | {} | {beside}{} | {kept} |\n", row.what, row.promise, row.measured);
    }
    table
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
