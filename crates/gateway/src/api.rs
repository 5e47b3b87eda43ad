//! The HTTP side: what octez's client asks of a signer, answered for the signer of a port, or for all.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use daemon::http::{Answer as HttpAnswer, Body, BodyError, Service};
use daemon::monitor::Monitor;
use hyper::{Request, Uri};
use signer_api::{
    Answer, Call, CallError, Hosts, accepts_json, check_content_type, parse_signing_body,
};
use tezos::{KeyForm, Payload, PublicKey, PublicKeyHash, Request as Authenticated, Signature};

use crate::metrics::{Metrics, Outcome};
use crate::race::{Nobody, race};
use crate::reception::Signers;
use crate::router::{Claim, Route, route};
use crate::signer::Signer;
use crate::talk::{Question, Relayed};
use crate::witness::{Asked, Witness};

/// Answers bakers.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) signers: Signers,
    /// Whose port it is; none: everybody's.
    pub(crate) port: Option<usize>,
    pub(crate) allow_list_known_keys: bool,
    pub(crate) answer_limit: Duration,
    pub(crate) hosts: Hosts,
    pub(crate) monitor: Monitor,
    pub(crate) metrics: Arc<Metrics>,
    /// Who may ask at this gateway; none when everybody may.
    pub(crate) authorized: Option<Vec<PublicKey>>,
    pub(crate) witness: Witness,
}

/// What goes back: an answer of ours, or a signer's.
enum Reply {
    Own(Answer),
    Relayed(Relayed),
}

impl Service for Api {
    async fn answer(&self, request: Request<Body>) -> HttpAnswer {
        match self.dispatch(request).await {
            Reply::Own(answer) => answer.into_response(),
            Reply::Relayed(answer) => answer.into_response(),
        }
    }
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Reply {
        Reply::Own(answer)
    }
}

impl Api {
    async fn dispatch(&self, request: Request<Body>) -> Reply {
        if let Err(error) = self.hosts.check(request.headers()) {
            return Answer::Forbidden(error).into();
        }
        if !accepts_json(request.headers()) {
            return Answer::NotAcceptable.into();
        }
        match Call::parse(request.method(), request.uri()) {
            Err(error) => Answer::Misuse(error).into(),
            Ok(Call::Options(methods)) => Answer::Options(methods).into(),
            Ok(Call::Health) => self.health(request.uri()).await,
            Ok(Call::Marks) => Answer::Misuse(CallError::NotFound).into(),
            Ok(Call::AuthorizedKeys) => self.authorized_keys().await,
            Ok(Call::KnownKeys) => self.known_keys(),
            Ok(Call::PublicKey(key)) => self.public_key(key, request.uri()).await,
            Ok(Call::Status(key)) => self.status(&key, request.uri()).await,
            Ok(Call::ProvePossession { key, .. }) => self.relay_get(&key, request.uri()).await,
            Ok(Call::Sign { key, authentication, .. }) => {
                self.sign(key, authentication.as_ref(), request).await
            }
        }
    }

    /// Of the port's signer, as the existing charts read it; of the gateway, when it is all's.
    async fn health(&self, uri: &Uri) -> Reply {
        match self.port.and_then(|port| self.signers.0.get(port)) {
            Some(signer) => self.ask(signer, &get(uri)).await,
            None => Answer::Metrics(self.monitor.metrics()).into(),
        }
    }

    /// The gateway's own, if it wants any; else, at a signer's port, the signer's. At the port of all, none is needed: a
    /// baker asks for this before every signature, and no signer has a say in those of others.
    async fn authorized_keys(&self) -> Reply {
        if let Some(authorized) = &self.authorized {
            let hashes = authorized.iter().map(PublicKey::hash).collect();
            return Answer::AuthorizedKeys(Some(hashes)).into();
        }
        let Some(signer) = self.port.and_then(|port| self.signers.0.get(port)) else {
            return Answer::AuthorizedKeys(None).into();
        };
        match signer.knowledge() {
            Some(knowledge) => Reply::Relayed(knowledge.authorized.clone()),
            None => self.ask(signer, &Question::get("/authorized_keys")).await,
        }
    }

