//! Every metric that is shown is in `docs/monitoring.md`, and the other way round.

use std::collections::BTreeSet;

use anyhow::ensure;

const TEXT: &str = include_str!("../../docs/monitoring.md");
/// What a computer without such hardware, without systemd, or without such a section in its configuration does not show,
/// nor a link that is up.
const NOT_HERE: [&str; 8] = [
    "node_hwmon_temp_celsius",
    "node_thermal_zone_temp",
    "peel_signer_clock_synchronized",
    "peel_signer_device_watermark_level",
    "peel_signer_link_error",
    "peel_signer_modem_registered",
    "peel_signer_modem_signal_ratio",
    "peel_signer_node_exporter_up",
];
/// What a gateway without a key in shares does not show.
pub(crate) const OF_SHARED_KEYS: [&str; 2] =
    ["peel_gateway_share_answers_total", "peel_gateway_shared_key_requests_total"];
/// Shown beside the documented ones, as the node exporter does.
const OF_SENSORS: &str = "node_hwmon_";

/// The names in the first column of the tables of metrics.
fn documented() -> BTreeSet<&'static str> {
    let rows = TEXT.lines().filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
    let names = rows.flat_map(|cell| cell.split('`'));
    let is_metric = |name: &&str| {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        name.chars().all(is_name)
            && (matches!(*name, "power" | "wired_network")
                || ["peel_", "node_", "process_"].iter().any(|start| name.starts_with(start)))
    };
    names.filter(is_metric).collect()
}

/// Compares it with what a gateway of many signers shows.
pub(crate) fn compare(metrics: &str) -> anyhow::Result<()> {
    let families =
        metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let shown: BTreeSet<&str> = families.filter(|name| !name.starts_with(OF_SENSORS)).collect();
    let documented = documented();
    let unknown: Vec<_> = shown.difference(&documented).collect();
    ensure!(unknown.is_empty(), "not in docs/monitoring.md: {unknown:?}");
    let missing = documented
        .difference(&shown)
        .filter(|name| !NOT_HERE.contains(name) && !OF_SHARED_KEYS.contains(name));
    let missing: Vec<_> = missing.collect();
    ensure!(missing.is_empty(), "only in docs/monitoring.md: {missing:?}");
    Ok(())
}
