//! `gateway.toml`, read and understood. Nothing after this can find a mistake of the configuration.

mod shared_key;
#[cfg(test)]
mod tests;
mod typed;

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use daemon::config::{Authentication, ConfigError, ConfigFile};
use daemon::secret_file::{self, SecretFileError};
use signer_api::Hosts;
use tezos::PublicKeyHash;
use thiserror::Error;
use tunnel::endpoint::SignerId;
use tunnel::{Identity, KeyError, PortError, PublicKey, Service, SignerPort};

pub use shared_key::SharedKeyConfig;

use shared_key::SharedKeyWhy;

/// A gateway's configuration, checked.
#[derive(Debug)]
pub struct Config {
    /// The file that it was read from, and is read from again when that changes.
    pub file: Option<ConfigFile>,
    /// Where signers dial.
    pub ssh: SocketAddr,
    /// What the gateway proves itself with.
    pub host_key: Identity,
    /// Where bakers ask for any signer's key, if anywhere.
    pub http: Option<SocketAddr>,
    /// Where monitoring asks, if anywhere.
    pub monitor: Option<SocketAddr>,
    /// As which hosts it may be asked there.
    pub monitor_hosts: Hosts,
    /// The signers, in the order in which they are named.
    pub signers: Vec<SignerConfig>,
    /// The keys in shares.
    pub shared_keys: Vec<SharedKeyConfig>,
    /// As which hosts its ports for bakers may be asked.
    pub hosts: Hosts,
    /// Whether `GET /known_keys` is answered.
    pub allow_list_known_keys: bool,
    /// From a request to its answer.
    pub answer_limit: Duration,
    /// How long bakers are still answered after a stop was asked for, while the gateway is not ready.
    pub drain: Duration,
    /// Whether `peel gateway stand-in` may listen on the ports for bakers, too.
    pub has_stand_in: bool,
    /// Who may ask; none: every client that reaches the port.
    pub authentication: Option<Authentication>,
    /// Where it is remembered up to where each key was answered, if anywhere.
    pub state: Option<PathBuf>,
}

/// A signer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignerConfig {
    /// Which signer it is.
    pub id: SignerId,
    /// Its name.
    pub name: String,
    /// Its ssh public key.
    pub ssh_key: PublicKey,
    /// Its port here.
    pub port: SignerPort,
    /// Its keys; none: it is asked.
    pub keys: Option<Vec<PublicKeyHash>>,
}

#[derive(Debug, Error)]
enum Why {
    #[error("[ssh] host_key: {0}; \"peel gateway init\" makes one")]
    HostKeyFile(#[from] SecretFileError),
    #[error("[ssh] host_key: {0}")]
    HostKey(KeyError),
    #[error("[http] answer_limit_seconds is {0}; it is at least 1 and at most 60")]
    AnswerLimit(u64),
    #[error("[http] drain_seconds is {0}; it is at most {LONGEST_DRAIN}")]
    Drain(u64),
    #[error(
        "there is no [[signer]]; \"peel signer init\" prints at home the \"peel gateway add …\" that writes one"
    )]
    NoSigner,
    #[error("two signers have the name {0:?}; give each its own")]
    SameName(String),
    #[error("signers {0:?} and {1:?} have the same ssh_public_key; each signer has its own")]
    SameSshKey(String, String),
    #[error("port {port} of signer {signer:?} is taken by {by}; choose another")]
    SamePort { port: u16, signer: String, by: String },
    #[error("[[shared_key]] {key}: {why}")]
    SharedKey { key: String, why: SharedKeyWhy },
    #[error("signer {name:?}: {why}")]
    Signer { name: String, why: SignerWhy },
}

