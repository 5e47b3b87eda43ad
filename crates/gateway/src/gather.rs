//! Asks all signers that have a share of a key at once, and combines the first parts that suffice.
//!
//! ```text
//!                 ┌─▶ home ────▶ part ─┐
//!  request ───────┼─▶ office ──▶ part ─┴─▶ Tally: combined, verified ──▶ the answer
//!                 └─▶ third ───▶ … late: it is heard all the same, and verified, so that it is known who takes part
//! ```
//!
//! The same bytes go to each of them. Nothing here is secret, and nothing that is wrong here can make two signatures at
//! one mark: each signer gives one part at a mark, and two sets that suffice have a signer in common.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use daemon::Shutdown;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use shares::{Combiner, ShareIndex};
use signer_api::Answer;
use tezos::{BlsScheme, PreparedVerification, PublicKeyHash, Signature, Statement};
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_util::task::TaskTracker;

use crate::asker::Asker;
use crate::http_client::{SignerRequest, SignerResponse};
use crate::shared_key::{ShareState, SharedKey};
use crate::shared_metrics::SharedMetrics;
use crate::signer::Signer;
use crate::signers::Signers;
use crate::tally::{ShareAnswer, ShareResult, Tally, Unsigned};
use crate::watch::shown;
use crate::witness::Position;

/// Asks for shares' parts. Clones have the same tasks.
#[derive(Debug, Clone)]
pub(crate) struct Gather {
    pub(crate) asker: Asker,
    pub(crate) signers: Signers,
    pub(crate) metrics: SharedMetrics,
    /// Answers that came too late to be needed. Joined at the end.
    pub(crate) late: TaskTracker,
    pub(crate) shutdown: Shutdown,
}

/// The other votes of the round come first: verifying takes as long as combining.
const PAUSE: Duration = Duration::from_millis(20);

/// What all signers are asked to sign.
#[derive(Debug, Clone)]
pub(crate) enum Wanted {
    /// These bytes.
    Message {
        /// The bytes, before any hash.
        bytes: Bytes,
        /// How.
        scheme: BlsScheme,
    },
    /// That the key is possessed.
    Possession,
}

/// A share's answer, when it comes.
type Asked = FuturesUnordered<BoxFuture<'static, (ShareIndex, ShareAnswer)>>;

impl Wanted {
    fn statement(&self) -> Statement<'_> {
        match self {
            Wanted::Message { bytes, scheme } => Statement::Message { bytes, scheme: *scheme },
            Wanted::Possession => Statement::Possession,
        }
    }
}

impl Gather {
    /// A signature of a key in shares, or what is answered instead. `request`: what each signer is asked.
    pub(crate) async fn sign(
        &self,
        shared: &Arc<SharedKey>,
        request: &SignerRequest,
        wanted: Wanted,
    ) -> Result<Signature, Answer> {
        let number = shared.begin_request();
        let preparing = prepare(Arc::clone(shared), wanted.clone());
        let mut asked = self.ask_all(shared, request);
        let mut next = asked.next().await;
        let group = &shared.config.group;
        let mut tally = Tally::new(Combiner::new(group, wanted.statement(), preparing.await));
        let mut ended = None;
        while let Some((index, answer)) = next {
            ended = tally.add(index, answer);
            if ended.is_some() {
                break;
            }
            next = asked.next().await;
        }
        self.metrics.note_request(shared, ended.as_ref());
        for (index, result) in tally.results() {
            self.note(shared, (number, index), result, matches!(ended, Some(Ok(_))));
        }
        let unsigned = match ended {
            Some(Ok(signature)) => {
                self.hear_late(shared, number, asked, wanted);
                return Ok(signature);
            }
            Some(Err(unsigned)) => unsigned,
            // Every share is counted, so the last one is an end.
            None => Unsigned::Failed("no share was asked".to_owned()),
        };
        tracing::warn!(key = %shared.config.hash(), "not signed: {unsigned}");
        Err(unsigned.into_answer(shared))
    }

    /// Whether enough that have a share can sign now, as they say; else what each says.
    pub(crate) async fn status(
        &self,
        shared: &Arc<SharedKey>,
        request: &SignerRequest,
    ) -> Result<String, String> {
        let ask =
            |share: ShareState| async move { (share.index, self.status_of(&share, request).await) };
        let states = shared.states(&self.signers).into_iter();
        let mut asked: FuturesUnordered<_> = states.map(ask).collect();
        let threshold = shared.config.group.threshold();
        let (needed, count) = (usize::from(threshold.needed()), usize::from(threshold.shares()));
        let (mut able, mut others) = (0, Vec::new());
        // One that never answers is not waited for, if it does not matter.
        while able < needed
            && count - others.len() >= needed
            && let Some((index, status)) = asked.next().await
        {
            match status {
                Ok(()) => able += 1,
                Err(why) => others.push(format!("share {index}: {why}")),
            }
        }
        if able >= needed {
            return Ok(format!("{able} of the {needed} shares that are needed can sign"));
        }
        others.sort();
        let counted = format!("of {count} shares {needed} are needed");
        Err([vec![counted], others].concat().join("; "))
    }

