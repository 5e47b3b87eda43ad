//! What is answered, whatever the request came over: octez's calls, and two of ours.

use std::sync::Arc;

use daemon::config::Authentication;
use daemon::monitor::Monitor;
use shares::PartialSignature;
use signer_api::{Answer, CallError, Hosts, Marks, Question, SignatureVersion};
use tezos::{AuthenticatedRequest, Nonce, OperationGroup, PublicKey, PublicKeyHash, Signature};
use watermark::Store;

use crate::error::{NotReady, Refused, SignError};
use crate::key::Key;
use crate::keyring::{KeyEntry, Keyring};
use crate::metrics::Metrics;
use crate::policy::Admitted;

/// Answers a baker.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) keyring: Keyring,
    pub(crate) store: Arc<Store>,
    pub(crate) metrics: Arc<Metrics>,
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

impl Api {
    pub(crate) fn authorized_keys(&self) -> Answer {
        Answer::AuthorizedKeys(self.authentication.as_ref().map(Authentication::hashes))
    }

    /// For gateways only.
    pub(crate) fn marks(&self) -> Answer {
        let Some(process) = &self.process else { return Answer::Misuse(CallError::NotFound) };
        let entries = self.store.entries();
        let reached =
            entries.iter().filter_map(|entry| Some((entry.key, entry.chain, entry.reached()?)));
        Answer::Marks(Marks { process: process.clone(), reached: reached.collect() })
    }

    /// For gateways only.
    pub(crate) fn report(&self) -> Answer {
        match self.process {
            // What a gateway is told, every client there may read.
            Some(_) => {
                let report = self.monitor.reporter().report().without_addresses();
                Answer::Report(report.to_json())
            }
            None => Answer::Misuse(CallError::NotFound),
        }
    }

    /// Answers with every key or with 502: after a partial list the gateway would refuse the missing keys.
    pub(crate) fn known_keys(&self) -> Answer {
        if !self.allow_list_known_keys {
            return Answer::Failure("List known keys request not allowed.".to_owned());
        }
        if self.keyring.has_unknown() {
            return Answer::AskAgain(NOT_SEEN.to_owned());
        }
        Answer::KnownKeys(self.keyring.hashes())
    }

