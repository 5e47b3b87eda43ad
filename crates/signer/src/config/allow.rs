//! `allow` under `[[key]]`: what a key may sign.

use std::collections::BTreeSet;

use tezos::{ContractError, Kind, OperationKind};
use thiserror::Error;

use crate::config::typed::{self, Narrowed};
use crate::operations::{Narrowing, Operations, Tez};

/// What is wrong with `allow`.
#[derive(Debug, Error)]
pub(super) enum AllowWhy {
    #[error("allow: {found:?} is no kind; write of {}", kinds())]
    Kind { found: String },
    #[error("allow is empty: this key could sign nothing")]
    Nothing,
    #[error(
        "allow names {0:?}, which empties the account or signs arbitrary bytes: no key here ever signs it"
    )]
    Never(String),
    #[error(
        "allow names {0}, and only a key in memory (secret_key_file, share_file) signs operations"
    )]
    OnlyInMemory(OperationKind),
    #[error("allow: only a transaction has \"to\" and \"at_most\", and {0} has not")]
    Narrowed(String),
    #[error("allow: to: {0}")]
    To(#[from] ContractError),
    #[error("allow: at_most is {0:?}; write an amount, as in \"100 tez\" or \"0.5 tez\"")]
    AtMost(String),
    #[error("allow names {0} twice; write it once, with all of \"to\" in it")]
    Twice(OperationKind),
}

/// Of octez.
const NEVER: [&str; 2] = ["drain_delegate", "failing_noop"];

fn kinds() -> String {
    let blocks_and_votes = Kind::ALL.map(Kind::name);
    let operations = OperationKind::ALL.map(OperationKind::name);
    [&blocks_and_votes[..], &operations].concat().join(", ")
}

/// Without `allow`: blocks and votes.
pub(super) fn understand(
    typed: Option<Vec<typed::Allow>>,
    is_in_memory: bool,
) -> Result<(BTreeSet<Kind>, Operations), AllowWhy> {
    let Some(typed) = typed else { return Ok((Kind::ALL.into(), Operations::default())) };
    let (mut kinds, mut operations) = (BTreeSet::new(), Operations::default());
    for allow in typed {
        let narrowed = match allow {
            typed::Allow::Kind(kind) => Narrowed { kind, to: None, at_most: None },
            typed::Allow::Narrowed(narrowed) => narrowed,
        };
        if let Some(kind) = Kind::from_name(&narrowed.kind) {
            narrowing(&narrowed)?;
            kinds.insert(kind);
            continue;
        }
        let kind = operation_kind(&narrowed.kind)?;
        if !is_in_memory {
            return Err(AllowWhy::OnlyInMemory(kind));
        }
        if operations.0.insert(kind, narrowing(&narrowed)?).is_some() {
            return Err(AllowWhy::Twice(kind));
        }
    }
    if kinds.is_empty() && operations.is_empty() {
        return Err(AllowWhy::Nothing);
    }
    Ok((kinds, operations))
}

fn operation_kind(name: &str) -> Result<OperationKind, AllowWhy> {
    if NEVER.contains(&name) {
        return Err(AllowWhy::Never(name.to_owned()));
    }
    OperationKind::from_name(name).ok_or_else(|| AllowWhy::Kind { found: name.to_owned() })
}

fn narrowing(typed: &Narrowed) -> Result<Narrowing, AllowWhy> {
    let Narrowed { kind, to, at_most } = typed;
    let is_transaction = kind == OperationKind::Transaction.name();
    if !is_transaction && (to.is_some() || at_most.is_some()) {
        return Err(AllowWhy::Narrowed(kind.clone()));
    }
    let to = to.as_ref().map(|to| to.iter().map(|text| text.parse()).collect());
    let amount = |text: &String| Tez::parse(text).ok_or_else(|| AllowWhy::AtMost(text.clone()));
    Ok(Narrowing { to: to.transpose()?, at_most: at_most.as_ref().map(amount).transpose()? })
}
