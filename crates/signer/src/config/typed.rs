//! `signer.toml` as it is typed. An unknown field is an error.

use std::path::PathBuf;

use daemon::Listen;
use daemon::config::{Authentication, Monitor};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    pub(super) chains: Vec<String>,
    pub(super) state: Option<State>,
    pub(super) http: Option<Http>,
    pub(super) socket: Option<Socket>,
    pub(super) authentication: Option<Authentication>,
    pub(super) ledger: Option<Ledger>,
    #[serde(default)]
    pub(super) key: Vec<Key>,
    pub(super) tunnel: Option<Tunnel>,
    pub(super) power: Option<Power>,
    pub(super) monitor: Option<Monitor>,
    pub(super) host: Option<Host>,
    #[serde(default)]
    pub(super) log: Log,
    #[serde(default)]
    pub(super) policy: Policy,
    #[serde(default)]
    pub(super) level_bound: LevelBound,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Host {
    pub(super) node_exporter: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Log {
    pub(super) signatures: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Policy {
    pub(super) unknown_forms: Option<UnknownForms>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum UnknownForms {
    AfterUpgrade,
    Refuse,
    Sign,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LevelBound {
    pub(super) block_time_seconds: Option<f64>,
    pub(super) margin: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    pub(super) directory: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Http {
    pub(super) listen: Listen,
    pub(super) tls: Option<Tls>,
    #[serde(default)]
    pub(super) hosts: Vec<String>,
    #[serde(default)]
    pub(super) allow_list_known_keys: bool,
    #[serde(default)]
    pub(super) allow_to_prove_possession: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tls {
    pub(super) certificate: PathBuf,
    pub(super) private_key: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Socket {
    pub(super) tcp: Option<Listen>,
    pub(super) unix: Option<PathBuf>,
    pub(super) unix_mode: Option<String>,
    pub(super) unix_owner: Option<String>,
    pub(super) unix_group: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ledger {
    pub(super) transport: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) ledger: Option<String>,
    pub(super) secret_key_file: Option<PathBuf>,
    pub(super) share_file: Option<PathBuf>,
    pub(super) password_file: Option<PathBuf>,
    pub(super) upstream: Option<String>,
    pub(super) public_key_hash: Option<String>,
    pub(super) allow: Option<Vec<Allow>>,
}

/// A kind, or a transaction that is narrowed.
#[derive(Debug, Clone, Deserialize)]
#[serde(
    untagged,
    expecting = "allow: write kinds, as in \"block\", or { kind = \"transaction\", to = [\"tz1…\"], at_most = \"100 tez\" }"
)]
pub(super) enum Allow {
    Kind(String),
    Narrowed(Narrowed),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Narrowed {
    pub(super) kind: String,
    pub(super) to: Option<Vec<String>>,
    pub(super) at_most: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tunnel {
    pub(super) identity: PathBuf,
    pub(super) port: u16,
    pub(super) ssh: Option<Listen>,
    #[serde(default)]
    pub(super) gateway: Vec<Gateway>,
    #[serde(default)]
    pub(super) uplink: Vec<Uplink>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Gateway {
    pub(super) name: Option<String>,
    pub(super) address: String,
    #[serde(default = "default_user")]
    pub(super) user: String,
    pub(super) host_key: String,
}

/// By custom; a gateway of ours goes by the key alone.
fn default_user() -> String {
    "signer".to_owned()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Uplink {
    pub(super) interface: String,
    pub(super) metered: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Power {
    pub(super) source: String,
    pub(super) low_at_charge: Option<i64>,
    pub(super) stop_at_charge: Option<i64>,
}
