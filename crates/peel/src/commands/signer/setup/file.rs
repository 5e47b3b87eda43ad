//! `signer.toml` with what was chosen in it. A field that was not chosen stays as it was typed, comments included.

use std::path::{Path, PathBuf};

use tezos::{ChainId, PublicKeyHash};
use thiserror::Error;
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, TomlError, Value, value};
use tunnel::PublicKey;

use ledger::{Address, KeyPath};

/// What is to stand in the file; what is left out stays as it is.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) chain: Option<ChainId>,
    /// Where the marks are.
    pub(super) state: Option<PathBuf>,
    pub(super) key: Option<WantedKey>,
    pub(super) transport: Option<Address>,
    pub(super) port: Option<u16>,
    pub(super) shell: Option<daemon::Listen>,
    /// Empty: as they are. Else these, and no others.
    pub(super) gateways: Vec<(String, PublicKey)>,
    /// Empty: as they are. Else these, and no others; with whether their bytes cost money.
    pub(super) uplinks: Vec<(String, bool)>,
    pub(super) power: Option<String>,
}

/// The key that is to be signed with.
#[derive(Debug)]
pub(super) enum WantedKey {
    Ledger { path: KeyPath, hash: Option<PublicKeyHash> },
    File { key: PathBuf, password: Option<PathBuf> },
}

/// Why a file cannot be changed. *Misused*.
#[derive(Debug, Error)]
pub(super) enum EditError {
    #[error("{0}")]
    Toml(#[from] TomlError),
    #[error(
        "{0} is not written as sections of the file; write [{0}] or [[{0}]], or change the file by hand"
    )]
    Form(&'static str),
}

/// What a new `[tunnel]` says, as the starter does.
pub(super) const IDENTITY: &str = "identity";
pub(super) const PORT: u16 = 8443;

/// Paragraphs of the starter that are there to be filled in.
const BLANK_GATEWAY: &str = "# [[tunnel.gateway]]";
const BLANK_UPLINK: &str = "# [[tunnel.uplink]]";
/// A line of it that is to be filled in.
const BLANK_HASH: &str = "# public_key_hash";

impl Wanted {
    fn is_tunnel_meant(&self) -> bool {
        let has_lists = !self.gateways.is_empty() || !self.uplinks.is_empty();
        has_lists || self.port.is_some() || self.shell.is_some()
    }
}

/// The starter for a new file, without the blanks that are filled in below.
pub(super) fn starter(text: &str, wanted: &Wanted) -> String {
    let is_filled = |paragraph: &&str| {
        (paragraph.contains(BLANK_GATEWAY) && !wanted.gateways.is_empty())
            || (paragraph.contains(BLANK_UPLINK) && !wanted.uplinks.is_empty())
    };
    let kept: Vec<&str> = text.split("\n\n").filter(|paragraph| !is_filled(paragraph)).collect();
    let text = kept.join("\n\n");
    let needs_hash = !matches!(
        wanted.key,
        Some(WantedKey::Ledger { hash: Some(_), .. } | WantedKey::File { .. })
    );
    let lines =
        text.split_inclusive('\n').filter(|line| needs_hash || !line.starts_with(BLANK_HASH));
    lines.collect()
}

/// The file's text with all that is wanted.
pub(super) fn edited(text: &str, wanted: &Wanted) -> Result<String, EditError> {
    let mut document: DocumentMut = text.parse()?;
    let file = document.as_table_mut();
    if let Some(chain) = wanted.chain {
        set_chain(file, chain);
    }
    if let Some(directory) = &wanted.state {
        set(section(file, "state")?, "directory", path(directory));
    }
    if let Some(transport) = wanted.transport {
        set(section(file, "ledger")?, "transport", transport.to_string());
    }
    match &wanted.key {
        Some(WantedKey::Ledger { path, hash }) => set_ledger_key(file, path, *hash)?,
        Some(WantedKey::File { key, password }) => set_file_key(file, key, password.as_deref())?,
        None => {}
    }
    set_tunnel(file, wanted)?;
    if let Some(source) = &wanted.power {
        set(section(file, "power")?, "source", source.as_str());
    }
    Ok(document.to_string())
}

