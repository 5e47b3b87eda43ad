//! Derivation paths, and the path that the app has selected.

use std::fmt;
use std::str::FromStr;

use crate::bytes::Bytes;
use crate::curve::Curve;

/// A derivation path of at most ten steps, written `44'/1729'/0'/0'`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    length: u8,
    components: [u32; Path::LONGEST],
}

impl Path {
    const LONGEST: usize = 10;

    /// The path that wallets propose first: `44'/1729'/0'/0'`.
    pub const FIRST: Self = Self {
        length: 4,
        components: [HARDENED | 44, HARDENED | 1729, HARDENED, HARDENED, 0, 0, 0, 0, 0, 0],
    };

    /// The path of no steps: nothing is selected.
    pub(crate) const EMPTY: Self = Self { length: 0, components: [0; Self::LONGEST] };

    /// The steps, each with its hardened bit.
    #[must_use]
    pub fn components(&self) -> &[u32] {
        self.components.get(..usize::from(self.length)).unwrap_or_default()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Reads a path over this one: a length byte, then the steps, big-endian.
    ///
    /// A read that fails still leaves the length and the steps before the failure behind, as in
    /// the app: it can sign after a select that it refused.
    pub(crate) fn read(&mut self, bytes: &mut Bytes<'_>) -> Option<()> {
        self.length = bytes.byte().unwrap_or_default();
        let steps = usize::from(self.length);
        if steps == 0 {
            return None;
        }
        for component in self.components.get_mut(..steps)? {
            *component = bytes.word()?;
        }
        Some(())
    }

    /// The length byte and the steps, as the app's queries answer them.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let steps = self.components().iter().flat_map(|component| component.to_be_bytes());
        std::iter::once(self.length).chain(steps).collect()
    }
}

const HARDENED: u32 = 1 << 31;

/// Why a text is not a [`Path`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The number of steps is not from 1 to 10.
    #[error("misused: a path has from 1 to 10 steps, not {0}; write it as 44'/1729'/0'/0'")]
    Length(usize),
    /// A step is not a number below 2^31 with or without an apostrophe.
    #[error("misused: {0:?} is no step of a path; write it as 44'/1729'/0'/0'")]
    Step(String),
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let steps = text.split('/').map(parse_step).collect::<Result<Vec<_>, _>>()?;
        let mut path = Self::EMPTY;
        let fitting = path.components.get_mut(..steps.len());
        fitting.ok_or(PathError::Length(steps.len()))?.copy_from_slice(&steps);
        path.length = u8::try_from(steps.len()).map_err(|_| PathError::Length(steps.len()))?;
        Ok(path)
    }
}

fn parse_step(text: &str) -> Result<u32, PathError> {
    let (digits, hardened) = match text.strip_suffix('\'') {
        Some(digits) => (digits, HARDENED),
        None => (text, 0),
    };
    let number = digits.parse::<u32>().ok().filter(|number| *number < HARDENED);
    number.map(|number| number | hardened).ok_or_else(|| PathError::Step(text.to_owned()))
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, component) in self.components().iter().enumerate() {
            let separator = if index == 0 { "" } else { "/" };
            let mark = if is_hardened(*component) { "'" } else { "" };
            write!(f, "{separator}{}{mark}", component & !HARDENED)?;
        }
        Ok(())
    }
}

/// Whether a step is hardened.
pub(crate) fn is_hardened(component: u32) -> bool {
    component & HARDENED != 0
}

/// Which key: a curve and a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyName {
    pub(crate) curve: Curve,
    pub(crate) path: Path,
}

impl KeyName {
    /// What zeroed memory says: no path, and the curve whose number is 0.
    pub(crate) const NONE: Self = Self { curve: Curve::Ed25519, path: Path::EMPTY };

    /// The same key, whatever lies in memory behind the paths' ends.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.curve == other.curve && self.path.components() == other.path.components()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_as_it_is_written() {
        for text in ["44'/1729'/0'/0'", "44'/1729'/0/1", "1'/2'/3'/4'/5'/6'/7'/8'/9'/10'"] {
            assert_eq!(text.parse::<Path>().unwrap().to_string(), text);
        }
        assert_eq!("44'/1729'/0'/0'".parse(), Ok(Path::FIRST));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in ["", "44'/", "44''", "-1", "2147483648", "1/2/3/4/5/6/7/8/9/10/11"] {
            assert!(text.parse::<Path>().is_err(), "{text}");
        }
    }
}
