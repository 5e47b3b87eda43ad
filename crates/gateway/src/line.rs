//! A way to a signer: one session of the tunnel, the conversations over it, and what was said there.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::StatusCode;
use signer_api::Marks;
use thiserror::Error;
use tokio::time::{sleep, timeout};
use tunnel::endpoint::{OpenError, Session};

use crate::knowledge::{Keys, Knowledge};
use crate::talk::{Broken, Question, Relayed, Talk};

/// A way to a signer.
#[derive(Debug)]
pub(crate) struct Line {
    session: Session,
    /// Conversations without a question. They take turns, so that all stay fresh: both votes of a round
    /// find one, and none has to wait a round trip longer than the other.
    resting: Mutex<VecDeque<Talk>>,
    /// What the signer said of its store when it connected; none of a signer that says nothing of the kind.
    marks: Option<Marks>,
    /// When it was last found silent.
    silent_at: Mutex<Option<Instant>>,
}

/// Why a line gave no answer. Always *failed*; the signer may have seen the question.
#[derive(Debug, Error)]
pub(crate) enum LineError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("the conversation with the signer broke: {0}")]
    Broken(#[from] Broken),
}

/// A preattestation, an attestation and a block, and one to spare.
const RESTING: usize = 4;
/// Less than a signer keeps a connection open that asks nothing.
const REST: Duration = Duration::from_secs(45);
/// Between two looks at what a signer says; it also keeps the connection open.
const LOOK: Duration = Duration::from_secs(10);
const METERED_LOOK: Duration = Duration::from_secs(30);
/// The first pause after which a signer that waits for its device is looked at again; each is twice
/// the one before, up to a tenth of the usual interval.
const SOON: Duration = Duration::from_millis(50);
/// For a signer to say something about itself.
const LOOK_LIMIT: Duration = Duration::from_secs(10);
/// Between two tries when it does not.
const PAUSE: Duration = Duration::from_secs(1);
/// For the other side to show that it is there, before another process takes its place.
const ALIVE: Duration = Duration::from_secs(1);
/// An answer that comes sooner needs no question whether the line is there.
pub(crate) const HEAD_START: Duration = Duration::from_millis(20);
/// Silence that may mean nothing.
const PATIENCE: Duration = Duration::from_millis(250);
const ROUND_TRIPS: u32 = 3;
/// A line that needs more is as good as silent.
const LONGEST_PATIENCE: Duration = Duration::from_secs(2);
/// Who asks, for the other side's log.
const GATEWAY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

impl Line {
    pub(crate) fn new(session: Session) -> Line {
        let (resting, silent_at) = Default::default();
        Line { session, resting, marks: None, silent_at }
    }

    /// The same, after the signer has said this of its store.
    pub(crate) fn with_marks(self, marks: Option<Marks>) -> Line {
        Line { marks, ..self }
    }

    pub(crate) fn marks(&self) -> Option<&Marks> {
        self.marks.as_ref()
    }

    /// What the signer says of its store; none if it does not know such a question.
    ///
    /// # Errors
    /// When it gives no answer.
    pub(crate) async fn ask_marks(&self) -> Result<Option<Marks>, LineError> {
        let answer = self.ask(&Question::get("/marks")).await?;
        match answer.status {
            StatusCode::OK => Ok(Marks::parse(&answer.body)),
            _ => Ok(None),
        }
    }

