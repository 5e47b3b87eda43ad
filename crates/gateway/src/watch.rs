//! What each signer says of itself, asked for all the while through the tunnel.
//!
//! A connected signer whose Ledger is gone signs nothing: without this the gateway would call that well.

use std::sync::Arc;
use std::time::Duration;

use daemon::Shutdown;
use daemon::report::Report;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::http_client::SignerRequest;
use crate::path::Path;
use crate::signer::Signer;
use crate::signers::Signers;

/// Between two questions, while a line is there whose bytes cost nothing.
const PAUSE: Duration = Duration::from_secs(3);
const METERED_PAUSE: Duration = Duration::from_secs(30);
/// The same, while it is not ready: its Ledger has perhaps just been plugged in.
const NOT_READY_PAUSE: Duration = Duration::from_secs(1);
/// For a signer to answer.
const LIMIT: Duration = Duration::from_secs(2);
/// A report that is older says nothing of now.
pub(crate) const STALE_AFTER: Duration = Duration::from_secs(10);
pub(crate) const METERED_STALE_AFTER: Duration = Duration::from_secs(70);
/// More facts than a signer has.
const MAX_FACTS: usize = 500;

/// Asks all signers until shutdown.
pub(crate) async fn watch(signers: Signers, shutdown: Shutdown) {
    let mut watching = JoinSet::new();
    for signer in signers.iter() {
        watching.spawn(watch_one(Arc::clone(signer), shutdown.clone()));
    }
    while watching.join_next().await.is_some() {}
}

async fn watch_one(signer: Arc<Signer>, shutdown: Shutdown) {
    loop {
        let mut added = signer.added();
        let path = signer.paths().into_iter().find(|path| path.session().is_peel());
        if let Some(path) = &path {
            let report = tokio::select! {
                report = ask(path) => report,
                () = shutdown.requested() => return,
            };
            // A signer that does not answer keeps its last report, which becomes old.
            if let Some(report) = report {
                signer.note_report(report);
            }
        }
        tokio::select! {
            () = sleep(pause(&signer, path.as_deref())) => {}
            _ = added.changed() => {}
            () = shutdown.requested() => return,
        }
    }
}

fn pause(signer: &Signer, path: Option<&Path>) -> Duration {
    let is_ready = signer.report().is_none_or(|(_, report)| report.ready);
    match (path.is_some_and(|path| path.session().is_metered()), is_ready) {
        (true, _) => METERED_PAUSE,
        (false, true) => PAUSE,
        (false, false) => NOT_READY_PAUSE,
    }
}

/// None when there is no answer in time, or none that is a report: a version of Peel from before does not know it.
async fn ask(path: &Path) -> Option<Report> {
    let request = SignerRequest::get("/status");
    let response = timeout(LIMIT, path.send(&request)).await.ok()?.ok()?;
    let mut report: Report =
        response.is_ok().then(|| serde_json::from_slice(&response.body).ok())??;
    report.facts.truncate(MAX_FACTS);
    Some(report)
}
