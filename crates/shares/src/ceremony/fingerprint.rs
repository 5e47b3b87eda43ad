//! What people compare, by phone or side by side: the boxes have seen the same, if they show the same.

use std::fmt;
use std::str::FromStr;

use tezos::Digest;
use thiserror::Error;

use super::digest::digest;
use super::participant::Procedure;

/// 160 bits of a hash. An enemy on the line chooses what two boxes get, and could search for two texts that look alike: that takes
/// 2^80 hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 20]);

/// A text that is no fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("no fingerprint: it has 40 hexadecimal digits, as in {}", Fingerprint([0x5a; 20]))]
pub struct FingerprintError;

impl Fingerprint {
    /// Of these messages.
    pub(super) fn of_seen(procedure: Procedure, seen: &[Digest]) -> Fingerprint {
        let digest = digest("fingerprint", &[procedure.name().as_bytes(), &seen.concat()]);
        Fingerprint(digest.first_chunk().copied().unwrap_or_default())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups: Vec<String> = self.0.chunks(2).map(hex::encode).collect();
        f.write_str(&groups.join("-"))
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Fingerprint, FingerprintError> {
        let digits: String = text.chars().filter(|c| !matches!(c, '-' | ' ')).collect();
        let bytes = hex::decode(digits).map_err(|_| FingerprintError)?;
        bytes.try_into().map(Fingerprint).map_err(|_| FingerprintError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_as_people_write_it() {
        let fingerprint = Fingerprint::of_seen(Procedure::Ceremony, &[]);
        let text = fingerprint.to_string();
        assert_eq!(text.len(), 49);
        for text in
            [text.clone(), text.to_uppercase(), text.replace('-', " "), text.replace('-', "")]
        {
            assert_eq!(text.parse(), Ok(fingerprint));
        }
        for wrong in ["", "5a5a", "zz", &format!("{text}00")] {
            assert_eq!(wrong.parse::<Fingerprint>(), Err(FingerprintError));
        }
    }
}