    /// Whether its other side answers soon.
    pub(crate) async fn is_alive(&self) -> bool {
        matches!(timeout(ALIVE, self.session.ping()).await, Ok(Ok(_)))
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// Asks the signer. No limit of time: the caller has one.
    pub(crate) async fn ask(&self, question: &Question) -> Result<Relayed, LineError> {
        while let Some(mut talk) = self.rested().await {
            // One that the signer has just closed, or nothing else: asking again is harmless.
            if let Ok(answer) = talk.ask(question).await {
                self.rest(talk).await;
                return Ok(answer);
            }
        }
        let mut talk = self.begin().await?;
        let answer = talk.ask(question).await?;
        self.rest(talk).await;
        Ok(answer)
    }

    /// Returns when the line gives no sign of life while an answer is waited for; the question was asked
    /// [`HEAD_START`] ago, or just now.
    pub(crate) async fn falls_silent(&self) {
        let mut waited = HEAD_START;
        loop {
            let patience = self.patience();
            let asked = Instant::now();
            match timeout(patience.saturating_sub(waited), self.session.ping()).await {
                Ok(Err(_)) => return,
                Ok(Ok(_)) => sleep(patience.saturating_sub(asked.elapsed())).await,
                // A byte of anything is a sign of life.
                Err(_) if self.session.heard_at() >= asked => {}
                Err(_) => {
                    *lock(&self.silent_at) = Some(asked);
                    return;
                }
            }
            waited = Duration::ZERO;
        }
    }

    /// Whether nothing was heard since it was found silent.
    pub(crate) fn is_silent(&self) -> bool {
        lock(&self.silent_at).is_some_and(|at| self.session.heard_at() <= at)
    }

    /// Looks again and again at what the signer says about itself, on a conversation of its own; `said` hears it.
    /// What it said before is `known`: it stays the same while it says the same. Never returns.
    pub(crate) async fn learn(
        &self,
        known: impl Fn() -> Option<Arc<Knowledge>>,
        said: impl Fn(Arc<Knowledge>),
    ) {
        let mut pause = SOON;
        loop {
            let Ok(Ok((knowledge, mut talk))) = timeout(LOOK_LIMIT, self.look(known())).await
            else {
                sleep(PAUSE).await;
                continue;
            };
            pause = match knowledge.keys {
                Keys::NotYet => (pause * 2).min(self.look_interval() / 10),
                Keys::All(_) | Keys::Unsaid => self.look_interval(),
            };
            said(knowledge);
            if !talk.goes_on().await {
                // A signer that closes after each answer.
                sleep(pause).await;
                continue;
            }
            tokio::select! {
                // A signer whose configuration changes is started again, also behind a stock ssh.
                () = talk.ends() => sleep(SOON).await,
                () = sleep(pause) => {}
            }
        }
    }

    /// What the signer says now: the same knowledge, if it says the same.
    async fn look(
        &self,
        before: Option<Arc<Knowledge>>,
    ) -> Result<(Arc<Knowledge>, Talk), LineError> {
        // Also measures the round trip, which no answer that comes soon does.
        self.session.ping().await?;
        let mut talk = self.begin().await?;
        let authorized = talk.ask(&Question::get("/authorized_keys")).await?;
        if !talk.goes_on().await {
            talk = self.begin().await?;
        }
        let known = talk.ask(&Question::get("/known_keys")).await?;
        if !authorized.is_ok() {
            return Err(Broken(format!("it answers {}", authorized.status)).into());
        }
        let keys = Keys::read(&known);
        let same = before
            .filter(|before| before.authorized.body == authorized.body && before.keys == keys);
        Ok((same.unwrap_or_else(|| Arc::new(Knowledge::new(authorized, keys))), talk))
    }

    async fn begin(&self) -> Result<Talk, LineError> {
        Ok(Talk::begin(self.session.open(GATEWAY).await?).await?)
    }

    /// A conversation that rests, and can go on.
    async fn rested(&self) -> Option<Talk> {
        loop {
            let mut talk = lock(&self.resting).pop_front()?;
            if talk.rested_at.elapsed() < REST && talk.goes_on().await {
                return Some(talk);
            }
        }
    }

    async fn rest(&self, mut talk: Talk) {
        if talk.goes_on().await {
            let mut resting = lock(&self.resting);
            if resting.len() < RESTING {
                resting.push_back(talk);
            }
        }
    }

    fn patience(&self) -> Duration {
        let round_trips = self.session.round_trip().unwrap_or_default() * ROUND_TRIPS;
        round_trips.clamp(PATIENCE, LONGEST_PATIENCE)
    }

    fn look_interval(&self) -> Duration {
        if self.session.is_metered() { METERED_LOOK } else { LOOK }
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
