//! `gateway.toml` as it is typed. An unknown field is an error.

use std::path::PathBuf;

use daemon::Listen;
use daemon::config::{Authentication, Monitor};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    pub(super) ssh: Ssh,
    pub(super) http: Option<Http>,
    pub(super) monitor: Option<Monitor>,
    pub(super) authentication: Option<Authentication>,
    pub(super) state: Option<State>,
    #[serde(default)]
    pub(super) signer: Vec<Signer>,
    #[serde(default)]
    pub(super) shared_key: Vec<SharedKey>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    pub(super) directory: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ssh {
    pub(super) listen: Listen,
    pub(super) host_key: PathBuf,
}

/// Without `listen` there is no port for all signers; each still has its own.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Http {
    pub(super) listen: Option<Listen>,
    #[serde(default)]
    pub(super) hosts: Vec<String>,
    #[serde(default)]
    pub(super) allow_list_known_keys: bool,
    pub(super) answer_limit_seconds: Option<u64>,
    #[serde(default)]
    pub(super) drain_seconds: u64,
    #[serde(default)]
    pub(super) stand_in: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Signer {
    pub(super) name: String,
    pub(super) ssh_public_key: String,
    pub(super) port: u16,
    pub(super) keys: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SharedKey {
    pub(super) public_key: String,
    pub(super) threshold: u8,
    pub(super) shares: Vec<SharedKeyShare>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SharedKeyShare {
    pub(super) index: u8,
    pub(super) public_key: String,
    pub(super) signer: String,
}