    async fn status_of(&self, share: &ShareState, request: &SignerRequest) -> Result<(), String> {
        let name = &share.signer;
        let signer = self.signers.named(name).ok_or("its signer is not in gateway.toml")?;
        if share.gives_nonsense() {
            return Err(format!(
                "what it gave of late is no part of a signature: look at signer {name:?}"
            ));
        }
        match self.asker.ask(&signer, request).await {
            Ok(response) if response.is_ok() => Ok(()),
            Ok(response) => Err(brief(&String::from_utf8_lossy(&response.body))),
            Err(answer) => Err(answer.failure().unwrap_or("no answer").to_owned()),
        }
    }

    fn ask_all(&self, shared: &Arc<SharedKey>, request: &SignerRequest) -> Asked {
        let ask = |(index, name): (ShareIndex, &str)| {
            let signer = self.signers.named(name);
            let position = request.position.map(|it| Position { share: Some(index), ..it });
            let request = SignerRequest { position, ..request.clone() };
            let asker = self.asker.clone();
            async move { (index, ask(&asker, signer, &request, index).await) }.boxed()
        };
        shared.config.holders().map(ask).collect()
    }

    /// Which signers take part is known only if those that came late are heard, too.
    fn hear_late(&self, shared: &Arc<SharedKey>, number: u64, mut asked: Asked, wanted: Wanted) {
        if asked.is_empty() {
            return;
        }
        let (own, shared) = (self.clone(), Arc::clone(shared));
        let hear = async move {
            while let Some((index, answer)) = asked.next().await {
                let result = match answer.into_part() {
                    Ok(part) => {
                        sleep(PAUSE).await;
                        let is_good = shared.config.group.verifies(&part, wanted.statement());
                        if is_good { ShareResult::Part } else { ShareResult::Lied }
                    }
                    Err((result, _)) => result,
                };
                own.note(&shared, (number, index), result, true);
            }
        };
        let shutdown = self.shutdown.clone();
        self.late.spawn(async move {
            tokio::select! {
                () = hear => {}
                () = shutdown.requested() => {}
            }
        });
    }

    /// A share that gives nothing says something of itself where others sign the same, or where it gives nonsense.
    fn note(
        &self,
        shared: &SharedKey,
        (number, index): (u64, ShareIndex),
        result: ShareResult,
        is_signed: bool,
    ) {
        self.metrics.note_share(shared, index, result);
        let is_nonsense = matches!(result, ShareResult::Lied | ShareResult::Unfit);
        let is_telling = is_signed || is_nonsense;
        let is_news = shared.note(&self.signers, (number, index), result, is_telling);
        if is_news && is_nonsense {
            tracing::error!(
                key = %shared.config.hash(),
                share = index.number(),
                "a share gave what is no part of the signature: its computer lies, or has a share of something else"
            );
        }
    }
}

impl Unsigned {
    fn into_answer(self, shared: &SharedKey) -> Answer {
        let text = format!("{} is not signed with: {self}", shared.config.hash());
        match self {
            Unsigned::Refused(_) => Answer::Failure(text),
            Unsigned::Failed(_) => Answer::AskAgain(text),
        }
    }
}

/// Half of a verification, on a thread of its own: no request waits for it.
fn prepare(
    shared: Arc<SharedKey>,
    wanted: Wanted,
) -> impl Future<Output = Option<PreparedVerification>> {
    let prepared = move || shared.config.group.public_key().prepare(wanted.statement());
    spawn_blocking(prepared).map(Result::ok).map(Option::flatten)
}

async fn ask(
    asker: &Asker,
    signer: Option<Arc<Signer>>,
    request: &SignerRequest,
    index: ShareIndex,
) -> ShareAnswer {
    let Some(signer) = signer else {
        return ShareAnswer::Failed("its signer is not in gateway.toml any more".to_owned());
    };
    match asker.ask(&signer, request).await {
        Ok(response) => read(&signer.name, &response, index),
        Err(Answer::Failure(why)) => ShareAnswer::Refused(why),
        Err(Answer::AskAgain(why)) => ShareAnswer::Failed(why),
        Err(_) => ShareAnswer::Failed(format!("signer {:?} gave no answer", signer.name)),
    }
}

/// What a signer says, which may be anything.
fn read(name: &str, response: &SignerResponse, index: ShareIndex) -> ShareAnswer {
    match response.parse() {
        Some(Answer::Share(part)) if part.index() == index => ShareAnswer::Part(part),
        Some(Answer::Share(part)) => ShareAnswer::Unfit(format!(
            "signer {name:?} has share {}, and gateway.toml says {index}; correct it there",
            part.index()
        )),
        Some(Answer::Failure(why)) => {
            ShareAnswer::Refused(format!("signer {name:?}: {}", brief(&why)))
        }
        Some(Answer::AskAgain(why)) => {
            ShareAnswer::Failed(format!("signer {name:?}: {}", brief(&why)))
        }
        Some(_) | None => ShareAnswer::Unfit(format!(
            "signer {name:?} gives no part of a signature (HTTP status {}); is it Peel, with share_file for this key?",
            response.status.as_u16()
        )),
    }
}

/// Characters; more than any reason of ours has.
const LONGEST_REASON: usize = 400;

/// On one line, and not endless: it goes into answers and the log.
fn brief(said: &str) -> String {
    shown(said.trim(), LONGEST_REASON)
}

/// The request for a share's part of a signature.
pub(crate) fn part_of(key: &PublicKeyHash, query: Option<&str>) -> String {
    match query {
        Some(query) => format!("/shares/{key}?{query}"),
        None => format!("/shares/{key}"),
    }
}
