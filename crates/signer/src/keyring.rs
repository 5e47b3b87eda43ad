//! The keys of this signer, as the API and the workers share them.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tezos::{BlsScheme, Kind, Payload, PublicKey, PublicKeyHash, Signature};

use crate::error::{Failed, NotReady, SignError};
use crate::policy::Policy;
use crate::queue::{Made, Queue};

/// What is known of a key. The worker writes it, everybody reads it.
#[derive(Debug)]
pub(crate) struct Key {
    /// Its name in the configuration.
    pub(crate) name: String,
    /// The hash that the configuration asks for.
    pub(crate) expected: Option<PublicKeyHash>,
    pub(crate) policy: Policy,
    /// Known at once for a software key, and when the device was first seen for the others. It never
    /// changes afterwards: another one is another seed.
    identity: OnceLock<PublicKey>,
    /// What the last exchange showed.
    readiness: Mutex<Result<(), NotReady>>,
}

/// A key and the queue of the worker that can sign with it.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: Arc<Key>,
    /// Its place among the keys of the worker.
    pub(crate) place: usize,
    pub(crate) queue: Arc<Queue>,
}

/// All keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keyring(pub(crate) Vec<Entry>);

impl Key {
    pub(crate) fn new(name: String, expected: Option<PublicKeyHash>, policy: Policy) -> Key {
        let readiness = Mutex::new(Err(NotReady::Absent("not looked for yet".to_owned())));
        Key { name, expected, policy, identity: OnceLock::new(), readiness }
    }

    /// The public key, if it is known.
    pub(crate) fn public_key(&self) -> Option<&PublicKey> {
        self.identity.get()
    }

    /// The hash, if it is known or configured.
    pub(crate) fn hash(&self) -> Option<PublicKeyHash> {
        self.identity.get().map(PublicKey::hash).or(self.expected)
    }

    /// Whether a public key that a device shows can be this key's.
    pub(crate) fn is_this(&self, shown: &PublicKey) -> Result<(), NotReady> {
        let found = shown.hash();
        match self.hash() {
            Some(expected) if expected != found => Err(NotReady::OtherSeed { expected, found }),
            Some(_) | None => Ok(()),
        }
    }

    /// Takes a public key that a device shows as this key's, for ever.
    pub(crate) fn identify(&self, shown: PublicKey) -> Result<(), NotReady> {
        self.is_this(&shown)?;
        // Set before means equal: the hash was compared.
        let _ = self.identity.set(shown);
        Ok(())
    }

    pub(crate) fn readiness(&self) -> Result<(), NotReady> {
        self.readiness.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes what an exchange showed; a change is a line in the log.
    pub(crate) fn note(&self, state: Result<(), NotReady>) {
        let mut readiness = self.readiness.lock().unwrap_or_else(PoisonError::into_inner);
        if *readiness == state {
            return;
        }
        match &state {
            Ok(()) => tracing::info!(
                key = self.name,
                hash = self.hash().map(|hash| hash.to_string()),
                "ready to sign"
            ),
            Err(why) => tracing::warn!(key = self.name, state = why.reason(), "cannot sign: {why}"),
        }
        *readiness = state;
    }
}

impl Keyring {
    /// The key of this hash.
    pub(crate) fn find(&self, hash: &PublicKeyHash) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.key.hash() == Some(*hash))
    }

    /// Keys whose hash neither the configuration nor a device has told yet.
    pub(crate) fn has_unknown(&self) -> bool {
        self.0.iter().any(|entry| entry.key.hash().is_none())
    }

    /// The hashes of all keys that are known.
    pub(crate) fn hashes(&self) -> Vec<PublicKeyHash> {
        self.0.iter().filter_map(|entry| entry.key.hash()).collect()
    }
}

impl Entry {
    /// Has the worker sign; returns when it has, or says why not. It always says something.
    pub(crate) async fn sign(
        &self,
        payload: Payload,
        scheme: BlsScheme,
    ) -> Result<Signature, SignError> {
        let votes_twice = self.key.policy.kinds.contains(&Kind::Preattestation);
        let answer = self.queue.submit(self.place, payload, scheme, votes_twice)?;
        match tokio::time::timeout(crate::worker::ANSWER_LIMIT, answer).await {
            Ok(Ok(outcome)) => outcome.map(Made::signature),
            Ok(Err(_)) => Err(Failed::Stopping.into()),
            Err(_) => Err(Failed::NoAnswer.into()),
        }
    }
}
