//! The real Prometheus, with Peel's rules.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use daemon::free_port;
use serde_json::Value;
use tempfile::TempDir;

use crate::process::Daemon;
use crate::{programs, wait};

/// A Prometheus that scrapes and evaluates once a second.
#[derive(Debug)]
pub struct Prometheus {
    address: SocketAddr,
    server: Daemon,
    _folder: TempDir,
}

/// An alert that fires, and some of its labels: `signer`, `key`, `uplink`, where it has them.
pub type Firing = (String, String);

const START_LIMIT: Duration = Duration::from_secs(20);

impl Prometheus {
    /// Starts it where the test is, for these targets, with these rules.
    ///
    /// # Errors
    /// When it is not installed, or does not start.
    pub fn start(rules: &str, targets: &[SocketAddr]) -> anyhow::Result<Prometheus> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("peel.rules.yml"), rules)?;
        fs::write(folder.path().join("prometheus.yml"), configuration(targets))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port::choose()?));
        let mut server = Daemon::start("prometheus", command(folder.path(), address)?)?;
        server.wait_until_log_says("Server is ready to receive web requests", START_LIMIT)?;
        Ok(Prometheus { address, server, _folder: folder })
    }

    /// The alerts that fire now.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn firing(&self) -> anyhow::Result<BTreeSet<Firing>> {
        let answer = self.ask("/api/v1/alerts")?;
        let alerts = answer.pointer("/data/alerts").and_then(Value::as_array);
        let alerts = alerts.with_context(|| format!("no alerts in {answer}"))?.iter();
        let firing = alerts.filter(|alert| alert.get("state") == Some(&Value::from("firing")));
        Ok(firing.filter_map(name_and_labels).collect())
    }

    /// Waits until each of `wanted` fires: an alert's name, and a text that is in its labels.
    ///
    /// # Errors
    /// When one does not within `limit`.
    pub fn wait_until_firing(
        &self,
        wanted: &[(&str, &str)],
        limit: Duration,
    ) -> anyhow::Result<()> {
        let fires = |firing: &BTreeSet<Firing>, (name, label): (&str, &str)| {
            firing.iter().any(|(own, labels)| own == name && labels.contains(label))
        };
        let mut missing = wanted.to_vec();
        let all = wait::until("the alerts", limit, || {
            let firing = self.firing()?;
            missing.retain(|wanted| !fires(&firing, *wanted));
            Ok(missing.is_empty().then_some(()))
        });
        all.with_context(|| format!("not fired: {missing:?}; now: {:?}", self.firing()))
    }

    /// Whether a query has a result.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn has(&self, query: &str) -> anyhow::Result<bool> {
        let query = query.replace(' ', "%20").replace('=', "%3D");
        let answer = self.ask(&format!("/api/v1/query?query={query}"))?;
        let result = answer.pointer("/data/result").and_then(Value::as_array);
        Ok(result.is_some_and(|result| !result.is_empty()))
    }

    /// What it says in its log.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn log(&self) -> anyhow::Result<String> {
        self.server.log()
    }

    fn ask(&self, path: &str) -> anyhow::Result<Value> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(START_LIMIT))?;
        write!(stream, "GET {path} HTTP/1.0\r\nhost: localhost\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (_, body) = answer.split_once("\r\n\r\n").context("no answer")?;
        Ok(serde_json::from_str(body)?)
    }
}

fn command(folder: &Path, address: SocketAddr) -> anyhow::Result<Command> {
    let mut command = Command::new(programs::path("prometheus")?);
    let data = folder.join("data");
    command.arg(format!("--config.file={}", folder.join("prometheus.yml").display()));
    command.arg(format!("--storage.tsdb.path={}", data.display()));
    command.arg(format!("--web.listen-address={address}"));
    command.current_dir(folder);
    Ok(command)
}

fn configuration(targets: &[SocketAddr]) -> String {
    let targets: Vec<String> = targets.iter().map(|target| format!("\"{target}\"")).collect();
    format!(
        "global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }}\n\
         rule_files: [peel.rules.yml]\n\
         scrape_configs:\n\
         - job_name: peel\n  static_configs: [{{ targets: [{}] }}]\n",
        targets.join(", ")
    )
}

/// `PeelDeviceNotReady`, `signer=home key=baker`.
fn name_and_labels(alert: &Value) -> Option<Firing> {
    let labels = alert.get("labels")?;
    let name = labels.get("alertname")?.as_str()?.to_owned();
    let label = |name: &&str| Some(format!("{name}={}", labels.get(*name)?.as_str()?));
    let named: Vec<String> =
        ["signer", "key", "uplink", "reason"].iter().filter_map(label).collect();
    Some((name, named.join(" ")))
}
