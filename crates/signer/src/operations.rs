//! Which operations of its account a key may sign, and why not.
//!
//! They have no mark: octez's counter keeps one from counting twice. So they go round the watermark store, and what
//! keeps them from being a block or a vote is their type, which begins with another magic byte. Only a key in memory
//! signs them, and only the kinds that its operator named.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use tezos::{
    Contract, OperationContent, OperationError, OperationGroup, OperationKind, PublicKeyHash,
    Transfer,
};
use thiserror::Error;

/// The kinds that a key may sign.
#[derive(Debug, Clone, Default)]
pub(crate) struct Operations(pub(crate) BTreeMap<OperationKind, Narrowing>);

/// What a transaction is narrowed to; nothing, without either.
#[derive(Debug, Clone, Default)]
pub(crate) struct Narrowing {
    /// Only to these.
    pub(crate) to: Option<BTreeSet<Contract>>,
    /// No more than this in one transaction, its fee included; in millionths of a tez.
    pub(crate) at_most: Option<Tez>,
}

/// An amount in millionths of a tez; written in tez.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tez(pub(crate) u64);

/// Why an operation is *refused*.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OperationRefusal {
    /// It does not parse, or is of a kind that no key signs.
    #[error(transparent)]
    Parse(#[from] OperationError),
    /// Not one of the kinds that this key may sign.
    #[error(
        "kind {0} is not one that this key may sign; \"allow\" in the configuration does not name it"
    )]
    Kind(OperationKind),
    /// It is for another account.
    #[error("an operation for {0}, which is not this key's account")]
    Source(PublicKeyHash),
    /// It reveals another key.
    #[error("a reveal of another public key than this one")]
    Revealed,
    /// The fee is out of proportion.
    #[error("a fee of {0}; no more than {MAX_FEE} for an operation is ever signed")]
    Fee(Tez),
    /// The transaction is not for one of those that are named.
    #[error("a transaction to {0}, which is not one of \"to\" in the configuration")]
    To(Contract),
    /// The transaction is more than it may be.
    #[error("a transaction of {moved} with its fee; \"at_most\" in the configuration is {at_most}")]
    AtMost {
        /// Amount and fee.
        moved: Tez,
        /// The limit.
        at_most: Tez,
    },
    /// A narrowed transaction moves money, and does nothing else.
    #[error(
        "a transaction that calls an entrypoint; one that is narrowed in the configuration must not"
    )]
    Call,
}

/// As octez-client's --fee-cap: a fee goes to whoever bakes the block, so it would be a way round every limit.
const MAX_FEE: Tez = Tez(1_000_000);

impl Operations {
    /// Whether nothing is allowed.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Parses `bytes`, once, as what `key` may sign.
    pub(crate) fn admit(
        &self,
        key: &PublicKeyHash,
        bytes: &[u8],
    ) -> Result<OperationGroup, OperationRefusal> {
        let group = OperationGroup::parse(bytes)?;
        group.contents().iter().try_for_each(|content| self.check(key, content))?;
        Ok(group)
    }

    fn check(
        &self,
        key: &PublicKeyHash,
        content: &OperationContent,
    ) -> Result<(), OperationRefusal> {
        let OperationContent { kind, source, fee, transfer, revealed } = content;
        let narrowing = self.0.get(kind).ok_or(OperationRefusal::Kind(*kind))?;
        if source != key {
            return Err(OperationRefusal::Source(*source));
        }
        if revealed.as_ref().is_some_and(|revealed| revealed.hash() != *key) {
            return Err(OperationRefusal::Revealed);
        }
        let fee = Tez(*fee);
        if fee > MAX_FEE {
            return Err(OperationRefusal::Fee(fee));
        }
        transfer.as_ref().map_or(Ok(()), |transfer| narrowing.check(transfer, fee))
    }
}

impl Narrowing {
    fn check(&self, transfer: &Transfer, fee: Tez) -> Result<(), OperationRefusal> {
        if self.to.as_ref().is_some_and(|to| !to.contains(&transfer.to)) {
            return Err(OperationRefusal::To(transfer.to));
        }
        let moved = Tez(transfer.amount.saturating_add(fee.0));
        if let Some(at_most) = self.at_most.filter(|at_most| moved > *at_most) {
            return Err(OperationRefusal::AtMost { moved, at_most });
        }
        let is_narrowed = self.to.is_some() || self.at_most.is_some();
        if is_narrowed && transfer.is_call {
            return Err(OperationRefusal::Call);
        }
        Ok(())
    }
}

impl Tez {
    /// "100 tez", "0.5 tez".
    pub(crate) fn parse(text: &str) -> Option<Tez> {
        const DIGITS: usize = 6;
        let number = text.strip_suffix("tez")?.trim_end();
        let (whole, rest) = number.split_once('.').unwrap_or((number, "0"));
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
        if !is_number(whole) || !is_number(rest) || rest.len() > DIGITS {
            return None;
        }
        let millionths: u64 = format!("{rest:0<DIGITS$}").parse().ok()?;
        whole.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(millionths).map(Tez)
    }
}

impl fmt::Display for Tez {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 1_000_000, self.0 % 1_000_000);
        if rest == 0 {
            return write!(f, "{whole} tez");
        }
        write!(f, "{whole}.{} tez", format!("{rest:06}").trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_read_as_it_is_written() {
        for (text, millionths) in [
            ("100 tez", 100_000_000),
            ("0.5 tez", 500_000),
            ("1.000001tez", 1_000_001),
            ("0 tez", 0),
        ] {
            assert_eq!(Tez::parse(text), Some(Tez(millionths)), "{text}");
        }
        for text in ["100 tez", "0.5 tez", "1.000001 tez"] {
            assert_eq!(Tez::parse(text).unwrap().to_string(), text);
        }
        for wrong in [
            "",
            "tez",
            "100",
            "1e3 tez",
            "-1 tez",
            "1.0000001 tez",
            ".5 tez",
            "1. tez",
            "1,5 tez",
            "99999999999999 tez",
        ] {
            assert_eq!(Tez::parse(wrong), None, "{wrong}");
        }
    }
}
