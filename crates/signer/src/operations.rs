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
    /// No more than this in all transactions of a group, with the group's fees.
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
    /// The fees are out of proportion.
    #[error("fees of {0}; no more than {MAX_FEE} for a group of operations is ever signed")]
    Fees(Tez),
    /// The transaction may pay for more storage than a new account.
    #[error(
        "a transaction that may pay for storage; one that is narrowed in the configuration must not"
    )]
    Storage,
    /// The transaction is not for one of those that are named.
    #[error("a transaction to {0}, which is not one of \"to\" in the configuration")]
    To(Contract),
    /// The transactions are more than they may be.
    #[error(
        "transactions of {moved} with their fees; \"at_most\" in the configuration is {at_most}"
    )]
    AtMost {
        /// Amounts and fees.
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

/// As octez-client's --fee-cap, for the sum: fees go to the baker of the block, so they would be a way round every
/// limit.
const MAX_FEE: Tez = Tez(1_000_000);
/// Bytes that a new account takes: what octez-client lets a transfer pay for.
const NEW_ACCOUNT: u64 = 257;

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
        let fees = sum(group.contents().iter().map(|content| content.fee));
        if fees > MAX_FEE {
            return Err(OperationRefusal::Fees(fees));
        }
        let transfers = group.contents().iter().filter_map(|content| content.transfer.as_ref());
        let moved = sum(transfers.map(|transfer| transfer.amount).chain([fees.0]));
        let narrowing = self.0.get(&OperationKind::Transaction);
        let at_most = narrowing.and_then(|narrowing| narrowing.at_most);
        match at_most.filter(|at_most| moved > *at_most) {
            Some(at_most) => Err(OperationRefusal::AtMost { moved, at_most }),
            None => Ok(group),
        }
    }

    fn check(
        &self,
        key: &PublicKeyHash,
        content: &OperationContent,
    ) -> Result<(), OperationRefusal> {
        let narrowing = self.0.get(&content.kind).ok_or(OperationRefusal::Kind(content.kind))?;
        if content.source != *key {
            return Err(OperationRefusal::Source(content.source));
        }
        if content.revealed.is_some_and(|revealed| revealed != *key) {
            return Err(OperationRefusal::Revealed);
        }
        match &content.transfer {
            Some(transfer) if narrowing.is_narrow() => narrowing.check(transfer, content),
            Some(_) | None => Ok(()),
        }
    }
}

fn sum(amounts: impl Iterator<Item = u64>) -> Tez {
    Tez(amounts.fold(0, u64::saturating_add))
}

impl Narrowing {
    fn is_narrow(&self) -> bool {
        self.to.is_some() || self.at_most.is_some()
    }

    fn check(
        &self,
        transfer: &Transfer,
        content: &OperationContent,
    ) -> Result<(), OperationRefusal> {
        if self.to.as_ref().is_some_and(|to| !to.contains(&transfer.to)) {
            return Err(OperationRefusal::To(transfer.to));
        }
        if transfer.is_call {
            return Err(OperationRefusal::Call);
        }
        let is_small = content.storage_limit.is_some_and(|limit| limit <= NEW_ACCOUNT);
        if is_small { Ok(()) } else { Err(OperationRefusal::Storage) }
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
