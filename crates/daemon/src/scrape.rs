//! Metrics that are read at each scrape.

use std::fmt;

use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabelSet, EncodeMetric,
    MetricEncoder,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

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
