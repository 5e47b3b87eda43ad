//! What is read here, held to the real node exporter; and exporters that are late, wrong or hostile.

mod hostile;
mod programs;
mod recorded;

use std::collections::BTreeSet;
use std::path::Path;

use programs::{RealExporter, complaints};
use recorded::Recorded;

use super::*;

fn here() -> Computer {
    let state = std::env::current_dir().unwrap();
    Computer { proc: "/proc".into(), sys: "/sys".into(), state }
}

/// More than anything takes that does not hang, on a computer that is busy with other tests.
const LONG: Duration = Duration::from_secs(30);

fn without_exporter(computer: Computer) -> Host {
    Host::of(computer, Config::default(), LONG)
}

fn with_exporter(url: &str, limit: Duration) -> Host {
    Host::of(here(), Config { node_exporter: Some(url.parse().unwrap()) }, limit)
}

/// The lines of some families, without those that change from one look to the next.
fn lines<'a>(text: &'a str, families: &[&str]) -> BTreeSet<&'a str> {
    let is_of = |line: &str| {
        let name = line.trim_start_matches("# HELP ").trim_start_matches("# TYPE ");
        let name = name.split([' ', '{']).next().unwrap();
        families.contains(&name)
    };
    text.lines().filter(|line| is_of(line)).collect()
}

/// Prometheus wants `snake_case`; the names of memory are the kernel's own, in node_exporter too.
fn is_of_kernel(complaint: &str) -> bool {
    complaint.starts_with("node_memory_Mem") && complaint.contains("camelCase")
}

#[tokio::test]
async fn a_recorded_raspberry_pi_is_shown_in_the_lines_of_the_real_exporter() {
    let recorded = Recorded::raspberry_pi();
    let own = without_exporter(recorded.computer()).text().await;
    let real = RealExporter::of(recorded.path());
    let theirs = real.text();
    let families = [
        "node_boot_time_seconds",
        "node_cpu_seconds_total",
        "node_hwmon_chip_names",
        "node_hwmon_temp_celsius",
        "node_load1",
        "node_load15",
        "node_load5",
        "node_memory_MemAvailable_bytes",
        "node_memory_MemTotal_bytes",
        "node_network_carrier",
        "node_network_receive_bytes_total",
        "node_network_transmit_bytes_total",
        "node_network_up",
        "node_thermal_zone_temp",
    ];
    let own = programs::in_one_notation(&own);
    let theirs = programs::in_one_notation(&theirs);
    // What it shows of `lo` is left out.
    let theirs = theirs.lines().filter(|line| !line.contains("\"lo\"")).collect::<Vec<_>>();
    let theirs = theirs.join("\n");
    assert_eq!(lines(&own, &families), lines(&theirs, &families));
    for family in families {
        assert!(lines(&own, &[family]).len() >= 3, "{family} is not in\n{own}");
    }
}

#[tokio::test]
async fn this_computer_has_the_names_and_labels_of_the_real_exporter() {
    let own = without_exporter(here()).text().await;
    let theirs = RealExporter::here().text();
    let series = |text: &str| -> BTreeSet<String> {
        let shown = text.lines().filter_map(|line| line.rsplit_once(' '));
        let shown = shown.filter(|(series, _)| !series.starts_with("node_uname_info"));
        shown.map(|(series, _)| series.to_owned()).collect()
    };
    let families =
        ["node_filesystem_readonly", "node_filesystem_size_bytes", "node_memory_MemTotal_bytes"];
    let notation = programs::in_one_notation;
    assert!(lines(&notation(&own), &families).is_subset(&lines(&notation(&theirs), &families)));
    let (own_series, theirs) = (series(&own), series(&theirs));
    let more: Vec<_> = own_series.difference(&theirs).collect();
    assert!(more.is_empty(), "{more:?}");
    for name in ["node_filesystem_avail_bytes{", "node_time_seconds", "node_load1"] {
        assert!(own_series.iter().any(|series| series.starts_with(name)), "{name}: {own}");
    }
}

#[tokio::test]
async fn what_is_read_here_passes_prometheus_own_check() {
    for computer in [here(), Recorded::raspberry_pi().computer(), Recorded::hostile().computer()] {
        let text = without_exporter(computer).text().await;
        assert!(text.contains("node_time_seconds"), "{text}");
        let complaints = complaints(&text);
        assert!(complaints.iter().all(|line| is_of_kernel(line)), "{complaints:?}\n{text}");
    }
}