#[derive(Debug, Error)]
enum SignerWhy {
    #[error("ssh_public_key: {0}")]
    SshKey(#[from] KeyError),
    #[error(transparent)]
    Port(#[from] PortError),
    #[error("keys: {0}")]
    Key(#[from] tezos::KeyHashError),
    #[error("keys is empty: nothing would be asked of it; leave keys out to ask the signer")]
    NoKeys,
    #[error("a name has letters, digits, - and _, and at most 40 of them")]
    Name,
}

/// More than a signer takes to give up, and not much more than a vote is worth.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);
const LONGEST_ANSWER_LIMIT: u64 = 60;
const LONGEST_NAME: usize = 40;
const LONGEST_DRAIN: u64 = 60;

impl Config {
    /// Reads a file. Relative paths in it are relative to its folder.
    ///
    /// # Errors
    /// When anything in it cannot be used.
    pub fn read(path: &Path) -> Result<Config, ConfigError> {
        let (config, file) = daemon::config::read(path, Config::understand)?;
        Ok(Config { file: Some(file), ..config })
    }

    /// Checks a text that is to be written to `path`.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn understand_text(path: &Path, text: &str) -> Result<Config, ConfigError> {
        daemon::config::understand(path, text, Config::understand)
    }

    /// Where a signer's port is listened on: the address of `[http]`, else loopback.
    #[must_use]
    pub fn http_address(&self) -> IpAddr {
        http_address(self.http)
    }

    /// Signers that do not name their keys although there are several of them. Which signers have a share of a key stands with
    /// that key.
    #[must_use]
    pub fn without_keys(&self) -> Vec<&str> {
        if self.signers.len() < 2 {
            return Vec::new();
        }
        let has_share = |signer: &SignerConfig| {
            self.shared_keys.iter().any(|shared| shared.share_of(&signer.name).is_some())
        };
        let silent =
            self.signers.iter().filter(|signer| signer.keys.is_none() && !has_share(signer));
        silent.map(|signer| signer.name.as_str()).collect()
    }

    /// The fields of another reading of the file that are not taken up while the gateway runs.
    pub(crate) fn waits_for_restart(&self, other: &Config) -> Vec<String> {
        let files = self.file.as_ref().zip(other.file.as_ref());
        let mut fields = files.map_or_else(Vec::new, |(own, other)| {
            own.differs_in(other, &["[[signer]]", "[[shared_key]]"])
        });
        if self.host_key.public() != other.host_key.public() {
            fields.push("the host key".to_owned());
        }
        fields
    }

    pub(crate) fn warn_of_unnamed_keys(&self) {
        for name in self.without_keys() {
            tracing::warn!(
                signer = name,
                "there are several signers, and this one's keys are not named in gateway.toml: until \
                 it was heard, signers after it are not asked for keys that it may have"
            );
        }
    }

    /// The gateway's own ports: no signer can have one of them.
    pub(crate) fn taken_ports(&self) -> Vec<u16> {
        self.own_ports().map(|(port, _)| port).collect()
    }

    fn understand(typed: typed::Config, base: &Path) -> Result<Config, Why> {
        let host_key = secret_file::read(&base.join(&typed.ssh.host_key))?;
        let ids = (0..).map(SignerId::new);
        let signers = ids.zip(&typed.signer).map(|(id, typed)| SignerConfig::understand(id, typed));
        let signers: Vec<SignerConfig> = signers.collect::<Result<_, _>>()?;
        let shared_keys = typed.shared_key.iter().map(|typed| shared_key(typed, &signers));
        let shared_keys: Vec<SharedKeyConfig> = shared_keys.collect::<Result<_, _>>()?;
        shared_key::check_distinct(&shared_keys)
            .map_err(|(key, why)| Why::SharedKey { key: key.to_string(), why })?;
        let typed::Http {
            listen: http,
            hosts,
            allow_list_known_keys,
            answer_limit_seconds,
            drain_seconds,
            stand_in,
        } = typed.http.unwrap_or_default();
        let http = http.map(SocketAddr::from);
        let config = Config {
            file: None,
            ssh: typed.ssh.listen.0,
            host_key: Identity::parse(&host_key).map_err(Why::HostKey)?,
            hosts: Hosts::of(http_address(http), &hosts),
            http,
            monitor: typed.monitor.as_ref().map(|monitor| monitor.listen.0),
            monitor_hosts: typed
                .monitor
                .map_or(Hosts::Any, |monitor| Hosts::of(monitor.listen.0.ip(), &monitor.hosts)),
            signers,
            shared_keys,
            allow_list_known_keys,
            answer_limit: answer_limit(answer_limit_seconds)?,
            drain: drain(drain_seconds)?,
            has_stand_in: stand_in,
            authentication: typed.authentication,
            state: typed.state.map(|state| base.join(state.directory)),
        };
        if config.signers.is_empty() {
            return Err(Why::NoSigner);
        }
        config.check_signers()?;
        config.check_ports()?;
        Ok(config)
    }

    fn check_signers(&self) -> Result<(), Why> {
        let mut names = HashSet::new();
        for (at, signer) in self.signers.iter().enumerate() {
            let name = signer.name.clone();
            if !names.insert(&signer.name) {
                return Err(Why::SameName(name));
            }
            let mut before = self.signers.iter().take(at);
            if let Some(other) = before.find(|other| other.ssh_key == signer.ssh_key) {
                return Err(Why::SameSshKey(other.name.clone(), name));
            }
        }
        Ok(())
    }

    fn check_ports(&self) -> Result<(), Why> {
        let mut taken: Vec<(u16, String)> = self.own_ports().collect();
        for signer in &self.signers {
            for port in Service::BOTH.map(|service| signer.port.of(service)) {
                if let Some((_, by)) = taken.iter().find(|(other, _)| *other == port) {
                    let (signer, by) = (signer.name.clone(), by.clone());
                    return Err(Why::SamePort { port, signer, by });
                }
                taken.push((port, format!("signer {:?}", signer.name)));
            }
        }
        Ok(())
    }

    /// The gateway's own. One that the system is to choose cannot be taken.
    fn own_ports(&self) -> impl Iterator<Item = (u16, String)> {
        let sections =
            [(Some(self.ssh), "[ssh]"), (self.http, "[http]"), (self.monitor, "[monitor]")];
        sections.into_iter().filter_map(|(address, section)| {
            let port = address?.port();
            (port != 0).then(|| (port, section.to_owned()))
        })
    }
}

fn shared_key(typed: &typed::SharedKey, signers: &[SignerConfig]) -> Result<SharedKeyConfig, Why> {
    let understood = SharedKeyConfig::understand(typed, signers);
    understood.map_err(|why| Why::SharedKey { key: typed.public_key.clone(), why })
}

fn http_address(http: Option<SocketAddr>) -> IpAddr {
    http.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |http| http.ip())
}

fn answer_limit(seconds: Option<u64>) -> Result<Duration, Why> {
    match seconds {
        None => Ok(ANSWER_LIMIT),
        Some(seconds @ 1..=LONGEST_ANSWER_LIMIT) => Ok(Duration::from_secs(seconds)),
        Some(seconds) => Err(Why::AnswerLimit(seconds)),
    }
}

fn drain(seconds: u64) -> Result<Duration, Why> {
    match seconds {
        0..=LONGEST_DRAIN => Ok(Duration::from_secs(seconds)),
        _ => Err(Why::Drain(seconds)),
    }
}

/// Whether a signer may have this name: one that needs no quoting in TOML, in a label, in a shell.
#[must_use]
pub fn is_signer_name(name: &str) -> bool {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    !name.is_empty() && name.len() <= LONGEST_NAME && name.chars().all(is_plain)
}

impl SignerConfig {
    fn understand(id: SignerId, typed: &typed::Signer) -> Result<SignerConfig, Why> {
        let name = typed.name.clone();
        SignerConfig::parse(id, typed).map_err(|why| Why::Signer { name, why })
    }

    fn parse(id: SignerId, typed: &typed::Signer) -> Result<SignerConfig, SignerWhy> {
        if !is_signer_name(&typed.name) {
            return Err(SignerWhy::Name);
        }
        let port = SignerPort::new(typed.port)?;
        let keys = typed.keys.as_ref().map(|keys| keys.iter().map(|key| key.parse()).collect());
        let keys: Option<Vec<PublicKeyHash>> = keys.transpose()?;
        if keys.as_ref().is_some_and(Vec::is_empty) {
            return Err(SignerWhy::NoKeys);
        }
        let ssh_key = typed.ssh_public_key.parse()?;
        Ok(SignerConfig { id, name: typed.name.clone(), ssh_key, port, keys })
    }
}
