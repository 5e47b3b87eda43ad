//! What a signer says of itself, asked for all the while through the tunnel.
//!
//! A connected signer whose Ledger is gone signs nothing: without this the gateway would call that well.

use std::sync::Arc;
use std::time::Duration;

use daemon::Shutdown;
use daemon::report::Report;
use tokio::time::{sleep, timeout};

use crate::http_client::SignerRequest;
use crate::path::Path;
use crate::signer::Signer;

/// Between two questions, while a line is there whose bytes cost nothing.
const PAUSE: Duration = Duration::from_secs(3);
const METERED_PAUSE: Duration = Duration::from_secs(30);
const METERED_NOT_READY_PAUSE: Duration = Duration::from_secs(5);
/// The same, while it is not ready: its Ledger has perhaps just been plugged in.
const NOT_READY_PAUSE: Duration = Duration::from_secs(1);
/// For a signer to answer.
const LIMIT: Duration = Duration::from_secs(2);
/// More facts than a signer has, and figures than a fact.
const MAX_FACTS: usize = 256;
const MAX_FIGURES: usize = 16;
/// Characters of a word, and of a line.
const MAX_WORD: usize = 64;
const MAX_LINE: usize = 400;

/// Asks a signer until shutdown, or until it is taken out of the configuration.
pub(crate) async fn watch(signer: Arc<Signer>, shutdown: Shutdown) {
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
        (true, true) => METERED_PAUSE,
        (true, false) => METERED_NOT_READY_PAUSE,
        (false, true) => PAUSE,
        (false, false) => NOT_READY_PAUSE,
    }
}

/// None when there is no answer in time, or none that is a report: a version of Peel from before does not know it.
async fn ask(path: &Path) -> Option<Report> {
    let request = SignerRequest::get("/status");
    let response = timeout(LIMIT, path.send(&request)).await.ok()?.ok()?;
    let report = response.is_ok().then(|| serde_json::from_slice(&response.body).ok())??;
    Some(bounded(report))
}

/// What a signer says goes into the gateway's own facts, its answers and its log: in one line each, and not endless.
fn bounded(report: Report) -> Report {
    let word = |text: &str| shown(text, MAX_WORD);
    let facts = report.facts.into_iter().take(MAX_FACTS).map(|mut fact| {
        fact.group = word(&fact.group).into();
        fact.subject = word(&fact.subject);
        fact.state = word(&fact.state).into();
        fact.line = shown(&fact.line, MAX_LINE);
        fact.figures.truncate(MAX_FIGURES);
        fact.figures.iter_mut().for_each(|(name, _)| *name = word(name).into());
        fact
    });
    Report {
        daemon: word(&report.daemon).into(),
        version: word(&report.version).into(),
        facts: facts.collect(),
        ..report
    }
}

/// A text without control characters, up to a length.
pub(crate) fn shown(text: &str, most: usize) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(most).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_signer_says_is_one_line_and_not_endless() {
        let fact = |line: String| {
            let line = serde_json::to_string(&line).unwrap();
            format!(
                "{{\"group\":\"key\",\"state\":\"locked\",\"verdict\":\"failed\",\"line\":{line}}}"
            )
        };
        let facts = vec![fact(format!("x\n[+] signer_other: ok{}", "y".repeat(100_000))); 1000];
        let text = format!(
            "{{\"daemon\":\"signer\",\"version\":\"1\",\"started\":0,\"now\":0,\"ready\":false,\"facts\":[{}]}}",
            facts.join(",")
        );
        let report = bounded(serde_json::from_str(&text).unwrap());
        assert_eq!(report.facts.len(), MAX_FACTS);
        let line = &report.facts[0].line;
        assert_eq!(line.chars().count(), MAX_LINE);
        assert!(line.starts_with("x [+] signer_other: ok"), "{line}");
    }
}
