//! Which marks a set-up makes: pure, because a mistake here is a double signature.

use std::fmt;

use tezos::{ChainId, Level};
use thiserror::Error;

/// What is done to the marks of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MarkPlan {
    /// There are marks, and nothing above them was asked for.
    Keep,
    /// There are none: everything at or below the level is closed.
    Make(Level),
    /// There are marks; everything at or below the level is closed as well.
    Raise(Level),
}

impl fmt::Display for MarkPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MarkPlan::Keep => f.write_str("kept as they are"),
            MarkPlan::Make(level) | MarkPlan::Raise(level) => {
                write!(f, "nothing at or below level {level} will be signed")
            }
        }
    }
}

/// Why there are no marks to make. *Misused*.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum MarkError {
    #[error(
        "no level is given, and a signer never starts from zero: give --level with the chain's present level (a block \
         explorer shows it), or --node with a node's URL{}", device.map_or_else(String::new, |level| format!(
            ". The Ledger's own high watermark is {level}"
        ))
    )]
    NoLevel { device: Option<Level> },
    #[error(
        "level {level} is below the Ledger's own high watermark for {chain}, {device}: the key has signed since then. Give \
         the chain's present level; if the Ledger's mark is wrong, \"peel ledger mark --set LEVEL\" resets it"
    )]
    BelowDevice { level: Level, device: Level, chain: ChainId },
}

/// The marks of the key on the chain, as they are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub(super) chain: ChainId,
    /// Up to where the store closes everything; none: the store does not know the key on this chain.
    pub(super) store: Option<Level>,
    /// The Ledger's own mark, if it was asked.
    pub(super) device: Option<Level>,
}

impl Known {
    /// Marks never go down here, and none is made without a level of the operator's.
    pub(super) fn plan(&self, asked: Option<Level>) -> Result<MarkPlan, MarkError> {
        match (self.store, asked) {
            (Some(store), Some(level)) if level > store => Ok(MarkPlan::Raise(level)),
            (Some(_), _) => Ok(MarkPlan::Keep),
            (None, None) => Err(MarkError::NoLevel {
                device: self.device.filter(|own| *own > Level::default()),
            }),
            (None, Some(level)) => match self.device.filter(|device| *device > level) {
                Some(device) => Err(MarkError::BelowDevice { level, device, chain: self.chain }),
                None => Ok(MarkPlan::Make(level)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(number: i64) -> Level {
        Level::try_from(number).unwrap()
    }

    /// What is known of the marks, the level that is asked for, and what comes of it.
    fn planned(
        store: Option<i64>,
        device: Option<i64>,
        asked: Option<i64>,
    ) -> Result<MarkPlan, MarkError> {
        let known =
            Known { chain: ChainId::MAINNET, store: store.map(level), device: device.map(level) };
        known.plan(asked.map(level))
    }

    #[test]
    fn marks_never_go_down() {
        assert_eq!(planned(Some(100), Some(0), Some(101)), Ok(MarkPlan::Raise(level(101))));
        for asked in [None, Some(0), Some(99), Some(100)] {
            assert_eq!(planned(Some(100), Some(0), asked), Ok(MarkPlan::Keep), "{asked:?}");
        }
    }

    #[test]
    fn no_marks_are_made_without_a_level_of_the_operators() {
        for device in [None, Some(0), Some(77)] {
            let device_level = device.filter(|own| *own > 0).map(level);
            assert_eq!(
                planned(None, device, None),
                Err(MarkError::NoLevel { device: device_level })
            );
        }
        assert!(
            planned(None, Some(77), None).unwrap_err().to_string().contains("high watermark is 77")
        );
        assert_eq!(planned(None, None, Some(100)), Ok(MarkPlan::Make(level(100))));
    }

    /// The level of an old note beside a new store: the device knows better.
    #[test]
    fn no_marks_are_made_below_the_devices_own() {
        assert_eq!(planned(None, Some(100), Some(100)), Ok(MarkPlan::Make(level(100))));
        let error = planned(None, Some(101), Some(100)).unwrap_err();
        assert!(matches!(error, MarkError::BelowDevice { .. }), "{error}");
    }
}
