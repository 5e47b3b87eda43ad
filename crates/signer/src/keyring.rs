//! The keys of this signer, and where each is asked for a signature.

use std::sync::Arc;
use std::time::Instant;

use tezos::{BlsScheme, Kind, Payload, PublicKeyHash, Signature};

use crate::desk::Desk;
use crate::error::SignError;
use crate::key::Key;
use crate::queue::{Job, Made};

/// A key, and where to ask for its signatures.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: Arc<Key>,
    /// Its place among the keys of the worker.
    pub(crate) place: usize,
    pub(crate) desk: Desk,
}

/// All keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keyring(pub(crate) Vec<Entry>);

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
    /// Has it signed; returns when it is, or says why not. It always says something.
    pub(crate) async fn sign(
        &self,
        payload: Payload,
        scheme: BlsScheme,
    ) -> Result<Signature, SignError> {
        let job = Job {
            key: self.place,
            payload,
            scheme,
            asked: Instant::now(),
            votes_twice: self.key.policy.kinds.contains(&Kind::Preattestation),
        };
        self.desk.sign(&self.key, job).await.map(Made::signature)
    }
}
