//! What a signer said about itself.
//!
//! It is believed for as long as the connection stands over which it was said: a signer whose
//! configuration changes is started again, and its connections end with it, also behind a stock ssh.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use hyper::StatusCode;
use serde_json::Value;
use tezos::PublicKeyHash;

use crate::signer::MOST_KEYS;
use crate::talk::Relayed;

/// What a signer said about itself.
#[derive(Debug)]
pub(crate) struct Knowledge {
    /// Its answer to `GET /authorized_keys`.
    pub(crate) authorized: Relayed,
    pub(crate) keys: Keys,
    public_keys: Mutex<HashMap<PublicKeyHash, Relayed>>,
}

/// Which keys a signer says that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Keys {
    /// These.
    All(BTreeSet<PublicKeyHash>),
    /// It waits for a device that tells it: ask again.
    NotYet,
    /// It does not say, as a stock signer.
    Unsaid,
}

/// Bytes; more than any answer with a public key has.
const LONGEST_KEY: usize = 4 * 1024;

impl Knowledge {
    pub(crate) fn new(authorized: Relayed, keys: Keys) -> Knowledge {
        Knowledge { authorized, keys, public_keys: Mutex::default() }
    }

    /// Its answer to `GET /keys/<key>`, if it was asked before.
    pub(crate) fn public_key(&self, key: &PublicKeyHash) -> Option<Relayed> {
        self.public_keys.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    pub(crate) fn note_public_key(&self, key: PublicKeyHash, answer: Relayed) {
        let mut keys = self.public_keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() < MOST_KEYS && answer.body.len() < LONGEST_KEY {
            keys.insert(key, answer);
        }
    }
}

impl Keys {
    /// What an answer to `GET /known_keys` means.
    pub(crate) fn read(answer: &Relayed) -> Keys {
        if answer.status == StatusCode::BAD_GATEWAY {
            return Keys::NotYet;
        }
        hashes(answer, "known_keys").map_or(Keys::Unsaid, Keys::All)
    }
}

/// The hashes in an answer like `{"known_keys":["tz1…"]}`; none when it is no such answer. Hashes of
/// kinds that are not known here are passed over.
pub(crate) fn hashes(answer: &Relayed, field: &str) -> Option<BTreeSet<PublicKeyHash>> {
    if !answer.is_ok() {
        return None;
    }
    let value: Value = serde_json::from_slice(&answer.body).ok()?;
    let list = value.get(field)?.as_array()?;
    Some(list.iter().filter_map(|hash| hash.as_str()?.parse().ok()).collect())
}
