//! Metrics as text, in the format 0.0.4 of Prometheus, which every reader of metrics takes.
//!
//! `prometheus-client` writes OpenMetrics. It differs in the names of counters' families, in units, and in the line at
//! its end; a reader that asked for the older format does not take it.
//!
//! [`Families`] are metrics that came from another process: read within bounds, given a label that says where they came
//! from, and written beside one's own.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use prometheus_client::registry::Registry;

/// The media type of this format.
pub const MEDIA: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The metrics of a registry.
#[must_use]
pub fn text(registry: &Registry) -> String {
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, registry) {
        Ok(()) => from_open_metrics(&text),
        Err(error) => format!("# metrics cannot be written: {error}\n"),
    }
}

fn from_open_metrics(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // A family's help stands before its type, which decides on the name.
    let mut help = None;
    for line in text.lines() {
        match line.strip_prefix("# ").and_then(|line| line.split_once(' ')) {
            Some(("HELP", rest)) => help = Some(rest),
            Some(("TYPE", rest)) => {
                let (name, kind) = rest.split_once(' ').unwrap_or((rest, "untyped"));
                let suffix = if kind == "counter" { "_total" } else { "" };
                let kind = if kind == "unknown" { "untyped" } else { kind };
                let help = help.take().and_then(|help| help.split_once(' '));
                if let Some((_, help)) = help {
                    // A String takes all that is written.
                    let _ = writeln!(out, "# HELP {name}{suffix} {help}");
                }
                let _ = writeln!(out, "# TYPE {name}{suffix} {kind}");
            }
            Some(_) => {}
            None if line.starts_with('#') => {}
            None => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    out
}

/// Metrics of another process, by family.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Families(BTreeMap<String, Family>);

#[derive(Debug, Clone, Default, PartialEq)]
struct Family {
    help: String,
    kind: String,
    samples: Vec<Sample>,
}

#[derive(Debug, Clone, PartialEq)]
struct Sample {
    name: String,
    /// What stands between the braces.
    labels: String,
    value: f64,
}

/// Bytes of a line that is read; a longer one is passed over.
const MAX_LINE: usize = 2048;
/// Families that are read.
const MAX_FAMILIES: usize = 1000;
/// Bytes of a family's help that are kept.
const MAX_HELP: usize = 512;
const UNTYPED: &str = "untyped";
const KINDS: [&str; 5] = ["counter", "gauge", "histogram", "summary", UNTYPED];
/// Of the samples of a histogram or a summary, beside the family's own name.
const SUFFIXES: [&str; 3] = ["_bucket", "_sum", "_count"];

impl Families {
    /// Reads the families whose names are `wanted`, up to `most` samples. Lines that are no metrics are passed over.
    #[must_use]
    pub fn parse(text: &str, most: usize, wanted: impl Fn(&str) -> bool) -> Families {
        let mut families = Families::default();
        let lines = text.lines().filter(|line| line.len() <= MAX_LINE);
        let mut left = most;
        for line in lines {
            if let Some(comment) = line.strip_prefix('#') {
                families.note_comment(comment.trim_start(), &wanted);
            } else if left > 0
                && let Some(sample) = Sample::parse(line)
                && families.add(sample)
            {
                left -= 1;
            }
        }
        families.0.retain(|_, family| !family.samples.is_empty());
        families
    }

    /// `HELP` and `TYPE`; any other comment says nothing. A family is known by its type.
    fn note_comment(&mut self, comment: &str, wanted: &impl Fn(&str) -> bool) {
        let mut words = comment.splitn(3, ' ');
        let (Some(word), Some(name), rest) = (words.next(), words.next(), words.next()) else {
            return;
        };
        if !is_name(name) || !wanted(name) {
            return;
        }
        let is_one_too_many = self.0.len() >= MAX_FAMILIES && !self.0.contains_key(name);
        if is_one_too_many {
            return;
        }
        let rest = rest.unwrap_or_default();
        match word {
            "HELP" => {
                let help: String =
                    rest.chars().filter(|c| !c.is_control()).take(MAX_HELP).collect();
                self.0.entry(name.to_owned()).or_default().help = help;
            }
            "TYPE" if KINDS.contains(&rest) => {
                let family = self.0.entry(name.to_owned()).or_default();
                if family.kind.is_empty() {
                    rest.clone_into(&mut family.kind);
                }
            }
            _ => {}
        }
    }

    /// Adds a sample to its family. Returns false when that is not known.
    fn add(&mut self, sample: Sample) -> bool {
        let base = SUFFIXES.iter().find_map(|suffix| sample.name.strip_suffix(suffix));
        let is_of = |families: &Families, name: &str, composed: bool| {
            let family = families.0.get(name);
            family.is_some_and(|it| {
                !it.kind.is_empty() && (matches!(&*it.kind, "histogram" | "summary") == composed)
            })
        };
        let name = match base {
            Some(base) if is_of(self, base, true) => base.to_owned(),
            Some(_) | None if is_of(self, &sample.name, false) => sample.name.clone(),
            Some(_) | None => return false,
        };
        let Some(family) = self.0.get_mut(&name) else { return false };
        family.samples.push(sample);
        true
    }

    /// The same, each sample with one more label. A sample that has such a label is left out.
    #[must_use]
    pub fn with_label(mut self, name: &str, value: &str) -> Families {
        let label = format!("{name}=\"{}\"", escaped(value));
        for family in self.0.values_mut() {
            family.samples.retain(|sample| !has_label(&sample.labels, name));
            for Sample { labels, .. } in &mut family.samples {
                let comma = if labels.is_empty() { "" } else { "," };
                *labels = format!("{label}{comma}{labels}");
            }
        }
        self
    }

    /// Adds another process's. A family that is of another type there is of no type in the whole: no process takes the
    /// figures of another one away.
    pub fn merge(&mut self, others: Families) {
        for (name, other) in others.0 {
            let family = self.0.entry(name).or_insert_with(|| Family {
                samples: Vec::new(),
                help: other.help.clone(),
                kind: other.kind.clone(),
            });
            if family.kind != other.kind {
                UNTYPED.clone_into(&mut family.kind);
            }
            family.samples.extend(other.samples);
        }
    }

    /// Leaves out the families that `text` has, too: a family stands in an answer once.
    pub fn without_those_of(&mut self, text: &str) {
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ")
                && let Some((name, _)) = rest.split_once(' ')
            {
                self.0.remove(name);
            }
        }
    }
}

impl Sample {
    /// `name{labels} value`, and perhaps a time, which is left out: it is when it was read.
    fn parse(line: &str) -> Option<Sample> {
        let (name, labels, rest) = match line.split_once('{') {
            Some((name, rest)) => {
                let end = end_of_labels(rest)?;
                let (labels, rest) = rest.split_at_checked(end)?;
                (name, labels.trim_end_matches(','), rest.strip_prefix('}')?)
            }
            None => {
                let (name, rest) = line.split_once(' ')?;
                (name, "", rest)
            }
        };
        let value = rest.split_ascii_whitespace().next()?.parse().ok()?;
        (is_name(name) && are_labels(labels)).then(|| Sample {
            name: name.to_owned(),
            labels: labels.to_owned(),
            value,
        })
    }
}

/// Where the brace is that closes the labels.
fn end_of_labels(text: &str) -> Option<usize> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            '}' if !is_quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// Whether these are `name="value"`, with commas between them, no name twice, and none of Prometheus' own: it takes
/// nothing of an answer in which there is one.
fn are_labels(mut text: &str) -> bool {
    let mut names = Vec::new();
    while !text.is_empty() {
        let Some((name, rest)) = text.split_once("=\"") else { return false };
        let Some(end) = end_of_value(rest) else { return false };
        let Some((_, rest)) = rest.split_at_checked(end + 1) else { return false };
        let is_good = is_name(name) && !name.contains(':') && !name.starts_with("__");
        if !is_good || names.contains(&name) {
            return false;
        }
        names.push(name);
        text = match rest.strip_prefix(',') {
            Some(rest) => rest,
            None if rest.is_empty() => rest,
            None => return false,
        };
    }
    true
}

/// Where the quote is that closes a value; none when it holds an escape that there is not.
fn end_of_value(text: &str) -> Option<usize> {
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some(at),
            '\\' if !matches!(chars.next()?.1, '\\' | '"' | 'n') => return None,
            _ if c.is_control() => return None,
            _ => {}
        }
    }
    None
}

