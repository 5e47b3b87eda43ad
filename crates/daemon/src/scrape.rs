//! Metrics that are read at each scrape, and those that every daemon has.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabelSet, EncodeMetric,
    MetricEncoder,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

use crate::{Health, log, process};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
}

/// Registers what every daemon shows of itself, under its name: the version, the lines that its log has lost, and what
/// its process uses.
pub fn register_own(registry: &mut Registry, daemon: &str) {
    // A gauge and not OpenMetrics' own type for this, which older readers do not know.
    let build = Family::<BuildLabels, Gauge>::default();
    build.get_or_create(&BuildLabels { version: env!("CARGO_PKG_VERSION") }).set(1);
    registry.register(format!("{daemon}_build_info"), "The version that runs", build);
    let help = "Lines of the log that were lost because they were not read in time";
    registry.register(format!("{daemon}_log_lines_lost"), help, log::lost_lines());
    process::register(registry);
}

/// Registers whether the daemon's work can be done, under its name.
pub fn register_readiness(registry: &mut Registry, daemon: &str, health: Health) {
    let name = format!("{daemon}_ready");
    registry.register_collector(Box::new(Readiness { name, health }));
}

#[derive(Debug)]
struct Readiness {
    name: String,
    health: Health,
}

impl Collector for Readiness {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let help = "1: the daemon's work can be done, as /readyz says";
        gauge(&mut encoder, (&self.name, help), i64::from(self.health.is_ready()))
    }
}

/// Writes a gauge without labels.
///
/// # Errors
/// When the encoder's buffer does not take it.
pub fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    value: impl EncodeGaugeValue,
) -> fmt::Result {
    ConstGauge::new(value).encode(describe(encoder, (name, help), MetricType::Gauge)?)
}

/// Writes a counter without labels; its name gets `_total` at its end.
///
/// # Errors
/// When the encoder's buffer does not take it.
pub fn counter(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    value: impl EncodeCounterValue,
) -> fmt::Result {
    ConstCounter::new(value).encode(describe(encoder, (name, help), MetricType::Counter)?)
}

/// Writes a gauge, a row for each label set.
///
/// # Errors
/// When the encoder's buffer does not take it.
pub fn gauges<L: EncodeLabelSet, N: EncodeGaugeValue>(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    rows: impl IntoIterator<Item = (L, N)>,
) -> fmt::Result {
    let rows = rows.into_iter().map(|(labels, value)| (labels, ConstGauge::new(value)));
    family(describe(encoder, (name, help), MetricType::Gauge)?, rows)
}

/// Writes a counter, a row for each label set.
///
/// # Errors
/// When the encoder's buffer does not take it.
pub fn counters<L: EncodeLabelSet>(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    rows: impl IntoIterator<Item = (L, u64)>,
) -> fmt::Result {
    let rows = rows.into_iter().map(|(labels, value)| (labels, ConstCounter::new(value)));
    family(describe(encoder, (name, help), MetricType::Counter)?, rows)
}

fn family<L: EncodeLabelSet, M: EncodeMetric>(
    mut metric: MetricEncoder<'_>,
    mut rows: impl Iterator<Item = (L, M)>,
) -> fmt::Result {
    rows.try_for_each(|(labels, value)| value.encode(metric.encode_family(&labels)?))
}

fn describe<'a>(
    encoder: &'a mut DescriptorEncoder<'_>,
    (name, help): (&'a str, &str),
    kind: MetricType,
) -> Result<MetricEncoder<'a>, fmt::Error> {
    encoder.encode_descriptor(name, help, None, kind)
}
