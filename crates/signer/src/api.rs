//! The HTTP side: octez's calls, and two of ours on the same port.

use std::sync::Arc;

use daemon::config::Authentication;
use daemon::http::{Body, BodyError, HttpResponse, HttpService};
use daemon::monitor::Monitor;
use hyper::Request;
use signer_api::{
    Answer, Call, CallError, Hosts, Marks, Media, SignatureVersion, parse_signing_body,
};
use tezos::{PublicKey, PublicKeyHash, Signature};
use watermark::Store;

use crate::error::{NotReady, Refused, SignError};
use crate::keyring::{KeyEntry, Keyring};

/// Answers a baker.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) keyring: Keyring,
    pub(crate) store: Arc<Store>,
    /// Who may ask; none: every client.
    pub(crate) authentication: Option<Authentication>,
    pub(crate) allow_list_known_keys: bool,
    pub(crate) allow_to_prove_possession: bool,
    pub(crate) monitor: Monitor,
    /// The name of this process, told to gateways; none elsewhere.
    pub(crate) process: Option<String>,
    /// As which hosts it may be asked where it listens.
    pub(crate) hosts: Hosts,
}

/// With public_key_hash in the configuration, a key is known before its device is there.
const NOT_SEEN: &str = "device absent: the Ledger has not been seen yet, and may have this key";

impl HttpService for Api {
    async fn answer(&self, request: Request<Body>) -> HttpResponse {
        let accepted = Media::accepted(request.headers());
        let answer = self.dispatch(request, accepted).await;
        answer.into_response(accepted.unwrap_or(Media::Json))
    }
}

impl Api {
    async fn dispatch(&self, request: Request<Body>, accepted: Option<Media>) -> Answer {
        if let Err(error) = self.hosts.check(request.headers()) {
            return Answer::Forbidden(error);
        }
        if accepted.is_none() {
            return Answer::NotAcceptable;
        }
        match Call::parse(request.method(), request.uri()) {
            Err(error) => Answer::Misuse(error),
            Ok(Call::Options(methods)) => Answer::Options(methods),
            Ok(Call::Health) => Answer::Metrics(self.monitor.metrics()),
            Ok(Call::Marks) => self.marks(),
            Ok(Call::AuthorizedKeys) => self.authorized_keys(),
            Ok(Call::KnownKeys) => self.known_keys(),
            Ok(Call::PublicKey(key)) => self.public_key(&key),
            Ok(Call::Status(key)) => self.status(&key),
            Ok(Call::ProvePossession { key, over }) => self.prove_possession(&key, over.as_ref()),
            Ok(Call::Sign { key, version, authentication }) => {
                self.sign(request, key, version, authentication).await
            }
        }
    }

    fn authorized_keys(&self) -> Answer {
        Answer::AuthorizedKeys(self.authentication.as_ref().map(Authentication::hashes))
    }

    /// For gateways only.
    fn marks(&self) -> Answer {
        let Some(process) = &self.process else { return Answer::Misuse(CallError::NotFound) };
        let entries = self.store.entries();
        let reached =
            entries.iter().filter_map(|entry| Some((entry.key, entry.chain, entry.reached()?)));
        Answer::Marks(Marks { process: process.clone(), reached: reached.collect() })
    }

    /// Answers with every key or with 502: after a partial list the gateway would refuse the missing keys.
    fn known_keys(&self) -> Answer {
        if !self.allow_list_known_keys {
            return Answer::Failure("List known keys request not allowed.".to_owned());
        }
        if self.keyring.has_unknown() {
            return Answer::AskAgain(NOT_SEEN.to_owned());
        }
        Answer::KnownKeys(self.keyring.hashes())
    }

