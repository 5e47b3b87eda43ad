//! What a set-up will do, found out before anything is written.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use ledger::{Address, KeyPath};
use signer::config::{KeyConfig, Outline};
use tezos::{ChainId, Level, PublicKeyHash};
use tunnel::PublicKey;

use crate::args::Choices;
use crate::commands::ledger::{self as device, Authorization};
use crate::commands::signer::setup::file::{self, Wanted, WantedKey};
use crate::commands::signer::setup::marks::{Known, MarkPlan};
use crate::commands::signer::setup::store::Store;

/// Everything that is to be done.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) file: PathBuf,
    /// The text that is there; none when there is no file.
    pub(super) before: Option<String>,
    /// The text that is to be there.
    pub(super) text: String,
    /// As far as it is known without asking a device.
    pub(super) key: Option<PublicKeyHash>,
    pub(super) port: u16,
    /// None when the key is on the device and authorised, or on no device.
    pub(super) authorization: Option<PlannedAuthorization>,
    /// None when no marks are made: nothing was said of a level, or a running signer has the store.
    pub(super) marks: Option<PlannedMarks>,
}

/// A key that is to be authorised on the Ledger.
#[derive(Debug)]
pub(super) struct PlannedAuthorization {
    pub(super) transport: Address,
    pub(super) path: KeyPath,
    pub(super) chain: ChainId,
    pub(super) level: Level,
    /// The key that is authorised now.
    pub(super) instead_of: Option<KeyPath>,
}

/// Marks, made or kept.
#[derive(Debug)]
pub(super) struct PlannedMarks {
    pub(super) store: PathBuf,
    pub(super) key: PublicKeyHash,
    pub(super) chain: ChainId,
    pub(super) plan: MarkPlan,
}

/// How much is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// A key that can sign: with marks, authorised.
    Whole,
    /// As much as the choices say: without a level, a file that is to be filled in.
    AsChosen,
}

/// The key that the choices mean, in the outline of the new file.
struct Meant<'a> {
    key: &'a KeyConfig,
    chain: ChainId,
}

const STARTER: &str = include_str!("../starter.toml");
/// Where Debian's package has its configuration, and the marks to it.
pub(super) const PACKAGED: (&str, &str) = ("/etc/peel", "/var/lib/peel");

impl Plan {
    pub(super) fn new(folder: &Path, choices: &Choices, reach: Reach) -> anyhow::Result<Plan> {
        let file = folder.join("signer.toml");
        let before = read(&file)?;
        let mut wanted = wanted(folder, choices, before.is_none())?;
        let there = before.clone();
        let edited = |wanted: &Wanted| {
            let base = there.clone().unwrap_or_else(|| file::starter(STARTER, wanted));
            file::edited(&base, wanted)
                .with_context(|| format!("{} cannot be changed", file.display()))
        };
        let text = edited(&wanted)?;
        let port = port(&text);
        let mut plan = Plan {
            file: file.clone(),
            before,
            text,
            key: None,
            port,
            authorization: None,
            marks: None,
        };
        let outline = Outline::understand(&file, &plan.text)?;
        let Some(meant) = Meant::of(&outline, choices, &plan.text) else { return Ok(plan) };
        plan.settle(&outline, &meant, choices, reach)?;
        // The file names the key that was found on the device.
        if let Some(WantedKey::Ledger { hash, .. }) = &mut wanted.key {
            *hash = plan.key;
        } else if let (Some(path), None) = (meant.key.ledger_path(), &wanted.key) {
            wanted.key = Some(WantedKey::Ledger { path: path.clone(), hash: plan.key });
        }
        plan.text = edited(&wanted)?;
        Ok(plan)
    }

    /// Looks at the store and, where it has to be, at the device; and decides on the marks.
    fn settle(
        &mut self,
        outline: &Outline,
        meant: &Meant<'_>,
        choices: &Choices,
        reach: Reach,
    ) -> anyhow::Result<()> {
        self.key = meant.key.hash();
        let asked = choices.asked_level()?;
        if asked.is_none() && reach == Reach::AsChosen {
            return Ok(());
        }
        let store = Store::look(&outline.store)?;
        let is_held = matches!(store, Store::Held);
        let reached =
            |key: Option<PublicKeyHash>| key.and_then(|key| store.reached(key, meant.chain));
        let is_known = self.key.is_some() && (is_held || reached(self.key).is_some());
        let seen = match meant.key.ledger_path() {
            Some(path) if !is_known => Some(device::authorization(outline.ledger, path)?),
            Some(_) | None => None,
        };
        self.key = self.key.or(seen.as_ref().map(|seen| seen.key));
        check_hash(meant.key, seen.as_ref())?;
        let Some(key) = self.key else { return Ok(()) };
        if is_held {
            return if asked.is_none() { Ok(()) } else { Err(held(&outline.store)) };
        }
        let device = seen.as_ref().map(|seen| seen.marks.of(meant.chain).level);
        let known = Known { chain: meant.chain, store: reached(Some(key)), device };
        let plan = known.plan(asked)?;
        let level = match plan {
            MarkPlan::Make(level) | MarkPlan::Raise(level) => Some(level),
            MarkPlan::Keep => known.store,
        };
        self.authorization = authorization(outline, meant, seen, level);
        self.marks =
            Some(PlannedMarks { store: outline.store.clone(), key, chain: meant.chain, plan });
        Ok(())
    }