fn set_chain(file: &mut Table, chain: ChainId) {
    let name = chain.name().map_or_else(|| chain.to_string(), str::to_owned);
    let is_it = |value: &Value| value.as_str().is_some_and(|own| own.parse() == Ok(chain));
    let has_it =
        file.get("chains").and_then(Item::as_array).is_some_and(|own| own.iter().any(is_it));
    if !has_it {
        set(file, "chains", Value::from_iter([name]));
    }
}

fn set_tunnel(file: &mut Table, wanted: &Wanted) -> Result<(), EditError> {
    if !wanted.is_tunnel_meant() {
        return Ok(());
    }
    let tunnel = section(file, "tunnel")?;
    if !tunnel.contains_key("identity") {
        set(tunnel, "identity", IDENTITY);
    }
    if !tunnel.contains_key("port") {
        set(tunnel, "port", i64::from(PORT));
    }
    if let Some(port) = wanted.port {
        set(tunnel, "port", i64::from(port));
    }
    if let Some(shell) = wanted.shell {
        set(tunnel, "ssh", shell.0.to_string());
    }
    set_gateways(tunnel, wanted)?;
    set_uplinks(tunnel, wanted)
}

fn set_gateways(tunnel: &mut Table, wanted: &Wanted) -> Result<(), EditError> {
    if !wanted.gateways.is_empty() {
        let all = sections(tunnel, "gateway")?;
        let addresses: Vec<&str> =
            wanted.gateways.iter().map(|(address, _)| address.as_str()).collect();
        keep_only(all, "address", &addresses);
        for (address, host_key) in &wanted.gateways {
            change_named(all, "address", address, |own| set(own, "host_key", host_key.to_string()));
        }
    }
    Ok(())
}

fn set_uplinks(tunnel: &mut Table, wanted: &Wanted) -> Result<(), EditError> {
    if !wanted.uplinks.is_empty() {
        let all = sections(tunnel, "uplink")?;
        let names: Vec<&str> = wanted.uplinks.iter().map(|(name, _)| name.as_str()).collect();
        keep_only(all, "interface", &names);
        for (name, is_metered) in &wanted.uplinks {
            change_named(all, "interface", name, |own| {
                if *is_metered {
                    set(own, "metered", true);
                } else {
                    own.remove("metered");
                }
            });
        }
    }
    Ok(())
}

/// The key that has this path; else the only place for a Ledger's key, for one device authorises one; else a new one.
fn set_ledger_key(
    file: &mut Table,
    path: &KeyPath,
    hash: Option<PublicKeyHash>,
) -> Result<(), EditError> {
    let keys = sections(file, "key")?;
    let is_it = |key: &Table| ledger_of(key).is_some_and(|own| is_at(own, path));
    let place = keys.iter().position(is_it);
    let place = place.or_else(|| keys.iter().position(|key| ledger_of(key).is_some()));
    let new = new_key(keys);
    change(keys, place, new, |key| {
        if !is_it(key) {
            set(key, "ledger", path.to_string());
            key.remove("public_key_hash");
        }
        if let Some(hash) = hash {
            set(key, "public_key_hash", hash.to_string());
        }
    });
    Ok(())
}

/// In place of a Ledger's key that is not known yet (the starter's), else beside the others.
fn set_file_key(file: &mut Table, secret: &Path, password: Option<&Path>) -> Result<(), EditError> {
    let keys = sections(file, "key")?;
    let is_it = |key: &Table| key.get("secret_key_file").and_then(Item::as_str) == secret.to_str();
    let is_blank = |key: &Table| ledger_of(key).is_some() && !key.contains_key("public_key_hash");
    let place = keys.iter().position(is_it).or_else(|| keys.iter().position(is_blank));
    let new = new_key(keys);
    change(keys, place, new, |key| {
        key.remove("ledger");
        set(key, "secret_key_file", path(secret));
        if let Some(password) = password {
            set(key, "password_file", path(password));
        }
    });
    Ok(())
}