    fn public_key(&self, key: &PublicKeyHash) -> Answer {
        let Some(entry) = self.keyring.find(key) else {
            if self.keyring.has_unknown() {
                return Answer::AskAgain(NOT_SEEN.to_owned());
            }
            return Answer::UnknownKey;
        };
        match (entry.key.public_key(), entry.key.readiness()) {
            (Some(public_key), _) => Answer::PublicKey(public_key.clone()),
            (None, Err(state @ (NotReady::Absent(_) | NotReady::Busy(_)))) => {
                Answer::AskAgain(state.to_string())
            }
            (None, Err(state)) => Answer::Failure(state.to_string()),
            (None, Ok(())) => Answer::UnknownKey,
        }
    }

    /// Over the key itself only: over another one it would be a signature of the client's choice.
    fn prove_possession(&self, key: &PublicKeyHash, over: Option<&PublicKey>) -> Answer {
        if !self.allow_to_prove_possession {
            return Answer::Failure("Request to prove possession is not allowed.".to_owned());
        }
        let Some(entry) = self.keyring.find(key) else { return Answer::UnknownKey };
        if over.is_some_and(|over| Some(over) != entry.key.public_key()) {
            return Answer::Failure("possession is proved of the key itself only".to_owned());
        }
        match entry.dispatch.prove_possession() {
            Some(proof) => Answer::Possession(proof),
            None => Answer::Failure(format!(
                "{key} cannot prove its possession: only tz4 keys in memory can"
            )),
        }
    }

    fn status(&self, key: &PublicKeyHash) -> Answer {
        let Some(entry) = self.keyring.find(key) else { return Answer::UnknownKey };
        let ready = entry.can_sign(&self.store);
        Answer::Status(ready.map(|()| format!("{} ({}) can sign", entry.key.name, key)))
    }

    async fn sign(
        &self,
        request: Request<Body>,
        key: PublicKeyHash,
        version: SignatureVersion,
        authentication: Option<Signature>,
    ) -> Answer {
        let Some(media) = Media::of_body(request.headers()) else {
            return Answer::UnsupportedMedia;
        };
        let body = match request.into_body() {
            Ok(body) => body,
            Err(BodyError::TooLarge(_)) => return Answer::TooLarge,
            Err(BodyError::TooSlow(_)) => return Answer::TooSlow,
            Err(error @ BodyError::Broken) => {
                return Answer::Misuse(CallError::Body(error.to_string()));
            }
        };
        let data = match parse_signing_body(media, &body) {
            Ok(data) => data,
            Err(error) => return Answer::Misuse(error),
        };
        let Some(entry) = self.keyring.find(&key) else {
            if self.keyring.has_unknown() {
                return Answer::AskAgain(NOT_SEEN.to_owned());
            }
            return Answer::Failure(format!("no keys for the source contract {key}"));
        };
        match self.ask(entry, &key, &data, version, authentication).await {
            Ok(signature) => Answer::Signature(signature),
            Err(SignError::Failed(failed)) if failed.may_be_asked_again() => {
                Answer::AskAgain(failed.to_string())
            }
            Err(error) => Answer::Failure(error.to_string()),
        }
    }

    async fn ask(
        &self,
        entry: &KeyEntry,
        key: &PublicKeyHash,
        data: &[u8],
        version: SignatureVersion,
        authentication: Option<Signature>,
    ) -> Result<Signature, SignError> {
        let admitted = entry.key.policy.admit(key, data).and_then(|payload| {
            self.check_authentication(key, data, authentication)?;
            let scheme = version.scheme(key.curve()).ok_or(Refused::Version)?;
            Ok((payload, scheme))
        });
        match admitted {
            Ok((payload, scheme)) => entry.sign(*key, payload, scheme).await,
            Err(refused) => {
                tracing::warn!(key = entry.key.name, "refused: {refused}");
                Err(refused.into())
            }
        }
    }

    fn check_authentication(
        &self,
        key: &PublicKeyHash,
        data: &[u8],
        authentication: Option<Signature>,
    ) -> Result<(), Refused> {
        match &self.authentication {
            Some(own) if !own.allows(key, data, authentication.as_ref()) => {
                Err(Refused::Authentication)
            }
            Some(_) | None => Ok(()),
        }
    }
}
