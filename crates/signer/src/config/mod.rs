//! `signer.toml`, read and understood.
//!
//! What was typed (`typed.rs`) becomes what it means ([`Config`]): names resolved, paths absolute,
//! keys parsed, secrets read. Nothing after this can find a mistake of the configuration.

mod allow;
mod level_bound;
mod outline;
mod power;
mod socket;
mod tunnel;
mod typed;

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ::tunnel::home;
use daemon::config::{Authentication, ConfigError, ConfigFile};
use daemon::secret_file::{self, SecretFileError};
use daemon::tls::{Tls, TlsError};
use ledger::{Address, Derivation, KeyPath};
use shares::{Share, ShareFile, ShareFileError};
use signer_api::Hosts;
use signer_api::client::SignerUrl;
use tezos::{ChainId, PublicKeyHash, SecretKey, WalletKey};
use thiserror::Error;
use watermark::{Rules, UnknownForms};
use zeroize::Zeroizing;

pub use outline::{Outline, default_state};
pub(crate) use socket::Sockets;

use crate::device::LedgerKey;
use crate::host;
use crate::policy::Policy;
use crate::signature_log::SignatureLog;

/// A signer's configuration, checked.
#[derive(Debug)]
pub struct Config {
    /// The file that it was read from, and is read from again when that changes.
    pub(crate) file: Option<ConfigFile>,
    /// Where the watermark store is.
    pub store: PathBuf,
    /// Where bakers ask on this machine, if anywhere.
    pub http: Option<Http>,
    pub(crate) sockets: Option<Sockets>,
    /// The way to bakers elsewhere. It, `http` or a socket is there.
    pub tunnel: Option<home::Config>,
    /// What tells whether the computer runs on mains or battery, if anything.
    pub(crate) power: Option<crate::power::Config>,
    /// Where monitoring asks, if anywhere.
    pub monitor: Option<SocketAddr>,
    /// As which hosts it may be asked there.
    pub monitor_hosts: Hosts,
    /// Where the Ledger is.
    pub ledger: Address,
    /// The keys.
    pub keys: Vec<KeyConfig>,
    /// The chains that are signed for.
    pub chains: BTreeSet<ChainId>,
    /// What the store holds requests against besides its marks.
    pub rules: Rules,
    pub(crate) authentication: Option<Authentication>,
    /// Which signatures are a line in the log.
    pub(crate) signature_log: SignatureLog,
    /// What is shown of this computer.
    pub(crate) host: host::Config,
}

/// The HTTP listener.
#[derive(Debug)]
pub struct Http {
    /// Where.
    pub listen: SocketAddr,
    /// As which hosts it may be asked there.
    pub(crate) hosts: Hosts,
    pub(crate) tls: Option<Tls>,
    pub(crate) allow_list_known_keys: bool,
    pub(crate) allow_to_prove_possession: bool,
}

/// A key.
#[derive(Debug)]
pub struct KeyConfig {
    /// Its name.
    pub name: String,
    /// The hash it must have.
    pub public_key_hash: Option<PublicKeyHash>,
    pub(crate) policy: Policy,
    pub(crate) source: Source,
}

/// Where a key's signatures come from.
pub(crate) enum Source {
    Ledger(LedgerKey),
    Software(SecretKey),
    Share(Box<Share>),
    Upstream(SignerUrl),
}

