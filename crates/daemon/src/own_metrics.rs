//! Metrics that every daemon has of itself.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::scrape::gauge;
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
