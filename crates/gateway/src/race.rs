//! A question is asked over the best line; when that falls silent, over the next one too. The first
//! answer counts. A repeat is harmless: the signer answers both from one signature.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use thiserror::Error;
use tokio::time::{Instant, sleep_until};

use crate::line::{Line, LineError};
use crate::metrics::Metrics;
use crate::signer::Signer;
use crate::talk::{Question, Relayed};

/// Why nobody answered: ask again. Always *failed*.
#[derive(Debug, Error)]
pub(crate) enum Nobody {
    #[error("signer {0:?} is not connected; ask again")]
    Away(String),
    #[error("signer {name:?} cannot be asked ({why}); ask again")]
    Failed { name: String, why: LineError },
    #[error("signer {name:?} did not answer within {} s; ask again", limit.as_secs())]
    TooSlow { name: String, limit: Duration },
}

/// For a signer that has no line: one may be on its way back.
pub(crate) const WELCOME: Duration = Duration::from_secs(1);

/// The signer's answer.
///
/// # Errors
/// When there is none within `limit`.
pub(crate) async fn race(
    signer: &Signer,
    question: &Question,
    limit: Duration,
    metrics: &Metrics,
) -> Result<Relayed, Nobody> {
    let end = Instant::now() + limit;
    let mut welcome_until = Instant::now() + WELCOME.min(limit);
    let mut arrivals = signer.arrivals();
    let mut tried = HashSet::new();
    let (mut asked, mut silences) = (FuturesUnordered::new(), FuturesUnordered::new());
    let mut failure = None;
    let mut wants_another = true;
    loop {
        if wants_another && let Some(line) = next(signer, &mut tried) {
            if tried.len() > 1 {
                metrics.note_hedge(&signer.name);
            }
            wants_another = false;
            asked.push(ask(Arc::clone(&line), question));
            silences.push(silence(line));
        }
        let is_alone = asked.is_empty();
        tokio::select! {
            Some(answer) = asked.next() => match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    tracing::debug!(signer = signer.name, %error, "a line gave no answer");
                    (failure, wants_another) = (Some(error), true);
                    welcome_until = welcome_until.max(Instant::now() + WELCOME).min(end);
                }
            },
            Some(()) = silences.next() => wants_another = true,
            _ = arrivals.changed(), if wants_another => {}
            () = sleep_until(welcome_until), if is_alone => return Err(nobody(signer, failure)),
            () = sleep_until(end) => {
                return Err(Nobody::TooSlow { name: signer.name.clone(), limit });
            }
        }
    }
}

async fn ask(line: Arc<Line>, question: &Question) -> Result<Relayed, LineError> {
    line.ask(question).await
}

async fn silence(line: Arc<Line>) {
    line.falls_silent().await;
}

/// The best line that was not tried yet.
fn next(signer: &Signer, tried: &mut HashSet<u64>) -> Option<Arc<Line>> {
    signer.lines().into_iter().find(|line| tried.insert(line.session().id()))
}

fn nobody(signer: &Signer, failure: Option<LineError>) -> Nobody {
    let name = signer.name.clone();
    match failure {
        Some(why) => Nobody::Failed { name, why },
        None => Nobody::Away(name),
    }
}
