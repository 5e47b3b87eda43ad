//! Where in the chain something is signed: level, round and kind.

use std::fmt;

use thiserror::Error;

/// A block's height. Signed 32 bits on the chain and never negative there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Level(u32);

/// The attempt at a level, from 0. Signed 32 bits on the chain and never negative there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Round(u32);

/// A position that is signed at most once for each chain, key and kind. Ordered by level, then round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mark {
    /// The level.
    pub level: Level,
    /// The round.
    pub round: Round,
}

/// What is signed. In the order in which one mark's kinds may be asked of a Ledger: its Baking app
/// has one mark for all of them and signs nothing after an attestation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A block header, magic byte 0x11.
    Block,
    /// A preattestation, magic byte 0x12.
    Preattestation,
    /// An attestation, with or without DAL content, magic byte 0x13.
    Attestation,
}

/// A number that is no level or round of the chain.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
#[error("{0} is not between 0 and 2147483647")]
pub struct OutOfRange(pub i64);

macro_rules! position {
    ($name:ident) => {
        impl $name {
            /// The highest there can be: 2^31 - 1.
            pub const MAX: $name = $name(i32::MAX.unsigned_abs());

            /// The one after, or the highest there is.
            #[must_use]
            pub fn next(self) -> $name {
                $name((self.0 + 1).min(Self::MAX.0))
            }

            pub(crate) fn to_be_bytes(self) -> [u8; 4] {
                self.0.to_be_bytes()
            }
        }

        impl TryFrom<i64> for $name {
            type Error = OutOfRange;

            fn try_from(number: i64) -> Result<$name, OutOfRange> {
                match u32::try_from(number) {
                    Ok(small) if small <= Self::MAX.0 => Ok($name(small)),
                    Ok(_) | Err(_) => Err(OutOfRange(number)),
                }
            }
        }

        impl TryFrom<i32> for $name {
            type Error = OutOfRange;

            fn try_from(number: i32) -> Result<$name, OutOfRange> {
                $name::try_from(i64::from(number))
            }
        }

        impl From<$name> for u32 {
            fn from(value: $name) -> u32 {
                value.0
            }
        }

        impl From<$name> for i64 {
            fn from(value: $name) -> i64 {
                i64::from(value.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

position!(Level);
position!(Round);

impl Mark {
    /// The last mark of a level: nothing of the level is above it.
    #[must_use]
    pub fn end_of(level: Level) -> Mark {
        Mark { level, round: Round::MAX }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "level {} round {}", self.level, self.round)
    }
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 3] = [Kind::Block, Kind::Preattestation, Kind::Attestation];

    /// The first byte of what is signed.
    #[must_use]
    pub fn magic_byte(self) -> u8 {
        match self {
            Kind::Block => 0x11,
            Kind::Preattestation => 0x12,
            Kind::Attestation => 0x13,
        }
    }

    /// The kind's name in configuration, messages, metrics and the watermark store.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Block => "block",
            Kind::Preattestation => "preattestation",
            Kind::Attestation => "attestation",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
