//! The permission to sign, as a value.

use tezos::{Payload, PublicKeyHash, Signature};

/// The permission to sign one payload once with one key.
///
/// Only [`crate::Store::advance`] makes one, after the mark is raised and durable (or covered by a
/// durable reservation). It cannot be copied, and a device takes it by value:
///
/// ```compile_fail
/// fn copy(permit: watermark::Permit<'_>) -> (watermark::Permit<'_>, watermark::Permit<'_>) {
///     (permit.clone(), permit)
/// }
/// ```
///
/// ```compile_fail
/// fn forge<'a>(key: &'a tezos::PublicKeyHash, payload: &'a tezos::Payload) -> watermark::Permit<'a> {
///     watermark::Permit { key, payload }
/// }
/// ```
#[derive(Debug)]
#[must_use = "the mark is raised: what is not signed now is never signed"]
pub struct Permit<'a> {
    key: &'a PublicKeyHash,
    payload: &'a Payload,
}

/// The store's decision on a request that it does not refuse.
#[derive(Debug)]
pub enum Decision<'a> {
    /// Sign it, now and once.
    Sign(Permit<'a>),
    /// It was signed before: this is the signature.
    Again(Signature),
}

impl<'a> Permit<'a> {
    /// Call only when the mark is raised and durable.
    pub(crate) fn new(key: &'a PublicKeyHash, payload: &'a Payload) -> Permit<'a> {
        Permit { key, payload }
    }

    /// The key that may sign.
    #[must_use]
    pub fn key(&self) -> &'a PublicKeyHash {
        self.key
    }

    /// What may be signed.
    #[must_use]
    pub fn payload(&self) -> &'a Payload {
        self.payload
    }
}
