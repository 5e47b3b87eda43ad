//! What programs are built for.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use thiserror::Error;

/// What a program was built for, in the words of OCI and Debian.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// `x86_64`
    Amd64,
    /// `aarch64`
    Arm64,
}

/// A word that is no architecture of an image. *Misused*.
#[derive(Debug, Error)]
#[error("{0:?} is no architecture of an image; write amd64 or arm64")]
pub struct UnknownArchitecture(String);

impl FromStr for Architecture {
    type Err = UnknownArchitecture;

    fn from_str(text: &str) -> Result<Self, UnknownArchitecture> {
        match text {
            "amd64" => Ok(Architecture::Amd64),
            "arm64" => Ok(Architecture::Arm64),
            _ => Err(UnknownArchitecture(text.to_owned())),
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Architecture::Amd64 => "amd64",
            Architecture::Arm64 => "arm64",
        })
    }
}