fn has_label(labels: &str, name: &str) -> bool {
    let start = format!("{name}=\"");
    labels.starts_with(&start) || labels.contains(&format!(",{start}"))
}

fn is_name(text: &str) -> bool {
    let is_of = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    !text.is_empty() && text.chars().all(is_of) && !text.starts_with(|c: char| c.is_ascii_digit())
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

impl fmt::Display for Families {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, family) in &self.0 {
            if !family.help.is_empty() {
                writeln!(f, "# HELP {name} {}", family.help)?;
            }
            writeln!(f, "# TYPE {name} {}", family.kind)?;
            for Sample { name, labels, value } in &family.samples {
                let (open, close) = if labels.is_empty() { ("", "") } else { ("{", "}") };
                writeln!(f, "{name}{open}{labels}{close} {}", Value(*value))?;
            }
        }
        Ok(())
    }
}

/// A value as Prometheus writes it.
struct Value(f64);

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            value if value == f64::INFINITY => f.write_str("+Inf"),
            value if value == f64::NEG_INFINITY => f.write_str("-Inf"),
            value => write!(f, "{value}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::gauge::Gauge;
    use prometheus_client::metrics::histogram::Histogram;
    use proptest::prelude::*;

    use super::*;

    fn all(text: &str) -> Families {
        Families::parse(text, 1000, |_| true)
    }

    #[test]
    fn a_registry_is_written_in_the_older_format() {
        let mut registry = Registry::default();
        registry.register("peel_requests", "Requests", Counter::<u64>::default());
        registry.register("peel_ready", "Ready", Gauge::<i64>::default());
        registry.register("peel_seconds", "Time", Histogram::new([1.0]));
        let text = text(&registry);
        for line in [
            "# HELP peel_requests_total Requests.",
            "# TYPE peel_requests_total counter",
            "peel_requests_total 0",
            "# TYPE peel_ready gauge",
            "# TYPE peel_seconds histogram",
            "peel_seconds_bucket{le=\"+Inf\"} 0",
        ] {
            assert!(text.lines().any(|own| own == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("EOF"), "{text}");
        let read = all(&text).to_string();
        assert!(read.contains("peel_seconds_bucket{le=\"+Inf\"} 0"), "{read}");
    }

    #[test]
    fn metrics_of_two_processes_stand_beside_each_other_in_one_family() {
        let one = "# HELP up Up.\n# TYPE up gauge\nup{line=\"eth0\"} 1\n";
        let mut both = all(one).with_label("signer", "home");
        both.merge(all(one).with_label("signer", "of\"fice"));
        let expected = "# HELP up Up.\n# TYPE up gauge\n\
                        up{signer=\"home\",line=\"eth0\"} 1\nup{signer=\"of\\\"fice\",line=\"eth0\"} 1\n";
        assert_eq!(both.to_string(), expected);
    }

    /// Else the first one could hide what the others say.
    #[test]
    fn a_family_of_two_types_keeps_all_its_samples() {
        let mut both = all("# TYPE up counter\nup 1\n");
        both.merge(all("# TYPE up gauge\nup 2\n"));
        assert_eq!(both.to_string(), "# TYPE up untyped\nup 1\nup 2\n");
    }

    #[test]
    fn what_is_no_metric_is_passed_over() {
        for line in [
            "up",
            "up one",
            "up{line=\"eth0\" 1",
            "up{line=eth0} 1",
            "up{line=\"eth0\"extra} 1",
            "up{li ne=\"eth0\"} 1",
            "up{line=\"\\x\"} 1",
            "2up 1",
            "down 1",
            "<html>",
            "up{signer=\"other\"} 1",
            "up{a=\"1\",a=\"2\"} 1",
            "up{__name__=\"x\"} 1",
        ] {
            let text = format!("# TYPE up gauge\n{line}\n");
            let shown = all(&text).with_label("signer", "home").to_string();
            assert!(shown.lines().all(|shown| shown.starts_with('#')), "{line}: {shown}");
        }
    }

    #[test]
    fn no_more_samples_are_read_than_are_wanted() {
        let lines: Vec<String> = (0..100).map(|at| format!("up{{at=\"{at}\"}} 1\n")).collect();
        let text = format!("# TYPE up gauge\n{}", lines.concat());
        let read = Families::parse(&text, 10, |_| true).to_string();
        assert_eq!(read.lines().count(), 1 + 10);
        assert_eq!(Families::parse(&text, 10, |name| name != "up").to_string(), "");
    }

    proptest! {
        /// Whatever comes, what is written can be read, and is the same.
        #[test]
        fn what_is_written_can_be_read(text in "(# TYPE [a-c] (gauge|counter|histogram)\n|[a-c](_bucket|_sum)?(\\{[a-c\"=,\\\\}]{0,12}\\})? [0-9.eInfNa+-]{1,4}\n|[ -~]{0,20}\n){0,12}") {
            let read = all(&text).with_label("signer", "home");
            let written = read.to_string();
            prop_assert_eq!(all(&written).to_string(), written);
        }
    }
}