#[derive(Debug, Error)]
enum Why {
    #[error("{0}")]
    Chain(#[from] tezos::ChainIdError),
    #[error("no chain is named; write chains = [\"mainnet\"]")]
    NoChain,
    #[error("there is no [[key]]; without one there is nothing to sign with")]
    NoKey,
    #[error("two keys have the name {0:?}; give each its own")]
    SameName(String),
    #[error("keys {0:?} and {1:?} are the same key; keep one")]
    SameKey(String, String),
    #[error(
        "there is no [http], no [socket] and no [tunnel]: no baker could reach the signer; write one of them"
    )]
    NoListener,
    #[error("[http] tls: {0}")]
    Tls(#[from] TlsError),
    #[error("[socket] {0}")]
    Socket(#[from] socket::SocketWhy),
    #[error("[tunnel] {0}")]
    Tunnel(#[from] tunnel::TunnelWhy),
    #[error("[power] {0}")]
    Power(#[from] power::PowerWhy),
    #[error("[ledger] transport: {0}")]
    Transport(#[from] ledger::AddressError),
    #[error("[level_bound] {0}")]
    LevelBound(#[from] level_bound::LevelBoundWhy),
    #[error("[host] node_exporter: {0}")]
    Host(#[from] host::NodeExporterTextError),
    #[error("key {name:?}: {why}")]
    Key { name: String, why: KeyWhy },
}

#[derive(Debug, Error)]
enum KeyWhy {
    #[error("name one of ledger, secret_key_file, share_file and upstream, and only one")]
    Source,
    #[error("public_key_hash: {0}")]
    Hash(#[from] tezos::KeyHashError),
    #[error("it is {found}, and public_key_hash says {expected}; correct one of them")]
    OtherKey { expected: PublicKeyHash, found: PublicKeyHash },
    #[error("{0}")]
    Allow(#[from] allow::AllowWhy),
    #[error("{0}")]
    Path(#[from] ledger::KeyPathError),
    #[error(
        "{0:?} names no Ledger: write ledger://ROOT/CURVE/PATH, ROOT being its tz1… root key hash"
    )]
    Root(String),
    #[error("the Baking app cannot sign tz4 votes as the chain wants them; use secp256k1 (tz2)")]
    NoBlsOnLedger,
    #[error("one signer has one Ledger: all keys must name the same root")]
    TwoLedgers,
    #[error("{0}")]
    Secret(#[from] SecretFileError),
    #[error("secret_key_file: {0}")]
    SecretKey(#[from] tezos::WalletKeyError),
    #[error("secret_key_file: {0}")]
    Open(#[from] tezos::OpenKeyError),
    #[error("share_file: {0}")]
    Share(#[from] ShareFileError),
    #[error("upstream: {0}")]
    Upstream(#[from] signer_api::client::SignerUrlError),
}

impl Config {
    /// The ports that a signer of it listens on.
    pub fn ports(&self) -> impl Iterator<Item = SocketAddr> {
        let socket = self.sockets.as_ref().and_then(|sockets| sockets.tcp);
        [self.http.as_ref().map(|http| http.listen), socket, self.monitor].into_iter().flatten()
    }

    /// Reads the file, and the secrets it names.
    ///
    /// # Errors
    /// With the file's name, what is wrong, and what would be right.
    pub fn read(path: &Path) -> Result<Config, ConfigError> {
        let (config, file) = daemon::config::read(path, Config::understand)?;
        Ok(Config { file: Some(file), ..config })
    }

    fn understand(typed: typed::Config, base: &Path) -> Result<Config, Why> {
        let Outline { store, chains, keys, ledger } = Outline::of(&typed, base)?;
        let http = typed.http.map(|http| Http::understand(http, base)).transpose()?;
        let tunnel = typed.tunnel.map(|typed| tunnel::understand(typed, base)).transpose()?;
        let sockets = typed.socket.map(|typed| socket::understand(typed, base)).transpose()?;
        if http.is_none() && tunnel.is_none() && sockets.is_none() {
            return Err(Why::NoListener);
        }
        let power = typed.power.map(power::understand).transpose()?;
        let node_exporter = typed.host.and_then(|host| host.node_exporter);
        let node_exporter = node_exporter.map(|url| url.parse()).transpose()?;
        Ok(Config {
            file: None,
            store,
            http,
            sockets,
            tunnel,
            power,
            monitor: typed.monitor.as_ref().map(|monitor| monitor.listen.0),
            monitor_hosts: typed
                .monitor
                .map_or(Hosts::Any, |monitor| Hosts::of(monitor.listen.0.ip(), &monitor.hosts)),
            ledger,
            rules: Rules {
                level_bound: level_bound::understand(&typed.level_bound)?,
                unknown_forms: typed.policy.unknown_forms.map_or_else(Default::default, Into::into),
            },
            authentication: typed.authentication,
            signature_log: typed
                .log
                .signatures
                .map_or_else(SignatureLog::default, SignatureLog::each),
            host: host::Config { node_exporter },
            keys,
            chains,
        })
    }
}

impl Http {
    fn understand(typed: typed::Http, base: &Path) -> Result<Http, TlsError> {
        let read =
            |tls: typed::Tls| Tls::read(base.join(tls.certificate), base.join(tls.private_key));
        Ok(Http {
            hosts: Hosts::of(typed.listen.0.ip(), &typed.hosts),
            listen: typed.listen.0,
            tls: typed.tls.map(read).transpose()?,
            allow_list_known_keys: typed.allow_list_known_keys,
            allow_to_prove_possession: typed.allow_to_prove_possession,
        })
    }
}

impl From<typed::UnknownForms> for UnknownForms {
    fn from(typed: typed::UnknownForms) -> UnknownForms {
        match typed {
            typed::UnknownForms::AfterUpgrade => UnknownForms::AfterUpgrade,
            typed::UnknownForms::Refuse => UnknownForms::Refuse,
            typed::UnknownForms::Sign => UnknownForms::Sign,
        }
    }
}

impl KeyConfig {
    /// The hash, if it is known without asking a device.
    #[must_use]
    pub fn hash(&self) -> Option<PublicKeyHash> {
        match &self.source {
            Source::Software(key) => Some(key.hash()),
            Source::Share(share) => Some(share.group().public_key().hash()),
            Source::Upstream(url) => Some(url.key),
            Source::Ledger(_) => self.public_key_hash,
        }
    }

    /// Whether it signs blocks or votes, which have marks.
    #[must_use]
    pub fn has_marks(&self) -> bool {
        self.policy.has_marks()
    }

    /// The key's place on the Ledger, if it is there.
    #[must_use]
    pub fn ledger_path(&self) -> Option<&KeyPath> {
        match &self.source {
            Source::Ledger(key) => Some(&key.path),
            Source::Software(_) | Source::Share(_) | Source::Upstream(_) => None,
        }
    }

    /// The root key that the Ledger must have, if the configuration names one.
    #[must_use]
    pub fn ledger_root(&self) -> Option<PublicKeyHash> {
        match &self.source {
            Source::Ledger(key) => key.root,
            Source::Software(_) | Source::Share(_) | Source::Upstream(_) => None,
        }
    }

    /// The share of it that is here, if not the whole.
    #[must_use]
    pub fn share(&self) -> Option<&Share> {
        match &self.source {
            Source::Share(share) => Some(share),
            Source::Ledger(_) | Source::Software(_) | Source::Upstream(_) => None,
        }
    }

    /// The other signer that has it, if it is another's.
    #[must_use]
    pub fn upstream(&self) -> Option<&SignerUrl> {
        match &self.source {
            Source::Upstream(url) => Some(url),
            Source::Ledger(_) | Source::Software(_) | Source::Share(_) => None,
        }
    }

    fn understand(
        typed: &typed::Key,
        base: &Path,
        chains: &BTreeSet<ChainId>,
    ) -> Result<KeyConfig, KeyWhy> {
        let source = Source::understand(typed, base)?;
        let expected = typed.public_key_hash.as_deref().map(str::parse).transpose()?;
        let is_in_memory = matches!(source, Source::Software(_) | Source::Share(_));
        let (kinds, operations) = allow::understand(typed.allow.clone(), is_in_memory)?;
        let policy = Policy { chains: chains.clone(), kinds, operations };
        let key = KeyConfig { name: typed.name.clone(), public_key_hash: expected, policy, source };
        match (expected, key.hash()) {
            (Some(expected), Some(found)) if expected != found => {
                Err(KeyWhy::OtherKey { expected, found })
            }
            _ => Ok(key),
        }
    }
}

fn ledger_key(text: &str) -> Result<LedgerKey, KeyWhy> {
    let (root, path) = match text.strip_prefix("ledger://") {
        None => (None, text),
        Some(rest) => {
            let (root, path) = rest.split_once('/').unwrap_or((rest, ""));
            let root = root.parse().map_err(|_| KeyWhy::Root(text.to_owned()))?;
            (Some(root), path)
        }
    };
    let path: KeyPath = path.parse()?;
    if path.derivation == Derivation::Bls {
        return Err(KeyWhy::NoBlsOnLedger);
    }
    Ok(LedgerKey { path, root })
}

fn software_key(file: &Path, typed: &typed::Key, base: &Path) -> Result<SecretKey, KeyWhy> {
    let password = password(typed, base)?;
    let key: WalletKey = secret_file::read(file)?.parse()?;
    Ok(key.open(password.as_ref().map(|password| password.as_bytes()))?)
}

fn share(file: &Path, typed: &typed::Key, base: &Path) -> Result<Share, KeyWhy> {
    let password = password(typed, base)?;
    let file = ShareFile::parse(&secret_file::read(file)?)?;
    Ok(file.open(password.as_ref().map(|password| password.as_bytes()))?)
}

fn password(typed: &typed::Key, base: &Path) -> Result<Option<Zeroizing<String>>, KeyWhy> {
    let Some(file) = &typed.password_file else { return Ok(None) };
    let text = secret_file::read(&base.join(file))?;
    Ok(Some(Zeroizing::new(secret_file::without_newline(&text).to_owned())))
}

impl Source {
    fn understand(typed: &typed::Key, base: &Path) -> Result<Source, KeyWhy> {
        let typed::Key { ledger, secret_key_file, share_file, upstream, .. } = typed;
        match (ledger, secret_key_file, share_file, upstream) {
            (Some(text), None, None, None) => Ok(Source::Ledger(ledger_key(text)?)),
            (None, Some(file), None, None) => {
                Ok(Source::Software(software_key(&base.join(file), typed, base)?))
            }
            (None, None, Some(file), None) => {
                Ok(Source::Share(Box::new(share(&base.join(file), typed, base)?)))
            }
            (None, None, None, Some(url)) => Ok(Source::Upstream(url.parse()?)),
            _ => Err(KeyWhy::Source),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Ledger(key) => write!(f, "ledger {}", key.path),
            Source::Software(key) => write!(f, "software key {}", key.hash()),
            Source::Share(share) => write!(f, "{share:?}"),
            Source::Upstream(url) => write!(f, "upstream {url}"),
        }
    }
}
