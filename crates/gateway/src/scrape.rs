//! The metrics of the signers, behind the gateway's own, each with the name of its signer.
//!
//! A signer is asked through the tunnel when the gateway is, in time and not too often: one that is silent holds up
//! no other, and a flood of scrapes here is none at home. What comes is a stranger's until it is read: families that are
//! not a signer's are left out.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use daemon::exposition::Families;
use futures_util::future::join_all;
use tokio::time::{Instant, timeout};

use crate::http_client::SignerRequest;
use crate::signer::Signer;
use crate::signers::Signers;

/// For a signer to answer a scrape: it gives its computer's part most of a second.
const LIMIT: Duration = Duration::from_secs(2);
/// A scrape that comes sooner gets what the last one got.
const MIN_AGE: Duration = Duration::from_secs(1);
/// The same, while only lines are there whose bytes cost money.
const METERED_MIN_AGE: Duration = Duration::from_secs(30);
/// Samples of a signer: its own are some hundreds for a key, and those of its computer about as many.
const MAX_SAMPLES: usize = 5000;
const LABEL: &str = "signer";
const SCRAPED: &str = "peel_gateway_signer_scraped";

/// The metrics of all signers. `own`: those of the gateway, whose families stand there already.
pub(crate) async fn scrape(signers: Signers, own: String) -> String {
    let signers = signers.all();
    let names = signers.iter().map(|signer| signer.name.clone());
    let scraped = join_all(signers.iter().map(scrape_one)).await;
    let mut all = Families::default();
    let mut text = format!(
        "# HELP {SCRAPED} 1: the signer answered the last scrape through the tunnel.\n# TYPE {SCRAPED} gauge\n"
    );
    for (name, families) in names.zip(scraped) {
        // A String takes all that is written.
        let _ = writeln!(text, "{SCRAPED}{{{LABEL}=\"{name}\"}} {}", u8::from(families.is_some()));
        all.merge(families.unwrap_or_default());
    }
    all.without_those_of(&own);
    let _ = write!(text, "{all}");
    text
}

/// None when the signer does not answer in time. Requests that come meanwhile wait for the same answer.
async fn scrape_one(signer: &Arc<Signer>) -> Option<Families> {
    let path = signer.paths().into_iter().next()?;
    let min_age = if path.session().is_metered() { METERED_MIN_AGE } else { MIN_AGE };
    let mut last = signer.last_scrape.0.lock().await;
    if let Some((at, families)) = &*last
        && at.elapsed() < min_age
    {
        return families.clone();
    }
    let request = SignerRequest::get("/healthz");
    let response = timeout(LIMIT, path.send(&request)).await.ok().and_then(Result::ok);
    let families = response.filter(|response| response.is_ok()).map(|response| {
        let text = String::from_utf8_lossy(&response.body);
        Families::parse(&text, MAX_SAMPLES, is_of_a_signer).with_label(LABEL, &signer.name)
    });
    *last = Some((Instant::now(), families.clone()));
    families
}

/// A signer's own, those of the existing charts, and its computer's.
fn is_of_a_signer(family: &str) -> bool {
    family.starts_with("peel_signer_")
        || family.starts_with("node_")
        || matches!(family, "power" | "wired_network")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signer_shows_only_what_is_a_signers() {
        for family in ["peel_signer_requests_total", "node_load1", "power", "wired_network"] {
            assert!(is_of_a_signer(family), "{family}");
        }
        for family in ["peel_gateway_requests_total", "up", "process_open_fds", "powers"] {
            assert!(!is_of_a_signer(family), "{family}");
        }
    }
}
