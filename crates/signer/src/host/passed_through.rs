//! What is shown of a node exporter's text: families named `node_…`, each once, in lines that Prometheus reads.
//!
//! A line that it would not read would cost a scrape all metrics, ours among them. So the text is not copied: it is
//! read, and written anew. Labels that tell where the home is are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};

use super::series::{self, BLANKS, Series};

/// One metric, by its name.
#[derive(Debug, Default)]
struct Family<'a> {
    help: Option<&'a str>,
    kind: Option<&'a str>,
    samples: Vec<String>,
}

#[derive(Debug, Default)]
struct Families<'a> {
    by_name: BTreeMap<&'a str, Family<'a>>,
    /// Names and labels of all samples: one that comes twice is an error to Prometheus.
    seen: BTreeSet<Series<'a>>,
}

/// Names that would collide with those of the signer are not taken.
const PREFIX: &str = "node_";
/// The series of histograms and summaries have other names than the family: they go without a kind.
const KINDS: [&str; 3] = ["counter", "gauge", "untyped"];
/// The computer's names, and the hardware address of an interface.
const PRIVATE: [&str; 4] = ["nodename", "domainname", "address", "broadcast"];

/// What may be shown; empty when there is nothing.
pub(super) fn filtered(body: &[u8]) -> String {
    let mut families = Families::default();
    let lines = body.split(|byte| *byte == b'\n').flat_map(str::from_utf8);
    for line in lines.map(|line| line.trim_matches(BLANKS)) {
        if !line.chars().any(|c| c.is_control() && c != '\t') {
            families.read(line);
        }
    }
    families.written()
}

impl<'a> Families<'a> {
    /// Takes a line; none when it is dropped.
    fn read(&mut self, line: &'a str) -> Option<()> {
        match line.strip_prefix('#') {
            Some(comment) => self.read_comment(comment.trim_start_matches(BLANKS)),
            None => self.read_sample(line),
        }
    }

    /// `HELP name text` or `TYPE name kind`. The first one counts.
    fn read_comment(&mut self, comment: &'a str) -> Option<()> {
        let (keyword, rest) = comment.split_once(BLANKS)?;
        let (name, text) = rest.trim_start_matches(BLANKS).split_once(BLANKS)?;
        let text = text.trim_matches(BLANKS);
        let is_whole = series::name_at_start(name) == (name, "");
        if !is_whole || !name.starts_with(PREFIX) {
            return None;
        }
        let family = self.by_name.entry(name).or_default();
        match keyword {
            "HELP" if series::is_escaped(text, "\\n") => family.help = family.help.or(Some(text)),
            "TYPE" if KINDS.contains(&text) => family.kind = family.kind.or(Some(text)),
            _ => {}
        }
        Some(())
    }

    fn read_sample(&mut self, line: &'a str) -> Option<()> {
        let (mut series, rest) = Series::at_start(line)?;
        let mut words = rest.split(BLANKS).filter(|word| !word.is_empty());
        let value = words.next().filter(|word| series::is_value(word))?;
        // A time is left out: beside our own metrics, which have none, it could be read in another unit.
        let is_complete = words.next().is_none_or(|time| time.parse::<i64>().is_ok());
        if !is_complete || words.next().is_some() || !series.name.starts_with(PREFIX) {
            return None;
        }
        series.labels.retain(|(name, value)| !PRIVATE.contains(name) && !has_address(value));
        let line = format!("{} {value}\n", series.written());
        let name = series.name;
        if self.seen.insert(series.sorted()) {
            self.by_name.entry(name).or_default().samples.push(line);
        }
        Some(())
    }

    fn written(&self) -> String {
        let shown = self.by_name.iter().filter(|(_, family)| !family.samples.is_empty());
        let written = shown.map(|(name, Family { help, kind, samples })| {
            let help = help.map(|help| format!("# HELP {name} {help}\n")).unwrap_or_default();
            let kind = kind.map(|kind| format!("# TYPE {name} {kind}\n")).unwrap_or_default();
            help + &kind + &samples.concat()
        });
        written.collect()
    }
}