    /// Whether the file is to be another one than it is.
    pub(super) fn changes_file(&self) -> bool {
        self.before.as_ref() != Some(&self.text)
    }

    /// What stands in the file now and will not, and what will; of a new file without its comments.
    pub(super) fn changed_lines(&self) -> Vec<String> {
        let before = self.before.as_deref().unwrap_or_default();
        let missing = |from: &str, sign: char, to: &str| -> Vec<String> {
            let mut there: Vec<&str> = to.lines().collect();
            let gone = from.lines().filter(|line| match there.iter().position(|own| own == line) {
                Some(at) => {
                    there.remove(at);
                    false
                }
                None => !line.trim().is_empty(),
            });
            gone.map(|line| format!("{sign} {line}")).collect()
        };
        let mut lines =
            [missing(before, '-', &self.text), missing(&self.text, '+', before)].concat();
        lines.retain(|line| self.before.is_some() || !line.starts_with("+ #"));
        lines
    }
}

impl Meant<'_> {
    fn of<'a>(outline: &'a Outline, choices: &Choices, text: &str) -> Option<Meant<'a>> {
        let name = choices.secret_key_file.as_deref().and_then(|file| name_of(file, text));
        let is_it = |key: &&KeyConfig| match (&choices.ledger, &name) {
            (Some(path), _) => key.ledger_path() == Some(path),
            (None, Some(name)) => key.name == *name,
            (None, None) => key.upstream().is_none(),
        };
        let key = outline.keys.iter().find(|key| key.has_marks() && is_it(key))?;
        let chain = choices.chain.or_else(|| outline.chains.first().copied())?;
        Some(Meant { key, chain })
    }
}

/// The name of the key that is in this file.
fn name_of(file: &Path, text: &str) -> Option<String> {
    let table: toml::Table = text.parse().ok()?;
    let keys = table.get("key")?.as_array()?;
    let it = keys
        .iter()
        .find(|key| key.get("secret_key_file").and_then(|own| own.as_str()) == file.to_str())?;
    Some(it.get("name")?.as_str()?.to_owned())
}

fn authorization(
    outline: &Outline,
    meant: &Meant<'_>,
    seen: Option<Authorization>,
    level: Option<Level>,
) -> Option<PlannedAuthorization> {
    let (path, seen) = (meant.key.ledger_path()?, seen?);
    // The device's own mark, which its set-up sets, goes no further down than the store's.
    let level = level?.max(seen.marks.of(meant.chain).level);
    (seen.authorized.as_ref() != Some(path)).then(|| PlannedAuthorization {
        transport: outline.ledger,
        path: path.clone(),
        chain: meant.chain,
        level,
        instead_of: seen.authorized,
    })
}

fn check_hash(key: &KeyConfig, seen: Option<&Authorization>) -> anyhow::Result<()> {
    match (key.hash(), seen) {
        (Some(expected), Some(seen)) if seen.key != expected => bail!(
            "the Ledger's key is {}, and signer.toml says public_key_hash = {expected}: it is another Ledger, or another \
             seed; plug in the right one, or take that line out of the file",
            seen.key
        ),
        _ => Ok(()),
    }
}

fn held(store: &Path) -> anyhow::Error {
    anyhow::anyhow!(
        "{} is held by a signer that runs, so its marks cannot be raised; leave the level out, or stop that signer",
        store.display()
    )
}

fn read(file: &Path) -> anyhow::Result<Option<String>> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| file.display().to_string()),
    }
}

fn wanted(folder: &Path, choices: &Choices, is_new: bool) -> anyhow::Result<Wanted> {
    let (etc, state) = PACKAGED;
    let is_packaged = is_new && folder == Path::new(etc);
    let ledger = choices.ledger.clone().map(|path| WantedKey::Ledger { path, hash: None });
    let file = choices.secret_key_file.clone();
    let file = file.map(|key| WantedKey::File { key, password: choices.password_file.clone() });
    let uplinks = choices.uplink.iter().filter(|name| !choices.metered.contains(name));
    let uplinks = uplinks.map(|name| (name.clone(), false));
    let metered = choices.metered.iter().map(|name| (name.clone(), true));
    Ok(Wanted {
        chain: choices.chain,
        state: is_packaged.then(|| PathBuf::from(state)),
        key: ledger.or(file),
        transport: choices.transport,
        port: choices.port,
        shell: choices.shell,
        gateways: choices.gateways()?,
        uplinks: uplinks.chain(metered).collect(),
        power: choices.power.clone(),
    })
}

/// The port that the file says.
fn port(text: &str) -> u16 {
    let table: toml::Table = text.parse().unwrap_or_default();
    let port = table.get("tunnel").and_then(|tunnel| tunnel.get("port")?.as_integer());
    port.and_then(|port| u16::try_from(port).ok()).unwrap_or(file::PORT)
}

/// The line for the gateway: what it has to know of this signer.
pub(super) fn line_for_gateway(
    name: &str,
    identity: &PublicKey,
    port: u16,
    key: Option<PublicKeyHash>,
) -> String {
    let keys = key.map_or_else(String::new, |key| format!(" --keys {key}"));
    format!("peel gateway add {name} --ssh-public-key '{identity}' --port {port}{keys}")
}
