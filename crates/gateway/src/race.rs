//! A question is asked over the best line; when that falls silent, over the next one too. The first
//! answer counts. A repeat is harmless: the signer answers both from one signature.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use thiserror::Error;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::line::{HEAD_START, Line, LineError};
use crate::metrics::Metrics;
use crate::signer::Signer;
use crate::talk::{Question, Relayed};
use crate::witness::{Behind, Witness};

/// Why nobody answered: ask again. Always *failed*.
#[derive(Debug, Error)]
pub(crate) enum Nobody {
    #[error("signer {0:?} is not connected; ask again")]
    Away(String),
    /// The one who is here may not be asked for this: another has answered it before.
    #[error("signer {name:?} is not asked: {why}")]
    Behind { name: String, why: Behind },
    /// It came, and was refused.
    #[error("signer {name:?} is refused: {why}")]
    Refused { name: String, why: String },
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
    (metrics, witness): (&Metrics, &Witness),
) -> Result<Relayed, Nobody> {
    let end = Instant::now() + limit;
    let (tried, failure, behind) = Default::default();
    let mut race = Race { signer, question, metrics, witness, limit, tried, failure, behind };
    // Most answers come over the first line, and soon: they need no more than this.
    let Some(first) = race.next() else { return race.run(None, end).await };
    let mut asking = race.ask(Arc::clone(&first));
    match timeout_at(end.min(Instant::now() + HEAD_START), &mut asking).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => {
            race.fails(error);
            race.run(None, end).await
        }
        Err(_) => race.run(Some((asking, first)), end).await,
    }
}

/// A question on its way over one line after the other.
struct Race<'a> {
    signer: &'a Signer,
    question: &'a Question,
    metrics: &'a Metrics,
    witness: &'a Witness,
    limit: Duration,
    /// The lines that were asked.
    tried: Vec<Arc<Line>>,
    failure: Option<LineError>,
    /// Why a line is not asked at all.
    behind: Option<Behind>,
}

/// A question on its way over one line.
type Asking<'a> = Pin<Box<dyn Future<Output = Result<Relayed, LineError>> + Send + 'a>>;

impl<'a> Race<'a> {
    /// Goes on with what has begun, if anything has.
    async fn run(
        mut self,
        begun: Option<(Asking<'a>, Arc<Line>)>,
        end: Instant,
    ) -> Result<Relayed, Nobody> {
        let mut welcome_until = end.min(Instant::now() + WELCOME);
        let mut arrivals = self.signer.arrivals();
        let mut wants_another = begun.is_none();
        let (mut asked, mut silences) = (FuturesUnordered::new(), FuturesUnordered::new());
        if let Some((asking, line)) = begun {
            asked.push(asking);
            silences.push(silence(line));
        }
        loop {
            if wants_another && let Some(line) = self.next() {
                wants_another = false;
                asked.push(self.ask(Arc::clone(&line)));
                silences.push(silence(line));
            }
            let is_alone = asked.is_empty();
            tokio::select! {
                Some(answer) = asked.next() => match answer {
                    Ok(answer) => return Ok(answer),
                    Err(error) => {
                        self.fails(error);
                        wants_another = true;
                        welcome_until = end.min(Instant::now() + WELCOME);
                    }
                },
                Some(()) = silences.next() => wants_another = true,
                _ = arrivals.changed(), if wants_another => {}
                () = sleep_until(welcome_until), if is_alone => return Err(self.nobody()),
                () = sleep_until(end) => {
                    return Err(Nobody::TooSlow { name: self.signer.name.clone(), limit: self.limit });
                }
            }
        }
    }

    /// The best line that was not tried yet.
    fn next(&mut self) -> Option<Arc<Line>> {
        let is_new = |line: &Arc<Line>| !self.tried.iter().any(|tried| Arc::ptr_eq(tried, line));
        let mut behind = None;
        let line = self.signer.lines().into_iter().filter(is_new).find(|line| {
            let checked = self.check(line);
            checked.map_err(|why| behind.get_or_insert(why)).is_ok()
        });
        self.behind = behind;
        let line = line?;
        if !self.tried.is_empty() {
            self.metrics.note_hedge(&self.signer.name);
        }
        self.tried.push(Arc::clone(&line));
        Some(line)
    }

    /// Whether the signer at the end of this line has come as far as what was answered.
    fn check(&self, line: &Line) -> Result<(), Behind> {
        match (self.question.asked, line.marks()) {
            (Some(asked), Some(marks)) => self.witness.check(asked, marks),
            (Some(_) | None, _) => Ok(()),
        }
    }

    fn ask(&self, line: Arc<Line>) -> Asking<'a> {
        let (question, witness) = (self.question, self.witness);
        Box::pin(async move {
            let answer = line.ask(question).await?;
            if let Some(asked) = question.asked.filter(|_| answer.is_ok()) {
                witness.note(asked, line.marks().map(|marks| marks.process.as_str()));
            }
            Ok(answer)
        })
    }

    fn fails(&mut self, error: LineError) {
        tracing::debug!(signer = self.signer.name, %error, "a line gave no answer");
        self.failure = Some(error);
    }

    fn nobody(self) -> Nobody {
        let name = self.signer.name.clone();
        match (self.failure, self.behind, self.signer.refusal()) {
            (Some(why), ..) => Nobody::Failed { name, why },
            (None, Some(why), _) => Nobody::Behind { name, why },
            (None, None, Some(why)) => Nobody::Refused { name, why },
            (None, None, None) => Nobody::Away(name),
        }
    }
}

async fn silence(line: Arc<Line>) {
    line.falls_silent().await;
}
