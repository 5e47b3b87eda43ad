//! A daemon's configuration file: read, parsed, and understood. Also the sections that both daemons have.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tezos::{AuthenticatedRequest, Curve, PublicKey, PublicKeyError, PublicKeyHash, Signature};
use thiserror::Error;
use toml::Value;

use crate::Listen;
use crate::file_stamp::FileStamp;

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

/// A configuration file as it was read, to be compared with what it says later. `Debug` shows its path only.
#[derive(Clone)]
pub struct ConfigFile {
    path: PathBuf,
    /// From before it was read: what is written later is a change.
    stamp: Option<FileStamp>,
    typed: toml::Table,
}

impl ConfigFile {
    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn stamp(&self) -> Option<FileStamp> {
        self.stamp
    }

    /// The fields in which another reading is not the same, but for `except`, as a person looks for them:
    /// `chains`, `[http] listen`, `[[key]]`, `[[tunnel.gateway]]`.
    #[must_use]
    pub fn differs_in(&self, other: &ConfigFile, except: &[&str]) -> Vec<String> {
        let names: BTreeSet<&String> = self.typed.keys().chain(other.typed.keys()).collect();
        let fields = names.into_iter().flat_map(|name| {
            differences(name, [&self.typed, &other.typed].map(|table| table.get(name)))
        });
        fields.filter(|field| !except.contains(&field.as_str())).collect()
    }
}

impl fmt::Debug for ConfigFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())
    }
}

/// Of one name of a file, as it is in two of them.
fn differences(name: &str, both: [Option<&Value>; 2]) -> Vec<String> {
    let [one, other] = both;
    if one == other {
        return Vec::new();
    }
    let tables = both.map(|value| value.and_then(Value::as_table));
    if tables.iter().all(Option::is_none) {
        return vec![shown("", name, both)];
    }
    let keys: BTreeSet<&String> = tables.iter().flatten().flat_map(|table| table.keys()).collect();
    let fields = keys.into_iter().filter_map(|key| {
        let both = tables.map(|table| table.and_then(|table| table.get(key)));
        (both[0] != both[1]).then(|| shown(name, key, both))
    });
    fields.collect()
}

/// The name of a field, as it is typed.
fn shown(section: &str, key: &str, both: [Option<&Value>; 2]) -> String {
    let is_table =
        |value: &Value| value.as_array().is_some_and(|all| all.iter().any(Value::is_table));
    match (section, both.into_iter().flatten().any(is_table)) {
        ("", true) => format!("[[{key}]]"),
        ("", false) => key.to_owned(),
        (section, true) => format!("[[{section}.{key}]]"),
        (section, false) => format!("[{section}] {key}"),
    }
}

/// Reads a file as it is typed (`T`), and gives what it means (`C`), and the file as it was read. `understand` gets the
/// folder of the file, too: relative paths are relative to it.
///
/// # Errors
/// With the file's name, what is wrong, and what would be right; without secrets that are typed there.
pub fn read<T: DeserializeOwned, C, E: Error + Send + Sync + 'static>(
    path: &Path,
    understand: impl FnOnce(T, &Path) -> Result<C, E>,
) -> Result<(C, ConfigFile), ConfigError> {
    let failed = |why| ConfigError { path: path.to_owned(), why };
    let stamp = FileStamp::of(path);
    let text = std::fs::read_to_string(path).map_err(|error| failed(Why::Read(error)))?;
    let parse = |error: toml::de::Error| failed(Why::Parse(error.to_string()));
    let typed = toml::from_str(&text).map_err(parse)?;
    let table = toml::from_str(&text).map_err(parse)?;
    let file = ConfigFile { path: path.to_owned(), stamp, typed: table };
    let base = path.parent().unwrap_or(Path::new(""));
    let config = understand(typed, base).map_err(|error| failed(Why::Meaning(error.into())))?;
    Ok((config, file))
}

/// What a text means (`C`) that is to be written to `path`.
///
/// # Errors
/// As [`read`].
pub fn understand<T: DeserializeOwned, C, E: Error + Send + Sync + 'static>(
    path: &Path,
    text: &str,
    understand: impl FnOnce(T, &Path) -> Result<C, E>,
) -> Result<C, ConfigError> {
    let failed = |why| ConfigError { path: path.to_owned(), why };
    let typed = toml::from_str(text).map_err(|error| failed(Why::Parse(error.to_string())))?;
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
        let read = read(&path, |typed, _| Ok::<Typed, Infallible>(typed));
        read.map(|(typed, _)| typed).map_err(|error| error.to_string())
    }

    #[test]
    fn what_differs_is_named_as_it_is_typed() {
        let file = |text: &str| ConfigFile {
            path: PathBuf::new(),
            stamp: None,
            typed: toml::from_str(text).unwrap(),
        };
        let before = "chains = [\"a\"]\n[http]\nlisten = 1\n[tunnel]\nport = 1\n[[tunnel.gateway]]\naddress = 1\n[[key]]\nname = 1\n";
        let differs = |text: &str| file(before).differs_in(&file(text), &["[[signer]]"]);
        assert!(differs(&format!("# a comment\n{before}")).is_empty());
        assert!(differs(&format!("{before}[[signer]]\nname = 1\n")).is_empty());
        for (old, new, fields) in [
            ("\"a\"", "\"b\"", "chains"),
            ("listen = 1", "listen = 2", "[http] listen"),
            ("listen = 1", "hosts = 2", "[http] hosts, [http] listen"),
            ("[http]\nlisten = 1\n", "", "[http] listen"),
            ("address = 1", "address = 2", "[[tunnel.gateway]]"),
            ("port = 1", "port = 2", "[tunnel] port"),
            ("[[key]]\nname = 1\n", "", "[[key]]"),
        ] {
            assert_eq!(differs(&before.replace(old, new)).join(", "), fields);
        }
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
