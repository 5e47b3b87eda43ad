//! From t partial signatures to the signature of the whole: public data alone.

use blst::MultiPoint;
use blst::min_pk;
use tezos::{Curve, PreparedVerification, Signature, Statement};
use thiserror::Error;

use crate::short_factor::ShortFactor;
use crate::{Group, PartialSignature, ShareIndex, lagrange};

/// A signature of the whole key: it was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Combined {
    /// What the whole key would have made, byte for byte.
    pub signature: Signature,
    /// The boxes whose parts are none: of other bytes, or nonsense. Each is checked only if the whole is wrong with it.
    pub liars: Vec<ShareIndex>,
}

/// Why there is no signature. More parts may make one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CombineError {
    /// Too few parts are good.
    #[error("{good} good parts of {needed} that are needed{}", of(liars))]
    Few {
        /// Parts that are good, or were not looked at.
        good: usize,
        /// Parts that are needed.
        needed: u8,
        /// The boxes whose parts are none.
        liars: Vec<ShareIndex>,
    },
    /// Two parts of one share: both are of that box, and one of them is of something else.
    #[error("two different parts of share {0}")]
    Twice(ShareIndex),
}

fn of(liars: &[ShareIndex]) -> String {
    let names: Vec<String> = liars.iter().map(ToString::to_string).collect();
    if names.is_empty() {
        String::new()
    } else {
        format!("; no parts of it: share {}", names.join(", "))
    }
}

/// Combines parts of the signature of one statement.
#[derive(Debug)]
pub struct Combiner<'a> {
    group: &'a Group,
    statement: Statement<'a>,
    verification: Option<PreparedVerification>,
}

impl Group {
    /// Combines parts that are all there.
    ///
    /// # Errors
    /// As [`Combiner::combine`].
    pub fn combine(
        &self,
        partials: &[PartialSignature],
        statement: Statement<'_>,
    ) -> Result<Combined, CombineError> {
        let verification = self.public_key().prepare(statement);
        Combiner::new(self, statement, verification).combine(partials)
    }
}

impl<'a> Combiner<'a> {
    /// `verification`: of this statement, as the group's public key prepares it. That takes as long as a signature, and needs no
    /// part, so it is done while these are made. Without it nothing is combined.
    #[must_use]
    pub fn new(
        group: &'a Group,
        statement: Statement<'a>,
        verification: Option<PreparedVerification>,
    ) -> Combiner<'a> {
        Combiner { group, statement, verification }
    }

    /// What is signed.
    #[must_use]
    pub fn group(&self) -> &Group {
        self.group
    }

    /// Combines the first parts of `partials` that suffice, and verifies the whole; only if that fails, each part, and
    /// goes on with the good ones. The same part twice counts once.
    ///
    /// # Errors
    /// When too few are good, or two of one share differ.
    pub fn combine(&self, partials: &[PartialSignature]) -> Result<Combined, CombineError> {
        let partials = each_once(partials)?;
        let needed = self.group.threshold().needed();
        if let Some(signature) = self.whole(&partials) {
            return Ok(Combined { signature, liars: Vec::new() });
        }
        if partials.len() < usize::from(needed) {
            return Err(CombineError::Few { good: partials.len(), needed, liars: Vec::new() });
        }
        let is_good = |partial: &&PartialSignature| self.group.verifies(partial, self.statement);
        let (good, bad): (Vec<&PartialSignature>, Vec<&PartialSignature>) =
            partials.into_iter().partition(is_good);
        let liars: Vec<ShareIndex> = bad.into_iter().map(PartialSignature::index).collect();
        match self.whole(&good) {
            Some(signature) => Ok(Combined { signature, liars }),
            None => Err(CombineError::Few { good: good.len(), needed, liars }),
        }
    }

    /// The signature that the first of these make, if they suffice and it is one.
    fn whole(&self, partials: &[&PartialSignature]) -> Option<Signature> {
        let partials = partials.get(..usize::from(self.group.threshold().needed()))?;
        let indices: Vec<ShareIndex> = partials.iter().map(|partial| partial.index()).collect();
        let sum = sum(partials, &lagrange::factors(lagrange::secret(), &indices)?)?;
        let signature = Signature::new(Curve::Bls, &sum.compress())?;
        self.verification.as_ref()?.verifies(&signature).then_some(signature)
    }
}

/// The sum of the parts, each times its factor.
fn sum(partials: &[&PartialSignature], factors: &[u8]) -> Option<min_pk::Signature> {
    let (factors, _) = factors.as_chunks();
    let factors = factors.iter().map(|factor| ShortFactor::of(*factor));
    let factors = factors.collect::<Option<Vec<_>>>()?;
    let length = factors.iter().map(ShortFactor::length).max()?;
    let bytes: Vec<u8> = factors.iter().flat_map(|factor| factor.bytes(length)).collect();
    let points = partials.iter().zip(&factors);
    let points = points.map(|(partial, factor)| point(partial, factor.is_opposite));
    Some(points.collect::<Option<Vec<_>>>()?.mult(&bytes, 8 * length).to_signature())
}

/// The point of a part, or its opposite: in the compressed form, one bit tells these two apart.
fn point(partial: &PartialSignature, is_opposite: bool) -> Option<min_pk::Signature> {
    const SIGN: u8 = 0x20;
    let mut bytes = partial.signature().bytes().to_vec();
    if is_opposite {
        *bytes.first_mut()? ^= SIGN;
    }
    min_pk::Signature::uncompress(&bytes).ok()
}

/// In their order, without repetitions.
fn each_once(partials: &[PartialSignature]) -> Result<Vec<&PartialSignature>, CombineError> {
    let mut once: Vec<&PartialSignature> = Vec::with_capacity(partials.len());
    for partial in partials {
        match once.iter().find(|other| other.index() == partial.index()) {
            None => once.push(partial),
            Some(other) if *other == partial => {}
            Some(_) => return Err(CombineError::Twice(partial.index())),
        }
    }
    Ok(once)
}