#[tokio::test]
async fn the_computer_is_not_named() {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let real = RealExporter::here();
    assert!(real.text().contains(&format!("nodename=\"{name}\"")));
    let own = without_exporter(here()).text().await;
    let passed = with_exporter(&real.url, LONG).text().await;
    for text in [own, passed] {
        assert!(text.contains("node_uname_info{"), "{text}");
        assert!(!text.contains("nodename"), "{text}");
        assert!(!text.contains(&format!("\"{name}\"")), "{text}");
    }
}

#[tokio::test]
async fn the_real_exporter_is_passed_through() {
    let real = RealExporter::here();
    let text = with_exporter(&real.url, LONG).text().await;
    assert!(text.contains("\npeel_signer_node_exporter_up 1\n"), "{text}");
    // Of another family than our own.
    assert!(text.contains("node_scrape_collector_success{collector=\"cpu\"} 1\n"), "{text}");
    for line in text.lines().filter(|line| !line.contains("peel_signer_node_exporter_up")) {
        let name = line.trim_start_matches("# HELP ").trim_start_matches("# TYPE ");
        assert!(name.starts_with("node_"), "{line}");
    }
    // Nothing is lost on the way, and nothing is there that was not there.
    let names = |text: &str| -> BTreeSet<String> {
        let names = text.lines().filter(|line| line.starts_with("node_"));
        names.map(|line| line.split(['{', ' ']).next().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&text), names(&real.text()));
    let of_real: BTreeSet<String> = complaints(&real.text()).into_iter().collect();
    let added: Vec<String> =
        complaints(&text).into_iter().filter(|line| !of_real.contains(line)).collect();
    assert!(added.is_empty(), "{added:?}");
}

#[tokio::test]
async fn an_exporter_that_is_gone_is_seen_and_our_own_metrics_are_shown() {
    let real = RealExporter::here();
    let host = with_exporter(&real.url, LONG);
    assert!(host.text().await.contains("peel_signer_node_exporter_up 1\n"));
    drop(real);
    host.forget();
    let without = host.text().await;
    assert!(without.contains("peel_signer_node_exporter_up 0\n"), "{without}");
    assert!(without.contains("\nnode_load1 "), "{without}");
}

/// The clock stands still but when it is moved here.
#[tokio::test(start_paused = true)]
async fn a_flood_of_scrapes_costs_one_reading() {
    let recorded = Recorded::raspberry_pi();
    let host = without_exporter(recorded.computer());
    let first = host.text().await;
    recorded.write("proc/loadavg", "9 9 9 1/1 1\n");
    let flood = (0..1000).map(|_| host.text());
    assert!(futures_util::future::join_all(flood).await.iter().all(|text| *text == first));
    tokio::time::advance(FRESH).await;
    assert!(host.text().await.contains("\nnode_load1 9\n"));
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_the_reading_to_the_next_one() {
    let silent = hostile::Server::silent();
    let host = with_exporter(&silent.url(), Duration::from_secs(1));
    let mut gone = Box::pin(host.text());
    assert!(futures_util::poll!(&mut gone).is_pending());
    drop(gone);
    assert!(host.text().await.contains("\nnode_load1 "));
}

#[tokio::test]
async fn a_computer_that_shows_nothing_has_no_metrics_but_what_is_asked_of_the_kernel() {
    let empty = tempfile::tempdir().unwrap();
    let at = |name: &str| empty.path().join(name);
    let computer = Computer { proc: at("proc"), sys: at("sys"), state: at("state") };
    let text = without_exporter(computer).text().await;
    let names = text.lines().filter(|line| line.starts_with("# TYPE"));
    assert_eq!(
        names.collect::<Vec<_>>(),
        ["# TYPE node_time_seconds gauge", "# TYPE node_uname_info gauge"]
    );
}

#[tokio::test]
async fn at_most_32_interfaces_are_shown_those_of_hardware_before_others() {
    let recorded = Recorded::raspberry_pi();
    for number in 0..100 {
        recorded.write(&format!("sys/class/net/br-{number:03}/operstate"), "up\n");
    }
    let text = without_exporter(recorded.computer()).text().await;
    let shown: Vec<&str> =
        text.lines().filter(|line| line.starts_with("node_network_up{")).collect();
    assert_eq!(shown.len(), 32, "{text}");
    for device in ["eth0", "wwan0"] {
        assert!(shown.iter().any(|line| line.contains(device)), "{device}: {shown:?}");
    }
    assert!(!text.contains("\"lo\""), "{text}");
}

impl Host {
    /// As if a second had passed.
    fn forget(&self) {
        *self.0.latest.lock() = None;
    }
}

/// So that a test that needs it says which.
fn is_there(program: &str) -> bool {
    Path::new(program).is_file()
}
