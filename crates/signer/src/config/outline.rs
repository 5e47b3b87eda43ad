//! The part of `signer.toml` that says what is signed with, and where its marks are: it can be understood while the rest
//! is still being written.

use std::collections::{BTreeSet, HashSet};
use std::env;
use std::path::{Path, PathBuf};

use daemon::config::ConfigError;
use ledger::Address;
use tezos::{ChainId, PublicKeyHash};

use crate::config::{KeyConfig, KeyWhy, Source, Why, power, tunnel, typed};
use crate::device::LedgerKey;

/// What is signed with, and where its marks are.
#[derive(Debug)]
pub struct Outline {
    /// Where the watermark store is.
    pub store: PathBuf,
    /// The chains that are signed for.
    pub chains: BTreeSet<ChainId>,
    /// The keys.
    pub keys: Vec<KeyConfig>,
    /// Where the Ledger is.
    pub ledger: Address,
}

const DEFAULT_STATE: &str = "/var/lib/peel";
const STORE: &str = "watermark.db";

impl Outline {
    /// Of a text that is to be written to `path`. Keys that it names are read, and its gateways, lines and source of power
    /// are checked; the ssh identity, which may not be there yet, is not.
    ///
    /// # Errors
    /// With the file's name, what is wrong, and what would be right.
    pub fn understand(path: &Path, text: &str) -> Result<Outline, ConfigError> {
        daemon::config::understand(path, text, |typed: typed::Config, base| {
            let outline = Outline::of(&typed, base)?;
            if let Some(power) = typed.power {
                power::understand(power)?;
            }
            if let Some(tunnel) = typed.tunnel {
                tunnel::check_lists(tunnel)?;
            }
            Ok::<_, Why>(outline)
        })
    }

    pub(super) fn of(typed: &typed::Config, base: &Path) -> Result<Outline, Why> {
        let chains = chains(&typed.chains)?;
        let keys = typed.key.iter().map(|key| {
            let understood = KeyConfig::understand(key, base, &chains);
            understood.map_err(|why| Why::Key { name: key.name.clone(), why })
        });
        let keys: Vec<KeyConfig> = keys.collect::<Result<_, Why>>()?;
        check_distinct(&keys)?;
        let state = typed.state.as_ref().and_then(|state| state.directory.as_ref());
        let state = state.map_or_else(default_state, |given| base.join(given));
        let transport = typed.ledger.as_ref().map_or("usb", |ledger| &ledger.transport);
        Ok(Outline { store: state.join(STORE), chains, keys, ledger: transport.parse()? })
    }
}

/// The folder of the watermark store where the configuration names none.
#[must_use]
pub fn default_state() -> PathBuf {
    // systemd names several folders with colons between them; the first one is ours.
    let given = env::var("STATE_DIRECTORY").ok();
    let first = given.as_deref().and_then(|list| list.split(':').next());
    PathBuf::from(first.filter(|path| !path.is_empty()).unwrap_or(DEFAULT_STATE))
}

fn chains(names: &[String]) -> Result<BTreeSet<ChainId>, Why> {
    let chains: BTreeSet<ChainId> =
        names.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
    if chains.is_empty() { Err(Why::NoChain) } else { Ok(chains) }
}

fn check_distinct(keys: &[KeyConfig]) -> Result<(), Why> {
    if keys.is_empty() {
        return Err(Why::NoKey);
    }
    let mut names = HashSet::new();
    let mut hashes: Vec<(PublicKeyHash, &str)> = Vec::new();
    for key in keys {
        if !names.insert(&key.name) {
            return Err(Why::SameName(key.name.clone()));
        }
        let Some(hash) = key.hash() else { continue };
        if let Some((_, other)) = hashes.iter().find(|(known, _)| *known == hash) {
            return Err(Why::SameKey((*other).to_owned(), key.name.clone()));
        }
        hashes.push((hash, &key.name));
    }
    check_one_ledger(keys)
}

fn check_one_ledger(keys: &[KeyConfig]) -> Result<(), Why> {
    let mut first: Option<&LedgerKey> = None;
    for key in keys {
        let Source::Ledger(own) = &key.source else { continue };
        if first.is_some_and(|first| first.root != own.root) {
            return Err(Why::Key { name: key.name.clone(), why: KeyWhy::TwoLedgers });
        }
        first = Some(own);
    }
    Ok(())
}