fn ledger_of(key: &Table) -> Option<&str> {
    key.get("ledger")?.as_str()
}

/// Whether a key of the file, with its Ledger's root or without, has this path.
fn is_at(typed: &str, path: &KeyPath) -> bool {
    let after_root = typed.strip_prefix("ledger://").and_then(|rest| rest.split_once('/'));
    after_root.map_or(typed, |(_, path)| path).parse().is_ok_and(|own: KeyPath| own == *path)
}

/// A key with a name of its own.
fn new_key(keys: &ArrayOfTables) -> Table {
    let names: Vec<&str> = keys.iter().filter_map(|key| key.get("name")?.as_str()).collect();
    let numbered = (2..).map(|number| format!("baker-{number}"));
    let mut free = ["baker".to_owned()].into_iter().chain(numbered);
    let name = free.find(|name| !names.contains(&name.as_str()));
    Table::from_iter(name.map(|name| ("name", value(name))))
}

/// Drops the entries of a list whose field has none of these values.
fn keep_only(all: &mut ArrayOfTables, field: &str, wanted: &[&str]) {
    all.retain(|one| {
        one.get(field).and_then(Item::as_str).is_some_and(|own| wanted.contains(&own))
    });
}

/// Changes the entry of a list that has this value in this field, or a new one at its end.
fn change_named(
    all: &mut ArrayOfTables,
    field: &str,
    name: &str,
    change_it: impl FnOnce(&mut Table),
) {
    let is_it = |one: &Table| one.get(field).and_then(Item::as_str) == Some(name);
    let place = all.iter().position(is_it);
    change(all, place, Table::from_iter([(field, value(name))]), change_it);
}

/// Changes an entry of a list in its place; or a new one, which goes to the end.
fn change(
    all: &mut ArrayOfTables,
    place: Option<usize>,
    mut new: Table,
    change_it: impl FnOnce(&mut Table),
) {
    match place.and_then(|place| all.get_mut(place)) {
        Some(own) => change_it(own),
        None => {
            change_it(&mut new);
            all.push(new);
        }
    }
}

fn section<'a>(table: &'a mut Table, name: &'static str) -> Result<&'a mut Table, EditError> {
    let item = table.entry(name).or_insert_with(|| Item::Table(Table::new()));
    item.as_table_mut().ok_or(EditError::Form(name))
}

fn sections<'a>(
    table: &'a mut Table,
    name: &'static str,
) -> Result<&'a mut ArrayOfTables, EditError> {
    let item = table.entry(name).or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
    item.as_array_of_tables_mut().ok_or(EditError::Form(name))
}

