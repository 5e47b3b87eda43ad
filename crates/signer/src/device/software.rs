//! A key in memory.

use std::sync::Arc;
use std::time::Duration;

use tezos::{BlsScheme, Nonce, OperationGroup, Payload, SecretKey, Signature};
use watermark::Permit;

use crate::device::{Device, NoSignature};
use crate::error::{Failed, Refused};
use crate::key::Key;

/// A secret key, read from a file at start.
pub(crate) struct SoftwareKey {
    pub(crate) key: Arc<Key>,
    pub(crate) secret: SecretKey,
}

impl Device for SoftwareKey {
    fn takes(&self, _payload: &Payload, _scheme: BlsScheme) -> Result<(), Refused> {
        Ok(())
    }

    fn sign(&mut self, permit: Permit<'_>, scheme: BlsScheme) -> Result<Signature, NoSignature> {
        if *permit.key() != self.secret.hash() {
            return Err(NoSignature::no_such_key(permit.key()));
        }
        let made = self.secret.sign(permit.payload().bytes(), scheme);
        made.ok_or_else(|| {
            NoSignature::Declined(Failed::Device("the key cannot sign".to_owned()).into())
        })
    }

    fn sign_operations(&self, group: &OperationGroup, scheme: BlsScheme) -> Option<Signature> {
        self.secret.sign(group.bytes(), scheme)
    }

    fn prove_possession(&self) -> Option<Signature> {
        self.secret.prove_possession()
    }

    fn deterministic_nonce(&self, data: &[u8]) -> Option<Nonce> {
        self.secret.deterministic_nonce(data)
    }

    fn maintain(&mut self) -> Duration {
        self.key.note(self.key.identify(self.secret.public_key().clone()));
        Duration::from_secs(10)
    }

    fn kinds_in_order(&self) -> bool {
        false
    }

    fn is_connected(&self) -> bool {
        true
    }
}