    pub(crate) fn public_key(&self, key: &PublicKeyHash) -> Answer {
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
    pub(crate) fn prove_possession(&self, key: &PublicKeyHash, over: Option<&PublicKey>) -> Answer {
        let entry = match self.to_be_proved(key) {
            Ok(entry) => entry,
            Err(answer) => return answer,
        };
        if over.is_some_and(|over| Some(over) != entry.key.public_key()) {
            return Answer::Failure("possession is proved of the key itself only".to_owned());
        }
        if let Err(refused) = entry.key.is_whole() {
            return Answer::Failure(refused.to_string());
        }
        match entry.dispatch.prove_possession() {
            Some(proof) => Answer::Possession(proof),
            None => Answer::Failure(format!(
                "{key} cannot prove its possession: only tz4 keys in memory can"
            )),
        }
    }

    /// The share's part of it: the gateway combines them.
    pub(crate) fn prove_share_possession(&self, key: &PublicKeyHash) -> Answer {
        let entry = match self.to_be_proved(key) {
            Ok(entry) => entry,
            Err(answer) => return answer,
        };
        let index = entry.key.share_index();
        let part = index.map(|index| (index, entry.dispatch.prove_possession()));
        match part {
            Ok((index, Some(proof))) => Answer::Share(PartialSignature::new(index, proof)),
            Ok((_, None)) => Answer::Failure(format!("the share of {key} cannot sign")),
            Err(refused) => Answer::Failure(refused.to_string()),
        }
    }

    fn to_be_proved(&self, key: &PublicKeyHash) -> Result<&KeyEntry, Answer> {
        if !self.allow_to_prove_possession {
            let why = "Request to prove possession is not allowed.";
            return Err(Answer::Failure(why.to_owned()));
        }
        self.keyring.find(key).ok_or(Answer::UnknownKey)
    }

    pub(crate) fn status(&self, key: &PublicKeyHash) -> Answer {
        let Some(entry) = self.keyring.find(key) else { return Answer::UnknownKey };
        let ready = entry.can_sign(&self.store);
        let can_sign = |()| format!("{} ({}) can sign", entry.key.name, key);
        Answer::Status(ready.map(can_sign).map_err(|why| why.to_string()))
    }

    /// The nonce that a key in memory derives.
    pub(crate) fn nonce(
        &self,
        request: AuthenticatedRequest,
        question: &Question,
    ) -> Result<Nonce, String> {
        let Question { key, data, .. } = question;
        let entry = self.keyring.find(key).ok_or_else(|| unknown(key))?;
        self.check_authentication(request, question).map_err(|refused| refused.to_string())?;
        let nonce = entry.dispatch.deterministic_nonce(data);
        nonce.ok_or_else(|| format!("{key} derives no nonces: only keys in memory do"))
    }

    /// Whether a key derives nonces.
    pub(crate) fn supports_nonces(&self, key: &PublicKeyHash) -> Result<bool, String> {
        let entry = self.keyring.find(key).ok_or_else(|| unknown(key))?;
        Ok(entry.dispatch.deterministic_nonce(&[]).is_some())
    }

    pub(crate) async fn sign(&self, question: &Question, version: SignatureVersion) -> Answer {
        let signed = self.signed(question, version, Key::is_whole).await;
        signed.map_or_else(|answer| answer, |((), made)| Answer::Signature(made))
    }

    /// Signs with the share of a key that is here.
    pub(crate) async fn sign_share(
        &self,
        question: &Question,
        version: SignatureVersion,
    ) -> Answer {
        let signed = self.signed(question, version, Key::share_index).await;
        let part = |(index, made)| Answer::Share(PartialSignature::new(index, made));
        signed.map_or_else(|answer| answer, part)
    }

    /// Signs with a key of which `check` says that it is what is asked for, or gives what is answered instead.
    async fn signed<T>(
        &self,
        question: &Question,
        version: SignatureVersion,
        check: fn(&Key) -> Result<T, Refused>,
    ) -> Result<(T, Signature), Answer> {
        let Some(entry) = self.keyring.find(&question.key) else {
            if self.keyring.has_unknown() {
                return Err(Answer::AskAgain(NOT_SEEN.to_owned()));
            }
            self.metrics.note_unknown_key();
            return Err(Answer::Failure(unknown(&question.key)));
        };
        let signed = match check(&entry.key) {
            Ok(checked) => {
                self.ask(entry, question, version).await.map(|signature| (checked, signature))
            }
            Err(refused) => Err(self.refuse(entry, refused)),
        };
        entry.key.note_answer(&signed);
        signed.map_err(|error| match error {
            SignError::Failed(failed) if failed.may_be_asked_again() => {
                Answer::AskAgain(failed.to_string())
            }
            error @ (SignError::Refused(_) | SignError::Failed(_)) => {
                Answer::Failure(error.to_string())
            }
        })
    }

    fn refuse(&self, entry: &KeyEntry, refused: Refused) -> SignError {
        tracing::warn!(key = entry.key.name, "refused: {refused}");
        let error = SignError::from(refused);
        self.metrics.note_unserved(&entry.key.name, None, &error);
        error
    }

    async fn ask(
        &self,
        entry: &KeyEntry,
        question: &Question,
        version: SignatureVersion,
    ) -> Result<Signature, SignError> {
        let Question { key, data, .. } = question;
        // Operations take long to read, so who asks is looked at first.
        let is_operation = data.first() == Some(&OperationGroup::MAGIC_BYTE);
        let first = if is_operation { self.may_ask(question) } else { Ok(()) };
        let admitted = first.and_then(|()| entry.key.policy.admit(key, data));
        let admitted = admitted.and_then(|admitted| {
            if !is_operation {
                self.may_ask(question)?;
            }
            let scheme = version.scheme(key.curve()).ok_or(Refused::Version)?;
            Ok((admitted, scheme))
        });
        match admitted {
            Ok((Admitted::Payload(payload), scheme)) => {
                entry.sign(*key, payload, scheme, &self.metrics).await
            }
            Ok((Admitted::Operations(group), scheme)) => {
                entry.dispatch.sign_operations(&entry.key, &group, scheme)
            }
            Err(refused) => Err(self.refuse(entry, refused)),
        }
    }

    fn may_ask(&self, question: &Question) -> Result<(), Refused> {
        self.check_authentication(AuthenticatedRequest::Sign, question)
    }

    fn check_authentication(
        &self,
        request: AuthenticatedRequest,
        question: &Question,
    ) -> Result<(), Refused> {
        let Question { key, data, authentication } = question;
        match &self.authentication {
            Some(own) if !own.allows(request, key, data, authentication.as_ref()) => {
                Err(Refused::Authentication)
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// In octez's words.
fn unknown(key: &PublicKeyHash) -> String {
    format!("no keys for the source contract {key}")
}
