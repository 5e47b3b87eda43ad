//! A daemon's configuration file: read, parsed, and understood. Also the sections that both daemons have.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tezos::{AuthenticatedRequest, Curve, PublicKey, PublicKeyError, PublicKeyHash, Signature};
use thiserror::Error;

use crate::Listen;

/// A configuration that cannot be used. *Misused*: exit code 2.
#[derive(Debug, Error)]
#[error("{}: {}", path.display(), tezos::mask_secrets(&why.to_string()))]
pub struct ConfigError {
    path: PathBuf,
    why: Why,
}

#[derive(Debug, Error)]
enum Why {
    #[error("cannot be read: {0}")]
    Read(io::Error),
    /// With the line and the field.
    #[error("{0}")]
    Parse(String),
    #[error("{0}")]
    Meaning(Box<dyn Error + Send + Sync>),
}

/// Reads a file as it is typed (`T`), and gives what it means (`C`). `understand` gets the folder of the file, too:
/// relative paths are relative to it.
///
/// # Errors
/// With the file's name, what is wrong, and what would be right; without secrets that are typed there.
pub fn read<T: DeserializeOwned, C, E: Error + Send + Sync + 'static>(
    path: &Path,
    understand: impl FnOnce(T, &Path) -> Result<C, E>,
) -> Result<C, ConfigError> {
    let failed = |why| ConfigError { path: path.to_owned(), why };
    let text = std::fs::read_to_string(path).map_err(|error| failed(Why::Read(error)))?;
    let typed = toml::from_str(&text).map_err(|error| failed(Why::Parse(error.to_string())))?;
    let base = path.parent().unwrap_or(Path::new(""));
    understand(typed, base).map_err(|error| failed(Why::Meaning(error.into())))
}

/// `[monitor]`: where metrics and health are asked for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Monitor {
    /// An address and a port.
    pub listen: Listen,
    /// Names under which it may be asked where it listens on the loopback.
    #[serde(default)]
    pub hosts: Vec<String>,
}

/// `[authentication]`: the clients that may ask for signatures, as in octez-signer. There is at least one.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "AuthenticationSection")]
pub struct Authentication {
    authorized: Vec<PublicKey>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AuthenticationSection {
    authorized_keys: Vec<String>,
}

/// What is wrong with `[authentication]`.
#[derive(Debug, Error)]
pub enum AuthenticationError {
    /// A text is no public key.
    #[error("[authentication] authorized_keys: {0}")]
    Key(#[from] PublicKeyError),
    /// There is no key.
    #[error(
        "[authentication] authorized_keys is empty: no baker could ask; leave the section out for no authentication"
    )]
    NoKeys,
    /// A key whose signatures cannot be verified here.
    #[error(
        "[authentication] authorized_keys: {0} is of tz5, whose signatures are not verified here; use tz1, tz2, tz3 or tz4"
    )]
    NotVerified(PublicKeyHash),
}

impl TryFrom<AuthenticationSection> for Authentication {
    type Error = AuthenticationError;

    fn try_from(section: AuthenticationSection) -> Result<Authentication, AuthenticationError> {
        let keys = section.authorized_keys.iter().map(|text| text.parse());
        Authentication::new(keys.collect::<Result<_, _>>()?)
    }
}

impl Authentication {
    /// By these keys.
    ///
    /// # Errors
    /// When there is none.
    pub fn new(authorized: Vec<PublicKey>) -> Result<Authentication, AuthenticationError> {
        if authorized.is_empty() {
            return Err(AuthenticationError::NoKeys);
        }
        if let Some(key) = authorized.iter().find(|key| key.curve() == Curve::MlDsa44) {
            return Err(AuthenticationError::NotVerified(key.hash()));
        }
        Ok(Authentication { authorized })
    }

    /// The hashes of the authorised keys.
    #[must_use]
    pub fn hashes(&self) -> Vec<PublicKeyHash> {
        self.authorized.iter().map(PublicKey::hash).collect()
    }

    /// Whether an authorised key has signed this request, for something that `key` makes of `data`.
    #[must_use]
    pub fn allows(
        &self,
        request: AuthenticatedRequest,
        key: &PublicKeyHash,
        data: &[u8],
        proof: Option<&Signature>,
    ) -> bool {
        // Octez's client signs every request as that for a signature, and its server checks it so.
        let is_of = |request: AuthenticatedRequest, proof| {
            request.is_authorized(key, data, proof, &self.authorized)
        };
        let sign = AuthenticatedRequest::Sign;
        proof.is_some_and(|proof| is_of(sign, proof) || request != sign && is_of(request, proof))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::fs;

    use super::*;

    const KEY: &str = "edpkvGfYw3LyB1UcCahKQk4rF2tvbMUk8GFiTuMjL75uGXrpvKXhjn";

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Typed {
        authentication: Option<Authentication>,
    }

    fn read_text(text: &str) -> Result<Typed, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("peel.toml");
        fs::write(&path, text).unwrap();
        read(&path, |typed, _| Ok::<Typed, Infallible>(typed)).map_err(|error| error.to_string())
    }

    #[test]
    fn every_mistake_is_told_with_the_file() {
        let keys = |keys: &str| format!("[authentication]\nauthorized_keys = [{keys}]\n");
        for (text, word) in [
            ("authentication = ".to_owned(), "line 1"),
            ("[autentication]".to_owned(), "unknown field `autentication`"),
            (keys(""), "leave the section out"),
            (keys("\"edpk\""), "[authentication] authorized_keys: "),
        ] {
            let error = read_text(&text).unwrap_err();
            assert!(error.contains("peel.toml: ") && error.contains(word), "{text}: {error}");
        }
        let good = read_text(&keys(&format!("{KEY:?}"))).unwrap();
        assert_eq!(good.authentication.unwrap().hashes().len(), 1);
    }

    #[test]
    fn a_secret_in_the_wrong_place_is_not_shown() {
        let secret = "edsk3gUfUPyBSfrS9CCgmCiQsTCHGkviBDusMxDJstFtojtc1zcpsh";
        for text in [
            format!("authentication = \"{secret}\"\n"),
            format!("[authentication]\nauthorized_keys = [\"{secret}\"]\n"),
        ] {
            let error = read_text(&text).unwrap_err();
            assert!(!error.contains("edsk3"), "{error}");
        }
    }

    #[test]
    fn without_a_proof_no_client_is_allowed() {
        let text = format!("[authentication]\nauthorized_keys = [\"{KEY}\"]\n");
        let authentication = read_text(&text).unwrap().authentication.unwrap();
        let key = authentication.hashes()[0];
        assert!(!authentication.allows(AuthenticatedRequest::Sign, &key, b"data", None));
    }
}
