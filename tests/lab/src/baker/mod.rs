//! A baker that asks for one signature after another and writes down what it lived through.
//!
//! It asks as octez-baker does: each time `GET /authorized_keys`, then `POST /keys/<pkh>` with a
//! chunked body, each on a new connection; 502 is asked again, up to ten attempts in 3.6 s in all;
//! every other failure is final (`RetryClient` in `src/lib_rpc_http/RPC_client_unix.ml`).

mod record;

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use parking_lot::Mutex;
use signer_api::client::{ClientError, SignerUrl};
use tezos::{BlsScheme, KeyForm, Kind, PublicKey, sample_payload_of};
use tokio::sync::oneshot;
use tokio::time::MissedTickBehavior;

pub use record::{Outcome, Record, Request};

use crate::wait;

/// What a baker asks for.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Whom.
    pub url: SignerUrl,
    /// How often; a request that takes longer delays the next one.
    pub period: Duration,
    /// Block or vote.
    pub kind: Kind,
    /// Of the first request; each has a level of its own, one above the last.
    pub first_level: u32,
    /// For one attempt: octez waits for an answer as long as the connection lives.
    pub limit: Duration,
    /// After each signature, asks for other bytes at the same mark, and notes whether it gets them.
    /// That takes time which only [`Record::longest_gap`] shows: not for figures.
    pub tempts: bool,
}

/// A baker at work, in a thread of its own.
#[derive(Debug)]
pub struct Baker {
    notes: Arc<Mutex<Vec<Request>>>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Plan {
    /// Attestations from level 1 000 on, ten a second, 15 s for an attempt, and no temptation.
    #[must_use]
    pub fn new(url: SignerUrl) -> Plan {
        Plan {
            url,
            period: Duration::from_millis(100),
            kind: Kind::Attestation,
            first_level: 1_000,
            limit: Duration::from_secs(15),
            tempts: false,
        }
    }
}

impl Baker {
    /// Asks for the public key, again and again until the signer is there, and then begins.
    ///
    /// # Errors
    /// When there is no public key within `patience`.
    pub fn start(plan: Plan, patience: Duration) -> anyhow::Result<Baker> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let key = wait::until("the signer's public key", patience, || {
            let limit = Duration::from_secs(1);
            Ok(runtime.block_on(plan.url.public_key(limit)).ok())
        })?;
        let notes = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = oneshot::channel();
        let at_work = AtWork { plan, key, notes: Arc::clone(&notes) };
        let thread = thread::Builder::new().name("baker".into());
        let thread = thread.spawn(move || runtime.block_on(at_work.bake(stopped)))?;
        Ok(Baker { notes, stop, thread })
    }

    /// What it has lived through so far.
    #[must_use]
    pub fn so_far(&self) -> Record {
        Record::of(self.notes.lock().clone())
    }

    /// Waits until it has `count` more signatures than now.
    ///
    /// # Errors
    /// When it has not within `limit`.
    pub fn wait_for_signatures(&self, count: usize, limit: Duration) -> anyhow::Result<()> {
        let goal = self.so_far().signatures() + count;
        let waited = wait::until(&format!("{count} more signatures"), limit, || {
            Ok((self.so_far().signatures() >= goal).then_some(()))
        });
        waited.with_context(|| format!("the baker's last: {:?}", self.so_far().requests().last()))
    }

    /// Ends it after the request it is at.
    ///
    /// # Errors
    /// When its thread panicked, or it was given two signatures at one mark.
    pub fn finish(self) -> anyhow::Result<Record> {
        // It may have ended by itself, if it panicked: its thread says so.
        let _ = self.stop.send(());
        self.thread.join().map_err(|_| anyhow!("the baker panicked"))?;
        let notes = Arc::try_unwrap(self.notes).map_err(|_| anyhow!("the baker is still there"))?;
        let record = Record::of(notes.into_inner());
        if let Some(level) = record.signed_twice() {
            bail!("two different signatures at level {level}");
        }
        Ok(record)
    }
}

struct AtWork {
    plan: Plan,
    key: PublicKey,
    notes: Arc<Mutex<Vec<Request>>>,
}

/// Of the payload that is wanted, and of the one that must not be signed as well.
const WANTED: u8 = 1;
const TEMPTATION: u8 = 2;

impl AtWork {
    async fn bake(self, mut stopped: oneshot::Receiver<()>) {
        let mut ticks = tokio::time::interval(self.plan.period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for level in self.plan.first_level.. {
            tokio::select! {
                biased;
                _ = &mut stopped => return,
                _ = ticks.tick() => {}
            }
            let mut request = self.ask(level, WANTED).await;
            if self.plan.tempts && request.outcome.is_signed() {
                request.also_signed = self.ask(level, TEMPTATION).await.outcome.is_signed();
            }
            self.notes.lock().push(request);
        }
    }

    async fn ask(&self, level: u32, variant: u8) -> Request {
        let form = KeyForm::of(&self.key.hash());
        let payload = sample_payload_of(form, self.plan.kind, level, 0, variant);
        let started = Instant::now();
        let mut asked_again = 0;
        let outcome = match self.sign(&payload, &mut asked_again).await {
            Ok(outcome) => outcome,
            Err(error @ ClientError::Answer { .. }) => Outcome::Refused(error.to_string()),
            Err(
                error @ (ClientError::Unreachable { .. }
                | ClientError::NoAnswer { .. }
                | ClientError::AskAgain { .. }
                | ClientError::Nonsense { .. }),
            ) => Outcome::Failed(error.to_string()),
        };
        let took = started.elapsed();
        Request { level, started, took, asked_again, outcome, also_signed: false }
    }

    async fn sign(&self, payload: &[u8], asked_again: &mut u32) -> Result<Outcome, ClientError> {
        let Plan { url, limit, .. } = &self.plan;
        let wants = patiently(asked_again, async || url.wants_authentication(*limit).await).await?;
        if wants {
            return Ok(Outcome::Failed("the signer wants requests to be authenticated".into()));
        }
        let signature = patiently(asked_again, async || url.sign(payload, *limit).await).await?;
        if self.key.verifies(payload, &signature, BlsScheme::default()) {
            Ok(Outcome::Signed(signature))
        } else {
            Ok(Outcome::Failed(format!("{signature} is not the key's signature")))
        }
    }
}

/// 0, 0.1, … 0.8 s after the attempts that got a 502: 3.6 s in all.
const PAUSES: u32 = 9;
const LONGER: Duration = Duration::from_millis(100);

async fn patiently<T>(
    asked_again: &mut u32,
    mut ask: impl AsyncFnMut() -> Result<T, ClientError>,
) -> Result<T, ClientError> {
    for pause in 0..PAUSES {
        match ask().await {
            Err(ClientError::AskAgain { .. }) => *asked_again += 1,
            answer => return answer,
        }
        tokio::time::sleep(LONGER * pause).await;
    }
    ask().await
}
