//! `[power]`, as it is understood.

use std::str::FromStr;

use thiserror::Error;

use super::{gpio, nut};

/// Where the readings come from, and what follows from them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Config {
    pub(crate) source: Source,
    pub(crate) limits: Limits,
}

/// Charges of the battery that mean something, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limits {
    /// Below it the battery counts as low.
    pub(crate) low_at: f64,
    /// At or below it, on battery, the signer stops.
    pub(crate) stop_at: Option<f64>,
}

/// Where the readings come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// The kernel's own power supplies.
    Sysfs,
    /// A UPS of a NUT server.
    Nut(nut::Address),
    /// A GPIO line that is active while the mains are lost.
    Gpio(gpio::Line),
}

/// A text that names no source. Always *misused*.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum SourceError {
    #[error(
        "source {0:?} is not known; write \"sysfs\", \"nut://UPS@HOST:PORT\" or \"gpio:/dev/gpiochip0:LINE\""
    )]
    Unknown(String),
    #[error("source: {0}")]
    Nut(#[from] nut::AddressError),
    #[error("source: {0}")]
    Gpio(#[from] gpio::LineError),
}

impl Source {
    /// Whether it can tell how full the battery is.
    pub(crate) fn has_charge(&self) -> bool {
        match self {
            Source::Sysfs | Source::Nut(_) => true,
            Source::Gpio(_) => false,
        }
    }
}

impl FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Source, SourceError> {
        if text == "sysfs" {
            return Ok(Source::Sysfs);
        }
        if let Some(address) = text.strip_prefix("nut://") {
            return Ok(Source::Nut(address.parse()?));
        }
        match text.strip_prefix("gpio:") {
            Some(line) => Ok(Source::Gpio(line.parse()?)),
            None => Err(SourceError::Unknown(text.to_owned())),
        }
    }
}