    fn known_keys(&self) -> Reply {
        if !self.allow_list_known_keys {
            return Answer::Failure("List known keys request not allowed.".to_owned()).into();
        }
        let all = self.signers.0.iter().enumerate();
        let here = all.filter(|(at, _)| self.port.is_none_or(|port| port == *at));
        let claims = here.map(|(_, signer)| signer.claim());
        let keys: BTreeSet<PublicKeyHash> = claims.flat_map(|claim| claim.keys().clone()).collect();
        Answer::KnownKeys(keys.into_iter().collect()).into()
    }

    async fn public_key(&self, key: PublicKeyHash, uri: &Uri) -> Reply {
        let signer = match self.await_signer_of(&key).await {
            Ok(signer) => signer,
            Err(Away::Unknown(_)) => return Answer::UnknownKey.into(),
            Err(away) => return away.into_answer().into(),
        };
        let knowledge = signer.knowledge();
        if let Some(answer) = knowledge.as_ref().and_then(|known| known.public_key(&key)) {
            return Reply::Relayed(answer);
        }
        let reply = self.ask(signer, &get(uri)).await;
        if let Reply::Relayed(answer) = &reply
            && answer.is_ok()
        {
            signer.has(key);
            if let Some(knowledge) = knowledge {
                knowledge.note_public_key(key, answer.clone());
            }
        }
        reply
    }

    /// Whether the key can sign now is never answered from memory.
    async fn status(&self, key: &PublicKeyHash, uri: &Uri) -> Reply {
        let signer = match self.signer_of(key) {
            Ok(signer) => signer,
            Err(Away::Unknown(_)) => return Answer::UnknownKey.into(),
            Err(away) => return Answer::Status(Err(away.line())).into(),
        };
        match self.ask(signer, &get(uri)).await {
            Reply::Own(Answer::AskAgain(line)) => Answer::Status(Err(line)).into(),
            reply @ (Reply::Own(_) | Reply::Relayed(_)) => reply,
        }
    }

    async fn relay_get(&self, key: &PublicKeyHash, uri: &Uri) -> Reply {
        match self.signer_of(key) {
            Ok(signer) => self.ask(signer, &get(uri)).await,
            Err(Away::Unknown(_)) => Answer::UnknownKey.into(),
            Err(away) => away.into_answer().into(),
        }
    }

    async fn sign(
        &self,
        key: PublicKeyHash,
        authentication: Option<&Signature>,
        request: Request<Body>,
    ) -> Reply {
        let (question, data) = match read(key, request) {
            Ok(read) => read,
            Err(answer) => return answer.into(),
        };
        if !self.is_authorized(&key, &data, authentication) {
            tracing::warn!(%key, "refused: invalid authentication signature");
            return Answer::Failure("invalid authentication signature".to_owned()).into();
        }
        let signer = match self.await_signer_of(&key).await {
            Ok(signer) => signer,
            Err(away) => {
                tracing::warn!(%key, "not asked: {}", away.line());
                return away.into_answer().into();
            }
        };
        let reply = self.ask(signer, &question).await;
        if matches!(&reply, Reply::Relayed(answer) if answer.is_ok()) {
            signer.has(key);
        }
        reply
    }

    /// Whether the baker that asks is among those who may.
    fn is_authorized(
        &self,
        key: &PublicKeyHash,
        data: &[u8],
        authentication: Option<&Signature>,
    ) -> bool {
        self.authorized.as_ref().is_none_or(|authorized| {
            authentication.is_some_and(|signature| {
                Authenticated::Sign.is_authorized(key, data, signature, authorized)
            })
        })
    }

    async fn ask(&self, signer: &Signer, question: &Question) -> Reply {
        let Ok(_place) = signer.places.try_acquire() else {
            let line = format!("signer {:?} is asked too much at once; ask again", signer.name);
            return Answer::AskAgain(line).into();
        };
        let started = std::time::Instant::now();
        let answer =
            race(signer, question, self.answer_limit, (&self.metrics, &self.witness)).await;
        let outcome = match &answer {
            Ok(answer) if answer.is_ok() => Outcome::Answered,
            Ok(_) => Outcome::Declined,
            Err(_) => Outcome::Nobody,
        };
        self.metrics.note_request(&signer.name, &question.method, outcome, started.elapsed());
        match answer {
            Ok(answer) => Reply::Relayed(answer),
            Err(nobody) => {
                tracing::warn!(signer = signer.name, "no answer to {}: {nobody}", question.method);
                match nobody {
                    // A repeat changes nothing.
                    Nobody::Behind { .. } => Answer::Failure(nobody.to_string()).into(),
                    Nobody::Away(_)
                    | Nobody::Refused { .. }
                    | Nobody::Failed { .. }
                    | Nobody::TooSlow { .. } => Answer::AskAgain(nobody.to_string()).into(),
                }
            }
        }
    }

