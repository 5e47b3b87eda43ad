//! A sample's name, labels and value, as the text format 0.0.4 of Prometheus has them.
//!
//! Strict where Prometheus is: what is taken here is read there.

/// The name of a sample, and its labels, their values as they are written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Series<'a> {
    pub(super) name: &'a str,
    pub(super) labels: Vec<(&'a str, &'a str)>,
}

/// Between the words of a line.
pub(super) const BLANKS: [char; 2] = [' ', '\t'];
/// Of a sample: node exporters have ten.
const MAX_LABELS: usize = 64;

impl<'a> Series<'a> {
    /// A name and its labels, and what follows.
    pub(super) fn at_start(line: &'a str) -> Option<(Series<'a>, &'a str)> {
        let (name, rest) = name_at_start(line);
        let Some(inside) = rest.trim_start_matches(BLANKS).strip_prefix('{') else {
            return rest.starts_with(BLANKS).then_some((Series { name, labels: Vec::new() }, rest));
        };
        let (labels, rest) = labels(inside)?;
        Some((Series { name, labels }, rest))
    }

    pub(super) fn sorted(mut self) -> Series<'a> {
        self.labels.sort_unstable();
        self
    }

    pub(super) fn written(&self) -> String {
        if self.labels.is_empty() {
            return self.name.to_owned();
        }
        let labels = self.labels.iter().map(|(name, value)| format!("{name}=\"{value}\""));
        format!("{}{{{}}}", self.name, labels.collect::<Vec<_>>().join(","))
    }
}

/// The labels after an opening brace, and what follows the closing one.
fn labels(mut rest: &str) -> Option<(Vec<(&str, &str)>, &str)> {
    let mut labels: Vec<(&str, &str)> = Vec::new();
    loop {
        rest = rest.trim_start_matches(BLANKS);
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        let (name, after) = rest.split_once('=')?;
        let name = name.trim_end_matches(BLANKS);
        let (value, after) = quoted(after.trim_start_matches(BLANKS))?;
        let is_full = labels.len() == MAX_LABELS;
        if is_full || !is_label_name(name) || labels.iter().any(|(other, _)| *other == name) {
            return None;
        }
        labels.push((name, value));
        let after = after.trim_start_matches(BLANKS);
        let is_last = after.starts_with('}');
        rest = if is_last { after } else { after.strip_prefix(',')? };
    }
}

/// The text between two quotes, as it is written, and what follows.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix('"')?;
    let mut is_after_backslash = false;
    let end = text.find(|c| {
        let ends = c == '"' && !is_after_backslash;
        is_after_backslash = c == '\\' && !is_after_backslash;
        ends
    })?;
    let (value, rest) = text.split_at_checked(end)?;
    is_escaped(value, "\\n\"").then_some((value, rest.strip_prefix('"')?))
}

/// Whether only what may follow a backslash does.
pub(super) fn is_escaped(text: &str, allowed: &str) -> bool {
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter == '\\' && !letters.next().is_some_and(|next| allowed.contains(next)) {
            return false;
        }
    }
    true
}

/// The letters of a metric's name, and what follows.
pub(super) fn name_at_start(text: &str) -> (&str, &str) {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    let end = text.find(|c| !is_of_name(c)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// Those with two underscores are Prometheus's own.
fn is_label_name(name: &str) -> bool {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty()
        && name.chars().all(is_of_name)
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.starts_with("__")
}

/// What Go and Rust both read as a number, and not as an infinite one unless it says so.
pub(super) fn is_value(word: &str) -> bool {
    let is_of_number = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
    matches!(word, "NaN" | "+Inf" | "-Inf")
        || word.chars().all(is_of_number) && word.parse().is_ok_and(f64::is_finite)
}
