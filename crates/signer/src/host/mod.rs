//! The computer at home among the metrics: load, memory, disks, temperatures, interfaces.
//!
//! ```text
//! text() ──▶ answered within the last second? that again
//!            node_exporter configured? ──▶ asked ──▶ filtered ──▶ shown
//!                                            │ late, broken, nothing of use
//!            none ───────────────────────────┴──▶ read here ────▶ shown
//! ```
//!
//! Nothing of it is waited for longer than a second, and nothing of it blocks the task that serves signatures.

mod bounded;
mod computer;
mod exposition;
mod file_systems;
mod network;
mod node_exporter;
mod passed_through;
mod reader;
mod series;
mod temperatures;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use computer::Computer;
use exposition::Exposition;
use node_exporter::NodeExporterError;
pub(crate) use node_exporter::{NodeExporter, NodeExporterTextError};
use reader::Reader;

/// Metrics of this computer. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Host(Arc<Inner>);

/// `[host]`, understood.
#[derive(Debug, Clone, Default)]
pub(crate) struct Config {
    /// Its text is shown instead of our own.
    pub(crate) node_exporter: Option<NodeExporter>,
}

#[derive(Debug)]
struct Inner {
    computer: Arc<Computer>,
    node_exporter: Option<NodeExporter>,
    /// For an answer of the node exporter, and for each of the readers.
    limit: Duration,
    /// A sensor that hangs hides no disk, and a disk that hangs no sensor.
    system: Reader,
    sensors: Reader,
    disks: Reader,
    passed_through: Reader,
    /// For one reading: other callers wait for it, and take what it has found.
    turn: Semaphore,
    latest: Mutex<Option<Latest>>,
    /// Why the node exporter is not shown.
    complaint: Mutex<Option<String>>,
}

#[derive(Debug)]
struct Latest {
    text: String,
    read_at: Instant,
}

/// So that a scrape, for which Prometheus waits ten seconds, is answered whatever hangs.
const LIMIT: Duration = Duration::from_millis(500);
/// A flood of scrapes costs one reading a second.
const FRESH: Duration = Duration::from_secs(1);

impl Host {
    /// The computer that this process runs on. `state` is the signer's folder, whose disk is shown.
    pub(crate) fn new(config: Config, state: PathBuf) -> Host {
        let computer = Computer { proc: PathBuf::from("/proc"), sys: PathBuf::from("/sys"), state };
        Host::of(computer, config, LIMIT)
    }

    fn of(computer: Computer, config: Config, limit: Duration) -> Host {
        Host(Arc::new(Inner {
            computer: Arc::new(computer),
            node_exporter: config.node_exporter,
            limit,
            system: Reader::new(limit),
            sensors: Reader::new(limit),
            disks: Reader::new(limit),
            passed_through: Reader::new(limit),
            turn: Semaphore::new(1),
            latest: Mutex::new(None),
            complaint: Mutex::new(None),
        }))
    }

    /// The metrics, in the text format 0.0.4 of Prometheus, within a second, as a rule at once. What is
    /// not known is not there.
    pub(crate) async fn text(&self) -> String {
        // A caller that goes away lets its turn go: the next one reads.
        let _turn = self.0.turn.acquire().await;
        if let Some(text) = self.0.fresh() {
            return text;
        }
        let text = self.0.read().await;
        *self.0.latest.lock() = Some(Latest { text: text.clone(), read_at: Instant::now() });
        text
    }
}

impl Inner {
    fn fresh(&self) -> Option<String> {
        let latest = self.latest.lock();
        let fresh = latest.as_ref().filter(|latest| latest.read_at.elapsed() < FRESH);
        fresh.map(|latest| latest.text.clone())
    }

    async fn read(&self) -> String {
        let Some(node_exporter) = &self.node_exporter else { return self.own().await };
        let passed = self.pass_through(node_exporter).await;
        self.note(passed.as_ref().err());
        let mut text = Exposition::default();
        let help = "1: what the node exporter of this computer shows is passed through";
        let up = if passed.is_ok() { 1.0 } else { 0.0 };
        text.gauge(("peel_signer_node_exporter_up", help), Some(up));
        let shown = match passed {
            Ok(passed) => passed,
            Err(_) => self.own().await,
        };
        shown + &text.into_text()
    }

    async fn own(&self) -> String {
        let parts = tokio::join!(
            self.part(&self.system, Computer::system),
            self.part(&self.sensors, Computer::sensors),
            self.part(&self.disks, Computer::disks),
        );
        parts.0 + &parts.1 + &parts.2
    }

    /// Nothing when it does not come in time.
    async fn part(&self, reader: &Reader, read: fn(&Computer) -> String) -> String {
        let computer = Arc::clone(&self.computer);
        reader.read(move || read(&computer)).await.unwrap_or_default()
    }

    async fn pass_through(&self, from: &NodeExporter) -> Result<String, NodeExporterError> {
        let body = from.ask(self.limit).await?;
        // Two megabytes take longer to read than a vote may wait for.
        let text = self.passed_through.read(move || passed_through::filtered(&body)).await;
        text.filter(|text| !text.is_empty()).ok_or(NodeExporterError::Nothing)
    }

    /// One line when it is lost, or for another reason than before; one when it is back.
    fn note(&self, error: Option<&NodeExporterError>) {
        let complaint = error.map(ToString::to_string);
        let before = std::mem::replace(&mut *self.complaint.lock(), complaint.clone());
        match complaint {
            Some(now) if before.as_ref() != Some(&now) => tracing::warn!(
                "the node exporter is not passed through, metrics of our own are shown: {now}"
            ),
            None if before.is_some() => tracing::info!("the node exporter is passed through again"),
            Some(_) | None => {}
        }
    }
}
