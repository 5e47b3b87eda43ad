//! What can make a signature: a Ledger, a key in memory or a share of one, another signer.

mod ledger_device;
mod share;
mod software;
mod upstream;

use std::time::Duration;

use tezos::{BlsScheme, Nonce, OperationGroup, Payload, PublicKeyHash, Signature};
use watermark::Permit;

use crate::error::{Failed, NotReady, Refused, SignError};

pub(crate) use ledger_device::{LedgerDevice, LedgerKey};
pub(crate) use share::ShareKey;
pub(crate) use software::SoftwareKey;
pub(crate) use upstream::UpstreamKey;

/// Why a device gave no signature after its mark was used up.
#[derive(Debug)]
pub(crate) enum NoSignature {
    /// It answered that it did not sign.
    Declined(SignError),
    /// It may have signed.
    Unknown(SignError),
}

impl NoSignature {
    /// The device has no such key: nothing was sent to it.
    fn no_such_key(key: &PublicKeyHash) -> NoSignature {
        NoSignature::Declined(
            Failed::NotReady(NotReady::Absent(format!("no device has {key}"))).into(),
        )
    }
}

/// A device, owned by its worker ([`crate::worker::Worker`]). It has its keys, and notes in each
/// [`Key`](crate::key::Key) what its exchanges show.
pub(crate) trait Device: Send {
    /// Whether this can be signed at all, whatever the marks say. Asked before a mark is used up.
    fn takes(&self, payload: &Payload, scheme: BlsScheme) -> Result<(), Refused>;

    /// Does all that can fail before the bytes to sign are sent to this key. Asked before a mark is used up.
    fn prepare(&mut self, _key: &PublicKeyHash) -> Result<(), NotReady> {
        Ok(())
    }

    /// Signs what `permit` is for, once, with the permit's own key.
    fn sign(&mut self, permit: Permit<'_>, scheme: BlsScheme) -> Result<Signature, NoSignature>;

    /// Signs operations of its key's account, which have no mark; none if it does not.
    fn sign_operations(&self, _group: &OperationGroup, _scheme: BlsScheme) -> Option<Signature> {
        None
    }

    /// The proof that it has this tz4 key, over the key itself; none if it cannot make one.
    fn prove_possession(&self) -> Option<Signature> {
        None
    }

    /// The seed nonce that its key derives from data, as octez does; none if it cannot.
    fn deterministic_nonce(&self, _data: &[u8]) -> Option<Nonce> {
        None
    }

    /// Maintains the device while nothing is to be signed; gives how long until the next time.
    fn maintain(&mut self) -> Duration;

    /// Whether it signs the kinds of one mark only in their order: a Ledger has one mark for all.
    fn kinds_in_order(&self) -> bool;

    /// Whether there is a connection to keep. Without one, maintenance comes before signing.
    fn is_connected(&self) -> bool;
}