    /// A gateway that was just made does not know yet who has which key.
    async fn await_signer_of(&self, key: &PublicKeyHash) -> Result<&Signer, Away> {
        let settled = || {
            let signer = self.signer_of(key);
            (!matches!(signer, Err(Away::Unsaid { .. }))).then_some(signer)
        };
        self.signers.find(settled).await.unwrap_or_else(|| self.signer_of(key))
    }

    fn signer_of(&self, key: &PublicKeyHash) -> Result<&Signer, Away> {
        let claims: Vec<Arc<Claim>> = self.signers.0.iter().map(Signer::claim).collect();
        let name =
            |at: usize| self.signers.0.get(at).map_or_else(String::new, |it| it.name.clone());
        let unknown = || Away::Unknown(*key);
        match route(&claims, key, self.port) {
            Route::To(at) => self.signers.0.get(at).ok_or_else(unknown),
            Route::Standby { first } => {
                Err(Away::Standby { key: *key, first: name(first), own: self.port.map(name) })
            }
            Route::Unsaid(at) => Err(Away::Unsaid { key: *key, before: name(at) }),
            Route::Nobody => Err(unknown()),
        }
    }
}

/// Why no signer is asked for a key.
enum Away {
    Unknown(PublicKeyHash),
    Standby { key: PublicKeyHash, first: String, own: Option<String> },
    Unsaid { key: PublicKeyHash, before: String },
}

impl Away {
    fn line(&self) -> String {
        match self {
            Away::Unknown(key) => format!(
                "no signer says that it has {key}; is it under keys in gateway.toml, or in the \
                 signer's configuration?"
            ),
            Away::Standby { key, first, own } => format!(
                "signer {:?} is a cold standby for {key}: {first:?} is asked for it. To change over, \
                 make sure that {first:?} is off, and name the other first in gateway.toml",
                own.as_deref().unwrap_or_default()
            ),
            Away::Unsaid { key, before } => format!(
                "signer {before:?} comes first in gateway.toml and has not said yet whether it has \
                 {key}; name the keys of each signer under keys there"
            ),
        }
    }

    /// A standby refuses; whoever may still turn up is worth another question.
    fn into_answer(self) -> Answer {
        let line = self.line();
        match self {
            Away::Unknown(_) | Away::Standby { .. } => Answer::Failure(line),
            Away::Unsaid { .. } => Answer::AskAgain(line),
        }
    }
}

/// A signing request, as it will be asked, and the bytes to sign.
fn read(key: PublicKeyHash, request: Request<Body>) -> Result<(Question, Vec<u8>), Answer> {
    if !check_content_type(request.headers()) {
        return Err(Answer::UnsupportedMedia);
    }
    let (method, path_and_query) = (request.method().clone(), path_and_query(request.uri()));
    let body: Bytes = match request.into_body() {
        Ok(body) => body,
        Err(BodyError::TooLarge(_)) => return Err(Answer::TooLarge),
        Err(BodyError::TooSlow(_)) => return Err(Answer::TooSlow),
        Err(error @ BodyError::Broken) => {
            return Err(Answer::Misuse(CallError::Body(error.to_string())));
        }
    };
    let data = parse_signing_body(&body).map_err(Answer::Misuse)?;
    // What does not parse here does not parse at the signer, which says so.
    let payload = Payload::parse(&data, KeyForm::of(&key)).ok();
    let asked =
        payload.map(|payload| Asked { key, chain: payload.chain(), level: payload.mark().level });
    Ok((Question { method, path_and_query, body, asked }, data))
}

fn get(uri: &Uri) -> Question {
    Question::get(&path_and_query(uri))
}

fn path_and_query(uri: &Uri) -> String {
    uri.path_and_query().map_or_else(|| uri.path().to_owned(), ToString::to_string)
}
