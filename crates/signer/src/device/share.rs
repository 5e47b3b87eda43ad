//! A share of a tz4 key, in memory: it makes its part of a signature.

use std::sync::Arc;
use std::time::Duration;

use shares::{PartialSignature, Share};
use tezos::{BlsScheme, OperationGroup, Payload, Signature, Statement};
use watermark::Permit;

use crate::device::{Device, NoSignature};
use crate::error::{Failed, Refused};
use crate::key::Key;

/// A share, read from a file at start. What it signs is its part of the signature of the whole key, whose mark it has.
pub(crate) struct ShareKey {
    pub(crate) key: Arc<Key>,
    pub(crate) share: Box<Share>,
}

impl ShareKey {
    fn sign_part(&self, statement: Statement<'_>) -> Option<Signature> {
        self.share.sign(statement).map(PartialSignature::into_signature)
    }
}

impl Device for ShareKey {
    fn takes(&self, _payload: &Payload, _scheme: BlsScheme) -> Result<(), Refused> {
        Ok(())
    }

    fn sign(&mut self, permit: Permit<'_>, scheme: BlsScheme) -> Result<Signature, NoSignature> {
        if *permit.key() != self.share.group().public_key().hash() {
            return Err(NoSignature::no_such_key(permit.key()));
        }
        let made = self.sign_part(Statement::Message { bytes: permit.payload().bytes(), scheme });
        made.ok_or_else(|| {
            NoSignature::Declined(Failed::Device("the share cannot sign".to_owned()).into())
        })
    }

    fn sign_operations(&self, group: &OperationGroup, scheme: BlsScheme) -> Option<Signature> {
        self.sign_part(Statement::Message { bytes: group.bytes(), scheme })
    }

    fn prove_possession(&self) -> Option<Signature> {
        self.sign_part(Statement::Possession)
    }

    fn maintain(&mut self) -> Duration {
        self.key.note(self.key.identify(self.share.group().public_key().clone()));
        Duration::from_secs(10)
    }

    fn kinds_in_order(&self) -> bool {
        false
    }

    fn is_connected(&self) -> bool {
        true
    }
}
