//! What watches Peel from outside. The alert rules and the dashboard read the metrics of `docs/monitoring.md` and no others;
//! Prometheus's own program says whether the rules do as they should.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::iter;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::peel::said;

const DOCUMENT: &str = include_str!("../../../../docs/monitoring.md");
const RULES: &str = include_str!("../../../../deploy/prometheus/peel.rules.yml");
const RULE_TESTS: &str = include_str!("../../../../deploy/prometheus/peel.rules.test.yml");
const DASHBOARD: &str = include_str!("../../../../deploy/grafana/peel.json");
/// The metrics that Prometheus makes itself.
const OF_PROMETHEUS: [&str; 2] = ["up", "ALERTS"];
/// Of a histogram's series, behind its name.
const SUFFIXES: [&str; 3] = ["_bucket", "_sum", "_count"];
const OPERATORS: [&str; 3] = ["and", "or", "unless"];
/// Before lists of labels.
const LISTS: [&str; 2] = [" by (", " on ("];
const SEVERITIES: [&str; 3] = ["critical", "warning", "info"];

/// The metrics of the document; true for a histogram.
fn documented() -> BTreeMap<&'static str, bool> {
    let sections = DOCUMENT.split("\n## ").filter(|section| section.starts_with("Metrics of "));
    let rows = sections.flat_map(str::lines).filter_map(|line| line.strip_prefix("| `"));
    let metrics = rows.flat_map(|row| {
        let cell = row.split(" |").next().unwrap_or_default();
        let is_histogram = row.contains("| histogram");
        cell.split('`').step_by(2).map(move |name| (name, is_histogram))
    });
    metrics.collect()
}

fn is_documented(metric: &str, documented: &BTreeMap<&str, bool>) -> bool {
    let is_histograms = |suffix: &&str| {
        let histogram = metric.strip_suffix(*suffix).and_then(|name| documented.get(name));
        histogram == Some(&true)
    };
    let is_whole = documented.get(metric) == Some(&false);
    is_whole || OF_PROMETHEUS.contains(&metric) || SUFFIXES.iter().any(is_histograms)
}

/// The text without what stands from each `open` to the next `close`.
fn without(text: &str, open: &str, close: char) -> String {
    let mut parts = text.split(open);
    let first = parts.next().unwrap_or_default().to_owned();
    let rests = parts.filter_map(|part| part.split_once(close));
    rests.fold(first, |text, (_, rest)| text + " " + rest)
}

/// The metrics that an expression reads: its names that are no strings, labels, functions or operators.
fn metrics(expression: &str) -> BTreeSet<String> {
    let text: String = expression.split('"').step_by(2).collect();
    let text = without(&without(&text, "{", '}'), "[", ']');
    let text = LISTS.iter().fold(text, |text, list| without(&text, list, ')'));
    let text = text.replace('(', " ( ");
    let between = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '(');
    let words: Vec<&str> = text.split(between).filter(|word| !word.is_empty()).collect();
    let following = words.iter().copied().skip(1).chain([""]);
    let names = words.iter().copied().zip(following).filter(|&(word, next)| {
        let is_name = word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        is_name && next != "(" && !OPERATORS.contains(&word)
    });
    names.map(|(name, _)| name.to_owned()).collect()
}

/// An alert of the rules: its name, and its lines.
fn alerts() -> Vec<(&'static str, &'static str)> {
    let blocks = RULES.split("      - alert: ").skip(1);
    blocks.map(|block| block.split_once('\n').unwrap_or((block, ""))).collect()
}

/// A field of an alert, in one line, or folded over the lines that follow and are indented further.
fn field(block: &str, name: &str) -> Option<String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut lines = block.lines().skip_while(|line| {
        !line.trim_start().strip_prefix(name).is_some_and(|rest| rest.starts_with(": "))
    });
    let first = lines.next()?;
    let (_, text) = first.split_once(": ")?;
    if text != ">-" {
        return Some(text.trim_matches('"').to_owned());
    }
    let folded = lines.take_while(|line| indent(line) > indent(first));
    Some(folded.map(str::trim).collect::<Vec<_>>().join(" "))
}

fn dashboard() -> Value {
    serde_json::from_str(DASHBOARD).unwrap()
}

/// Every expression in a value.
fn expressions(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            let own = fields.get("expr").and_then(Value::as_str).map(str::to_owned);
            own.into_iter().chain(fields.values().flat_map(expressions)).collect()
        }
        Value::Array(values) => values.iter().flat_map(expressions).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// The panels of the dashboard, with those of folded rows.
fn panels(dashboard: &Value) -> Vec<&Value> {
    panels_of(dashboard).flat_map(|panel| iter::once(panel).chain(panels_of(panel))).collect()
}

/// Those of the dashboard itself, or of a row.
fn panels_of(parent: &Value) -> impl Iterator<Item = &Value> {
    parent.get("panels").and_then(Value::as_array).into_iter().flatten()
}