/// Whether an IP address is in it, as in the device of a network's file system.
fn has_address(value: &str) -> bool {
    let is_of_address = |c: char| c.is_ascii_hexdigit() || matches!(c, '.' | ':');
    value.split(|c| !is_of_address(c)).any(|word| {
        word.parse::<Ipv6Addr>().is_ok()
            || word.trim_end_matches(':').parse::<Ipv6Addr>().is_ok()
            || word.split(':').any(|part| part.parse::<Ipv4Addr>().is_ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        filtered(text.as_bytes())
    }

    #[test]
    fn only_the_families_of_the_node_are_shown() {
        let text = "# HELP go_threads T.\n# TYPE go_threads gauge\ngo_threads 7\n\
                    process_cpu_seconds_total 1\npromhttp_x 2\npeel_signer_x 3\nup 1\n\
                    # HELP node_x X.\n# TYPE node_x gauge\nnode_x{a=\"b\"} 1.5e+09\n# EOF\n";
        assert_eq!(shown(text), "# HELP node_x X.\n# TYPE node_x gauge\nnode_x{a=\"b\"} 1.5e+09\n");
    }

    #[test]
    fn a_broken_line_is_dropped_and_no_other() {
        for broken in [
            "node_b",
            "node_b{} ",
            "node_b;1",
            "node_b-1",
            "node_b one",
            "node_b 1e999",
            "node_b 0x10",
            "node_b 1_000",
            "node_b inf",
            "node_b 1 2 3",
            "node_b 1 soon",
            "node_b{a=\"b\" 1",
            "node_b{a=\"b} 1",
            "node_b{a=b} 1",
            "node_b{a=\"\\x\"} 1",
            "node_b{a=\"1\",a=\"2\"} 1",
            "node_b{__name__=\"up\"} 1",
            "node_b{1=\"b\"} 1",
            "node_b{a=\"b\"c=\"d\"} 1",
            "node_b{,} 1",
            "node_b{a=\"\x1b[2K\"} 1",
            "node_b 1\rup 0",
            "# TYPE node_b",
            "# TYPE node_b nonsense",
            "# HELP node_b \\x",
            "# TYPE node_b{} gauge",
            "<html>node_b 1</html>",
        ] {
            assert_eq!(
                shown(&format!("node_a 1\n{broken}\nnode_c 2")),
                "node_a 1\nnode_c 2\n",
                "{broken}"
            );
        }
        let many: Vec<String> = (0..65).map(|at| format!("l{at}=\"\"")).collect();
        assert_eq!(shown(&format!("node_a{{{}}} 1\nnode_c 2\n", many.join(","))), "node_c 2\n");
        assert_eq!(filtered(b"node_a{b=\"\xff\"} 1\nnode_c 2\n"), "node_c 2\n");
    }

    #[test]
    fn a_family_is_shown_once_and_a_sample_once() {
        let text = "node_a{x=\"1\",y=\"2\"} 1\nnode_b 1\n# TYPE node_a gauge\nnode_a{y=\"2\",x=\"1\"} 2\n\
                    # TYPE node_a counter\n# HELP node_a One.\n# HELP node_a Two.\nnode_a 3 1700000000000\n";
        let expected = "# HELP node_a One.\n# TYPE node_a gauge\nnode_a{x=\"1\",y=\"2\"} 1\nnode_a 3\nnode_b 1\n";
        assert_eq!(shown(text), expected);
    }

    #[test]
    fn the_series_of_a_histogram_go_without_a_kind() {
        let series = "node_h_bucket{le=\"+Inf\"} 1\nnode_h_count 1\nnode_h_sum NaN\n";
        assert_eq!(shown(&format!("# TYPE node_h histogram\n{series}")), series);
    }

    #[test]
    fn blanks_and_escapes_are_read_as_prometheus_reads_them() {
        let text = " node_a { b = \"c\\\\\" , d=\"}\\\" \\n\", } \t 1 \n";
        assert_eq!(shown(text), "node_a{b=\"c\\\\\",d=\"}\\\" \\n\"} 1\n");
    }

    #[test]
    fn what_tells_where_the_home_is_is_not_shown() {
        for (line, expected) in [
            (
                "node_uname_info{machine=\"x\",nodename=\"alice-pi\"} 1",
                "node_uname_info{machine=\"x\"} 1",
            ),
            (
                "node_network_info{address=\"aa:bb:cc:dd:ee:ff\",device=\"eth0\"} 1",
                "node_network_info{device=\"eth0\"} 1",
            ),
            ("node_x{device=\"192.168.1.7:/export\",fstype=\"nfs\"} 1", "node_x{fstype=\"nfs\"} 1"),
            ("node_x{a=\"[fe80::1]:9100\"} 1", "node_x 1"),
            ("node_x{a=\"via 10.0.0.1:80\"} 1", "node_x 1"),
            (
                "node_x{a=\"5.10.0-21\",b=\"0000:00:1f.2\",c=\"platform:gpio\"} 1",
                "node_x{a=\"5.10.0-21\",b=\"0000:00:1f.2\",c=\"platform:gpio\"} 1",
            ),
        ] {
            assert_eq!(shown(line), format!("{expected}\n"), "{line}");
        }
    }
}
