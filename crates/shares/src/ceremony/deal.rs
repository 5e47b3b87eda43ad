//! Making a deal, and opening the part of it that is for one box.

use tezos::{Curve, Digest, PublicKey, Signature, Statement};
use vsss_rs::elliptic_curve::rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::body::Deal;
use super::commitments::Commitments;
use super::digest::digest;
use super::envelope::{self, DecryptionKey, EncryptionKey, Envelope};
use super::fault::Fault;
use super::participant::{Participant, Sender};
use super::polynomial::Polynomial;
use super::transcript::Transcript;
use crate::scalar::Scalar;
use crate::{Threshold, lagrange};

/// A box that a deal is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Receiver {
    pub(super) share: Sender,
    pub(super) key: EncryptionKey,
}

impl Deal {
    /// Deals a polynomial to boxes that have sent their keys: every one of them, in the order of their shares.
    pub(super) fn make(
        polynomial: &Polynomial,
        threshold: Threshold,
        (dealer, transcript): (Sender, &Transcript),
        receivers: &[Receiver],
        rng: &mut impl CryptoRng,
    ) -> Result<Deal, Fault> {
        let points = polynomial.commitments().ok_or(Fault::Library)?;
        let commitments = Commitments::new(points, threshold).map_err(|_| Fault::Library)?;
        let seal = |receiver: &Receiver| -> Result<Envelope, Fault> {
            let value = polynomial.at(lagrange::place(receiver.share.index()));
            let purpose = transcript.purpose(dealer, receiver.share);
            let sealed = envelope::seal(&value, &receiver.key, &purpose, rng);
            sealed.ok_or(Fault::Key(receiver.share))
        };
        let envelopes = receivers.iter().map(seal).collect::<Result<_, _>>()?;
        Ok(Deal { commitments, envelopes })
    }

    /// The value that is for one box, checked.
    pub(super) fn open(
        &self,
        (dealer, transcript): (Sender, &Transcript),
        own: Participant,
        key: &DecryptionKey,
    ) -> Result<Zeroizing<Scalar>, Fault> {
        let envelope = self.envelopes.get(own.index().place()).ok_or(Fault::Sealed(dealer))?;
        let purpose = transcript.purpose(dealer, own.sender());
        let value = key.open(envelope, &purpose).ok_or(Fault::Sealed(dealer))?;
        let fits = self.commitments.fit(own.index(), &value);
        fits.then_some(value).ok_or(Fault::Part(dealer))
    }
}

/// What a box promises in round 1 of a ceremony: so it chooses its part before it sees those of the others.
pub(super) fn promise(of: Participant, commitments: &Commitments, proof: &Signature) -> Digest {
    let (threshold, index) = (of.threshold(), of.index());
    let numbers = [threshold.needed(), threshold.shares(), index.number()];
    digest("promise", &[&numbers, &commitments.bytes().concat(), proof.bytes()])
}

/// Whether it is proved that the dealer has the secret of its constant.
pub(super) fn is_proved(commitments: &Commitments, proof: &Signature) -> bool {
    let constant = commitments.constant().and_then(|point| PublicKey::new(Curve::Bls, point).ok());
    constant.is_some_and(|key| key.verifies_share(&key, Statement::Possession, proof))
}