/// The cells of the grid that a panel covers, each as column and row.
fn cells(panel: &Value) -> Vec<(u64, u64)> {
    let side = |name: &str| panel.get("gridPos")?.get(name)?.as_u64();
    let [x, y, w, h] = ["x", "y", "w", "h"].map(|name| side(name).unwrap());
    (x..x + w).flat_map(|column| (y..y + h).map(move |row| (column, row))).collect()
}

fn in_deploy(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/prometheus").join(file)
}

/// Runs Prometheus's own program on a file of rules or of their tests.
fn promtool(what: &str, file: &Path) {
    let ran = Command::new("promtool").args([what, "rules"]).arg(file).output();
    let ran = ran.unwrap_or_else(|error| {
        panic!("promtool: {error}; it is of the package prometheus: apt-get install prometheus")
    });
    assert!(ran.status.success(), "promtool {what} rules {}: {}", file.display(), said(&ran));
}

#[test]
fn a_metric_is_what_is_no_string_label_function_or_operator() {
    let read = |expression, expected: &[&str]| {
        let expected: BTreeSet<_> = expected.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(metrics(expression), expected, "{expression}");
    };
    read("up{job=~\".*peel.*\"} == 0", &["up"]);
    read("max by (instance, signer) (abs(a_seconds)) > 5e3", &["a_seconds"]);
    read("rate(a_total{b=\"(c)\"}[1m]) * 60 unless on (d) e", &["a_total", "e"]);
    read("sum by (a, le) (b_bucket) / c or time() - d", &["b_bucket", "c", "d"]);
}

#[test]
fn every_metric_of_the_rules_and_the_dashboard_is_documented() {
    let documented = documented();
    let of_rules = alerts().into_iter().map(|(_, block)| field(block, "expr").unwrap_or_default());
    let of_rules: Vec<String> = of_rules.collect();
    for (place, expressions) in [("rules", of_rules), ("dashboard", expressions(&dashboard()))] {
        for expression in expressions {
            let metrics = metrics(&expression);
            assert!(!metrics.is_empty(), "{place}: no metric is read by {expression}");
            for metric in metrics {
                assert!(is_documented(&metric, &documented), "{place}: {metric} in {expression}");
            }
        }
    }
}

#[test]
fn every_alert_says_how_bad_it_is_what_it_means_and_what_to_do() {
    for (name, block) in alerts() {
        for text in ["summary", "description"] {
            assert!(field(block, text).is_some_and(|said| said.len() > 20), "{name}: {text}");
        }
        let labels = field(block, "labels").unwrap_or_default();
        let has = |severity: &&str| labels == format!("{{ severity: {severity} }}");
        assert!(SEVERITIES.iter().any(has), "{name}: {labels}");
    }
}

#[test]
fn every_alert_is_tested_to_fire_and_not_to_fire() {
    let alerts = alerts();
    assert_eq!(RULES.matches("alert:").count(), alerts.len(), "each alert is read here");
    for (name, _) in alerts {
        let test = format!("alertname: {name}\n");
        let tests = RULE_TESTS.split(test.as_str()).skip(1);
        let (fires, is_quiet): (Vec<_>, Vec<_>) =
            tests.partition(|rest| rest.trim_start().starts_with("exp_alerts:"));
        assert!(!fires.is_empty() && !is_quiet.is_empty(), "{name}");
    }
}

#[test]
fn the_alerts_fire_from_their_causes_and_from_nothing_else() {
    promtool("check", &in_deploy("peel.rules.yml"));
    promtool("test", &in_deploy("peel.rules.test.yml"));
}

#[test]
fn every_expression_of_the_dashboard_is_one_of_prometheus() {
    let rules = expressions(&dashboard()).into_iter().enumerate().map(|(at, expression)| {
        let expression = Value::String(expression.replace("$__rate_interval", "1m"));
        format!("  - record: panel_{at}\n    expr: {expression}\n")
    });
    let rules: String = rules.collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dashboard.rules.yml");
    fs::write(&file, format!("groups:\n- name: dashboard\n  rules:\n{rules}")).unwrap();
    promtool("check", &file);
}

#[test]
fn the_panels_of_the_dashboard_stand_apart_and_say_what_they_mean() {
    let dashboard = dashboard();
    assert_eq!(dashboard.get("uid"), Some(&Value::from("peel")));
    let (mut ids, mut covered) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels(&dashboard) {
        let text = |name| panel.get(name).and_then(Value::as_str).unwrap_or_default();
        let title = text("title");
        assert!(ids.insert(panel.get("id").and_then(Value::as_u64).unwrap()), "{title}: its id");
        for cell in cells(panel) {
            assert!(cell.0 < 24 && covered.insert(cell), "{title} at {cell:?}");
        }
        if text("type") != "row" {
            assert!(text("description").len() > 10, "{title} says nothing");
        }
    }
}
