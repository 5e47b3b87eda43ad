//! What a signer advertises: the keys that it has, and those that may ask.
//!
//! It counts while the signer is connected: a signer whose configuration changes is started again, and its
//! connections end with it, also behind a stock ssh.

use std::collections::{BTreeSet, HashMap};

use hyper::StatusCode;
use parking_lot::Mutex;
use serde_json::Value;
use tezos::PublicKeyHash;

use crate::http_client::SignerResponse;

/// What a signer advertises.
#[derive(Debug)]
pub(crate) struct Advertised {
    /// Its response to `GET /authorized_keys`.
    pub(crate) authorized: SignerResponse,
    pub(crate) keys: Keys,
    public_keys: Mutex<HashMap<PublicKeyHash, SignerResponse>>,
}

/// The keys that a signer advertises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Keys {
    /// These.
    All(BTreeSet<PublicKeyHash>),
    /// It waits for a device that has them: poll again.
    Pending,
    /// It does not list them, as a stock signer.
    Unknown,
}

/// More keys than a signer has.
pub(crate) const MAX_KEYS: usize = 256;
/// Bytes; more than any response with a public key has.
const MAX_KEY_RESPONSE: usize = 4 * 1024;

impl Advertised {
    pub(crate) fn new(authorized: SignerResponse, keys: Keys) -> Advertised {
        Advertised { authorized, keys, public_keys: Mutex::default() }
    }

    /// Its response to `GET /keys/<key>`, if there was one.
    pub(crate) fn public_key(&self, key: &PublicKeyHash) -> Option<SignerResponse> {
        self.public_keys.lock().get(key).cloned()
    }

    pub(crate) fn note_public_key(&self, key: PublicKeyHash, response: SignerResponse) {
        let mut keys = self.public_keys.lock();
        if keys.len() < MAX_KEYS && response.body.len() < MAX_KEY_RESPONSE {
            keys.insert(key, response);
        }
    }
}

impl Keys {
    /// Reads a response to `GET /known_keys`.
    pub(crate) fn read(response: &SignerResponse) -> Keys {
        if response.status == StatusCode::BAD_GATEWAY {
            return Keys::Pending;
        }
        hashes(response, "known_keys").map_or(Keys::Unknown, Keys::All)
    }
}

/// The hashes in a response like `{"known_keys":["tz1…"]}`; none when it is no such response. Hashes of kinds that
/// are not known here are skipped.
pub(crate) fn hashes(response: &SignerResponse, field: &str) -> Option<BTreeSet<PublicKeyHash>> {
    if !response.is_ok() {
        return None;
    }
    let value: Value = serde_json::from_slice(&response.body).ok()?;
    let list = value.get(field)?.as_array()?;
    Some(list.iter().filter_map(|hash| hash.as_str()?.parse().ok()).collect())
}
