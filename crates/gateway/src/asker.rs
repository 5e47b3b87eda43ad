//! Asks one signer: over its paths, with a limit, counted.

use std::sync::Arc;
use std::time::Duration;

use signer_api::Answer;
use tokio::time::Instant;

use crate::hedge::{Unanswered, hedge};
use crate::http_client::{SignerRequest, SignerResponse};
use crate::metrics::{Metrics, Outcome, call_word};
use crate::report::AnswerResult;
use crate::signer::Signer;
use crate::witness::Witness;

/// Asks signers. Clones count together.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    pub(crate) answer_limit: Duration,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) witness: Witness,
}

impl Asker {
    /// Sends a request to a signer, and gives its response, or what is answered without one.
    pub(crate) async fn ask(
        &self,
        signer: &Signer,
        request: &SignerRequest,
    ) -> Result<SignerResponse, Answer> {
        let Some(_slot) = signer.slot(request) else {
            let message = format!("signer {:?} is asked too much at once; ask again", signer.name);
            self.note(signer, request, Outcome::Unanswered("busy"), Duration::ZERO, None);
            return Err(Answer::AskAgain(message));
        };
        let started = Instant::now();
        let answer =
            hedge(signer, request, self.answer_limit, (&self.metrics, &self.witness)).await;
        let outcome = match &answer {
            Ok(answer) if answer.is_ok() => Outcome::Answered,
            Ok(_) => Outcome::Declined,
            Err(unanswered) => Outcome::Unanswered(unanswered.reason()),
        };
        let signer_took = answer.as_ref().ok().and_then(|answer| answer.took);
        self.note(signer, request, outcome, started.elapsed(), signer_took);
        answer.map_err(|unanswered| {
            match unanswered {
                // A repeat changes nothing.
                Unanswered::Behind { .. } => Answer::Failure(unanswered.to_string()),
                Unanswered::NotConnected(_)
                | Unanswered::Refused { .. }
                | Unanswered::Failed { .. }
                | Unanswered::TimedOut { .. } => Answer::AskAgain(unanswered.to_string()),
            }
        })
    }

    /// Counts what became of a request to a signer, and notes it for the page.
    fn note(
        &self,
        signer: &Signer,
        request: &SignerRequest,
        outcome: Outcome,
        took: Duration,
        signer_took: Option<Duration>,
    ) {
        let call = call_word(&request.method, &request.path_and_query);
        self.metrics.note_request(&signer.name, call, outcome, (took, signer_took));
        if request.is_to_sign() {
            let result = match outcome {
                Outcome::Answered => AnswerResult::Signed,
                Outcome::Declined => AnswerResult::Declined,
                Outcome::Unanswered(_) => AnswerResult::Unanswered,
            };
            signer.answers.note(result, took, request.vote());
        }
    }
}