/// With the comments before and behind the old value.
fn set(table: &mut Table, name: &str, new: impl Into<Value>) {
    let mut new = new.into();
    match table.get_mut(name) {
        Some(Item::Value(old)) if old.to_string().trim() == new.to_string().trim() => {}
        Some(Item::Value(old)) => {
            *new.decor_mut() = old.decor().clone();
            *old = new;
        }
        Some(_) | None => {
            table.insert(name, Item::Value(new));
        }
    }
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STARTER: &str = include_str!("../starter.toml");
    const HOST_KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGuyTk3vzgbjUYYIRSNLZ1vB8/AY7xUYiGcOqBDWcUAA";
    const KEY: &str = "tz2Q3U8EbGayZzK2Vwap5JQJFmJEbwURe77o";

    fn gateways(addresses: &[&str]) -> Wanted {
        let host_key: PublicKey = HOST_KEY.parse().unwrap();
        let gateways = addresses.iter().map(|at| ((*at).to_owned(), host_key.clone())).collect();
        Wanted { gateways, ..Wanted::default() }
    }

    fn ledger(path: &str) -> Wanted {
        let key =
            WantedKey::Ledger { path: path.parse().unwrap(), hash: Some(KEY.parse().unwrap()) };
        Wanted { key: Some(key), ..Wanted::default() }
    }

    fn table(text: &str) -> toml::Table {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_not_asked_for_stays_as_it_was_typed() {
        assert_eq!(edited(STARTER, &Wanted::default()).unwrap(), STARTER);
        let changed = edited(STARTER, &Wanted { port: Some(9000), ..Wanted::default() }).unwrap();
        assert_eq!(
            changed,
            STARTER.replacen("port = 8443 ", "port = 9000 ", 1),
            "the comment stays"
        );
    }

    #[test]
    fn a_new_file_has_no_blanks_that_are_filled_in_below() {
        let mut wanted = gateways(&["a:1", "b:2"]);
        wanted.uplinks = vec![("eth0".to_owned(), false), ("wwan0".to_owned(), true)];
        let text = edited(&starter(STARTER, &wanted), &wanted).unwrap();
        assert!(!text.contains(BLANK_GATEWAY) && !text.contains(BLANK_UPLINK), "{text}");
        let tunnel = &table(&text)["tunnel"];
        assert_eq!(tunnel["gateway"].as_array().unwrap().len(), 2);
        assert_eq!(tunnel["uplink"][1]["metered"].as_bool(), Some(true));
        assert_eq!(tunnel["uplink"][0].get("metered"), None);
    }

    #[test]
    fn gateways_that_are_named_replace_those_that_are_not() {
        let before = edited(STARTER, &gateways(&["a:1", "b:2"])).unwrap();
        let before = before.replacen("host_key", "user = \"baker\"\nhost_key", 1);
        let after = edited(&before, &gateways(&["c:3", "a:1"])).unwrap();
        let list = table(&after)["tunnel"]["gateway"].as_array().unwrap().clone();
        let addresses: Vec<&str> =
            list.iter().map(|own| own["address"].as_str().unwrap()).collect();
        assert_eq!(addresses, ["a:1", "c:3"]);
        assert_eq!(list[0]["user"].as_str(), Some("baker"), "what else is said of it stays");
    }

    #[test]
    fn the_key_of_a_ledger_has_one_place() {
        let text = edited(STARTER, &ledger("P-256/0h/0h")).unwrap();
        let keys = table(&text)["key"].as_array().unwrap().clone();
        assert_eq!(keys.len(), 1);
        assert_eq!(keys[0]["ledger"].as_str(), Some("P-256/0h/0h"));
        assert_eq!(keys[0]["public_key_hash"].as_str(), Some(KEY));
        let with_root = text
            .replace("P-256/0h/0h", "ledger://tz1VSUr8wwNhLAzempoch5d6hLRiTh8Cjcjb/P-256/0h/0h");
        assert_eq!(edited(&with_root, &ledger("P-256/0h/0h")).unwrap(), with_root);
    }

    #[test]
    fn a_key_in_a_file_takes_the_place_of_the_starters_and_no_others() {
        let file = |name: &str| {
            let key = WantedKey::File { key: name.into(), password: None };
            Wanted { key: Some(key), ..Wanted::default() }
        };
        let one = edited(STARTER, &file("one.key")).unwrap();
        let two = edited(&one, &file("two.key")).unwrap();
        assert_eq!(edited(&two, &file("one.key")).unwrap(), two);
        let keys = table(&two)["key"].as_array().unwrap().clone();
        let names: Vec<&str> = keys.iter().map(|key| key["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["baker", "baker-2"]);
        assert!(keys.iter().all(|key| key.get("ledger").is_none()));
    }

    #[test]
    fn a_chain_is_named_once_and_a_section_that_is_none_is_told() {
        let wanted = Wanted { chain: Some(ChainId::MAINNET), ..Wanted::default() };
        let by_id = format!("chains = [\"{}\"]\n", ChainId::MAINNET);
        assert_eq!(edited(&by_id, &wanted).unwrap(), by_id);
        assert_eq!(
            edited("chains = [\"ghostnet\"]\n", &wanted).unwrap(),
            "chains = [\"mainnet\"]\n"
        );
        let error = edited("tunnel = 5\n", &gateways(&["a:1"])).unwrap_err();
        assert!(error.to_string().contains("[tunnel]"), "{error}");
    }
}
