//! The text format 0.0.4 of Prometheus, written: `# HELP`, `# TYPE`, samples.
//!
//! Not with the encoder of our own metrics, which writes OpenMetrics: there a counter's family has another name than
//! in the text of a node exporter, beside which this is to be read.

/// Metrics as text.
#[derive(Debug, Default)]
pub(super) struct Exposition(String);

/// What a metric is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Counter,
    Gauge,
}

/// A value with its labels.
#[derive(Debug)]
pub(super) struct Sample {
    labels: Vec<(&'static str, String)>,
    value: f64,
}

impl Sample {
    pub(super) fn new(labels: Vec<(&'static str, String)>, value: f64) -> Sample {
        Sample { labels, value }
    }
}

impl Exposition {
    /// Writes a gauge without labels; none leaves it out.
    pub(super) fn gauge(&mut self, described: (&str, &str), value: Option<f64>) {
        let samples = value.map(|value| Sample::new(Vec::new(), value));
        self.family(Kind::Gauge, described, samples);
    }

    /// Writes a family; one without samples is left out.
    pub(super) fn family(
        &mut self,
        kind: Kind,
        (name, help): (&str, &str),
        samples: impl IntoIterator<Item = Sample>,
    ) {
        let mut samples = samples.into_iter().filter(|sample| sample.value.is_finite()).peekable();
        if samples.peek().is_some() {
            self.0 += &format!("# HELP {name} {help}\n# TYPE {name} {}\n", kind.word());
        }
        for Sample { labels, value } in samples {
            self.0 += &format!("{name}{} {value}\n", written(&labels));
        }
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        }
    }
}

fn written(labels: &[(&'static str, String)]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let pairs = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value)));
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_label_holds_does_not_end_it() {
        let mut text = Exposition::default();
        let value = "a \"b\"\\\n} 1".to_owned();
        text.family(Kind::Gauge, ("node_x", "X."), [Sample::new(vec![("device", value)], 1.5)]);
        let expected =
            "# HELP node_x X.\n# TYPE node_x gauge\nnode_x{device=\"a \\\"b\\\"\\\\\\n} 1\"} 1.5\n";
        assert_eq!(text.into_text(), expected);
    }

    #[test]
    fn a_family_without_a_value_is_left_out() {
        let mut text = Exposition::default();
        text.gauge(("node_x", "X."), None);
        text.gauge(("node_y", "Y."), Some(f64::NAN));
        assert_eq!(text.into_text(), "");
    }
}
