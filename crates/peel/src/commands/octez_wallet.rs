//! An octez wallet folder, taken over: its keys become files and `[[key]]` entries.
//!
//! Octez keeps three JSON lists of names and values (`src/lib_client_base/client_keys.ml`): `secret_keys` with the
//! forms `unencrypted:…`, `encrypted:…`, `ledger://…` and the addresses of other signers, `public_key_hashs` with
//! the hashes, and `public_keys`, which says nothing that the other two do not.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use ledger::{Derivation, KeyPath};
use serde_json::Value;
use signer_api::client::SignerUrl;
use tempfile::NamedTempFile;
use tezos::{EncryptedKey, PublicKeyHash, SecretKey};
use zeroize::Zeroizing;

use crate::commands::starter;

/// The keys of a wallet, in the order of its file.
struct Wallet {
    folder: PathBuf,
    keys: Vec<(String, Zeroizing<String>)>,
    hashes: BTreeMap<String, PublicKeyHash>,
}

/// A key as it stands in signer.toml.
struct Entry {
    name: String,
    /// Its public key hash, if it is known.
    hash: Option<PublicKeyHash>,
    /// Field and text.
    fields: Vec<(&'static str, String)>,
    /// The file that it needs, and its content.
    secret: Option<(String, Zeroizing<String>)>,
    /// What is left to do for it.
    to_do: Option<String>,
}

/// What a configuration has already: names, keys, and the files of those that are taken over.
#[derive(Default)]
struct Taken {
    names: Vec<String>,
    /// Public key hashes, with the name of the key.
    keys: BTreeMap<String, String>,
    files: Vec<String>,
}

/// Where octez-signer listens by default, too.
const STARTER: &str = "\
# Made from an octez wallet. Every field is in docs/configuration.md.

chains = [\"mainnet\"]

[state]
directory = \"state\"

[http]
listen = \"127.0.0.1:6732\"

[monitor]
listen = \"127.0.0.1:9584\"
";

/// Writes the keys of the wallet at `folder` into the configuration at `config`, and their secrets beside it. With
/// names, only these.
pub(super) fn import(folder: &Path, only: &[String], config: &Path) -> anyhow::Result<()> {
    let wallet = Wallet::read(folder)?;
    wallet.check_names(only)?;
    let mut there = Taken::in_configuration(config)?;
    let mut blocks = String::new();
    let mut to_do = Vec::new();
    let mut left = Vec::new();
    let is_meant = |name: &String| only.is_empty() || only.contains(name);
    for (name, value) in wallet.keys.iter().filter(|(name, _)| is_meant(name)) {
        if there.names.contains(name) {
            daemon::say!("{name}: is in {} already", config.display());
            continue;
        }
        let entry = wallet.entry(name, value).and_then(|entry| there.take(entry));
        match entry {
            Ok(entry) => {
                entry.write_secret(config)?;
                blocks += &entry.to_toml();
                daemon::say!("{name}: {}", entry.summary());
                to_do.extend(entry.to_do);
            }
            Err(why) => {
                daemon::say!("{name}: NOT taken over: {why}");
                left.push(name.as_str());
            }
        }
    }
    if blocks.is_empty() {
        bail!("no key was taken over; {} is as it was", config.display());
    }
    append(config, &blocks)?;
    show_next_steps(folder, config, &to_do);
    if !only.is_empty() && !left.is_empty() {
        bail!("{}: named, and not taken over", left.join(", "));
    }
    Ok(())
}

fn show_next_steps(folder: &Path, config: &Path, to_do: &[String]) {
    let (folder, config) = (folder.display(), config.display());
    daemon::say!("\nThey are in {config}. What is left:");
    let steps = [
        "stop octez-signer, and keep it stopped: two signers with one key sign twice".to_owned(),
        format!("peel watermark import --config {config} {folder}"),
        "   (a key that has no mark there: peel watermark init)".to_owned(),
        format!("peel signer check --config {config}"),
    ];
    for (at, step) in to_do.iter().chain(&steps).filter(|step| !step.starts_with(' ')).enumerate() {
        daemon::say!("{}. {step}", at + 1);
    }
}

impl Wallet {
    fn read(folder: &Path) -> anyhow::Result<Wallet> {
        let secrets = folder.join("secret_keys");
        let advice = "name octez's base directory, as in ~/.tezos-signer";
        let text = fs::read_to_string(&secrets).map(Zeroizing::new);
        let text =
            text.with_context(|| format!("{} cannot be read; {advice}", secrets.display()))?;
        let keys =
            pairs(&text).with_context(|| format!("{}: no list of octez", secrets.display()))?;
        let hashes = folder.join("public_key_hashs");
        let text = fs::read_to_string(&hashes).unwrap_or_else(|_| "[]".to_owned());
        let hashes =
            pairs(&text).with_context(|| format!("{}: no list of octez", hashes.display()))?;
        let hashes = hashes.into_iter().filter_map(|(name, hash)| Some((name, hash.parse().ok()?)));
        Ok(Wallet { folder: folder.to_owned(), keys, hashes: hashes.collect() })
    }

    fn check_names(&self, only: &[String]) -> anyhow::Result<()> {
        let names: Vec<&str> = self.keys.iter().map(|(name, _)| name.as_str()).collect();
        match only.iter().find(|name| !names.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => bail!(
                "{} has no secret key {name:?}; it has {}",
                self.folder.display(),
                names.join(", ")
            ),
        }
    }

    /// What a key is for Peel, or why it is nothing.
    fn entry(&self, name: &str, value: &Zeroizing<String>) -> Result<Entry, String> {
        let hash = self.hashes.get(name);
        let entry = |fields| {
            let name = name.to_owned();
            Entry { name, hash: hash.copied(), fields, secret: None, to_do: None }
        };
        match value.split_once(':') {
            Some(("unencrypted", plain)) => {
                let key = SecretKey::from_base58(plain).map_err(|error| error.to_string())?;
                let file = file_name(name, "key");
                let fields = vec![
                    ("secret_key_file", file.clone()),
                    ("public_key_hash", key.hash().to_string()),
                ];
                let secret = Some((file, value.clone()));
                Ok(Entry { secret, hash: Some(key.hash()), ..entry(fields) })
            }
            Some(("encrypted" | "aggregate_encrypted", sealed)) => {
                sealed.parse::<EncryptedKey>().map_err(|error| error.to_string())?;
                let (file, password) = (file_name(name, "key"), file_name(name, "password"));
                let mut fields =
                    vec![("secret_key_file", file.clone()), ("password_file", password.clone())];
                fields.extend(hash.map(|hash| ("public_key_hash", hash.to_string())));
                let to_do =
                    format!("write the password of {name} into {password}, and chmod 600 it");
                Ok(Entry {
                    secret: Some((file, value.clone())),
                    to_do: Some(to_do),
                    ..entry(fields)
                })
            }
            Some(("ledger", locator)) => on_ledger(locator, hash).map(entry),
            Some(("http", _)) => {
                let url: SignerUrl = value.parse().map_err(|error| format!("{error}"))?;
                Ok(Entry { hash: Some(url.key), ..entry(vec![("upstream", url.to_string())]) })
            }
            Some(("remote", _)) => {
                Err("its signer's address is not in the wallet, but in octez's environment; write \
                 upstream = \"http://HOST:PORT/tz1…\" yourself"
                    .to_owned())
            }
            Some((kind @ ("https" | "tcp" | "unix"), _)) => {
                Err(format!("a signer at {kind}: is not asked by Peel; only one at http: is"))
            }
            Some(_) | None => Err("its kind is not known".to_owned()),
        }
    }
}

/// `//ROOT/CURVE/PATH`. The root is a hash, or four animals that stand for one: then the key's own hash has to tell
/// one Ledger from another.
fn on_ledger(
    locator: &str,
    hash: Option<&PublicKeyHash>,
) -> Result<Vec<(&'static str, String)>, String> {
    let locator = locator.split_once('?').map_or(locator, |(locator, _)| locator);
    let (root, path) = locator.trim_start_matches('/').split_once('/').ok_or("it has no path")?;
    let path: KeyPath = path.parse().map_err(|error| format!("{error}"))?;
    if path.derivation == Derivation::Bls {
        return Err("the Baking app cannot sign tz4 votes as the chain wants them".to_owned());
    }
    let place = match root.parse::<PublicKeyHash>() {
        Ok(root) => format!("ledger://{root}/{path}"),
        Err(_) if hash.is_some() => path.to_string(),
        Err(_) => {
            return Err(
                "its hash is not in public_key_hashs, so no Ledger can be told from another"
                    .to_owned(),
            );
        }
    };
    let hash = hash.map(|hash| ("public_key_hash", hash.to_string()));
    Ok([("ledger", place)].into_iter().chain(hash).collect())
}

impl Entry {
    fn write_secret(&self, config: &Path) -> anyhow::Result<()> {
        let Some((file, text)) = &self.secret else { return Ok(()) };
        let path = config.parent().unwrap_or(Path::new("")).join(file);
        let text = Zeroizing::new(format!("{}\n", text.trim()));
        if starter::secret(&path, &text)? || *daemon::secret_file::read(&path)? == *text {
            return Ok(());
        }
        bail!("{} is there already, with another key; move it away", path.display());
    }

    fn to_toml(&self) -> String {
        let mut text = format!("\n[[key]]\nname = {}\n", quoted(&self.name));
        for (field, value) in &self.fields {
            text += &format!("{field} = {}\n", quoted(value));
        }
        text
    }

    fn summary(&self) -> String {
        let fields = self.fields.iter().map(|(field, value)| format!("{field} {value}"));
        fields.collect::<Vec<_>>().join(", ")
    }
}

/// Strings of JSON are strings of TOML, but for one letter.
fn quoted(text: &str) -> String {
    Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// For a name in a wallet, which may have any letter.
fn file_name(name: &str, end: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    let plain: String =
        name.chars().map(|letter| if is_plain(letter) { letter } else { '_' }).collect();
    format!("{plain}.{end}")
}

/// A list of octez: names and values.
fn pairs(text: &str) -> Option<Vec<(String, Zeroizing<String>)>> {
    let list: Vec<Value> = serde_json::from_str(text).ok()?;
    let pair = |item: &Value| {
        let name = item.get("name")?.as_str()?.to_owned();
        Some((name, Zeroizing::new(item.get("value")?.as_str()?.to_owned())))
    };
    list.iter().map(pair).collect()
}

impl Taken {
    /// Nothing, if it is not there.
    fn in_configuration(config: &Path) -> anyhow::Result<Taken> {
        if !config.exists() {
            return Ok(Taken::default());
        }
        let text = fs::read_to_string(config);
        let text = text.with_context(|| format!("{} cannot be read", config.display()))?;
        let table: toml::Table = text.parse().with_context(|| config.display().to_string())?;
        let mut taken = Taken::default();
        for key in table.get("key").and_then(toml::Value::as_array).into_iter().flatten() {
            let field = |name: &str| key.get(name)?.as_str().map(str::to_owned);
            let name = field("name").unwrap_or_default();
            let upstream =
                field("upstream").and_then(|url| Some(url.rsplit_once('/')?.1.to_owned()));
            for hash in field("public_key_hash").into_iter().chain(upstream) {
                taken.keys.insert(hash, name.clone());
            }
            taken.files.extend(field("secret_key_file"));
            taken.names.push(name);
        }
        Ok(taken)
    }

    /// A signer takes each key once, and each file holds one.
    fn take(&mut self, entry: Entry) -> Result<Entry, String> {
        if let Some(hash) = entry.hash {
            if let Some(other) = self.keys.get(&hash.to_string()) {
                return Err(format!("it is the same key as {other}"));
            }
            self.keys.insert(hash.to_string(), entry.name.clone());
        }
        if let Some((file, _)) = &entry.secret {
            if self.files.contains(file) {
                return Err(format!(
                    "{file} is another key's; give one of them another name in the wallet"
                ));
            }
            self.files.push(file.clone());
        }
        self.names.push(entry.name.clone());
        Ok(entry)
    }
}

/// Adds to the configuration, or makes one, whole or not at all.
fn append(config: &Path, blocks: &str) -> anyhow::Result<()> {
    if !config.exists() {
        return starter::configuration(config, &format!("{STARTER}{blocks}"));
    }
    let failed = || format!("{} cannot be written", config.display());
    // Where a link leads to.
    let config = &config.canonicalize().with_context(failed)?;
    let text = fs::read_to_string(config).with_context(failed)?;
    let folder = config.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut file = NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).with_context(failed)?;
    write!(file, "{}\n{blocks}", text.trim_end()).with_context(failed)?;
    let found = fs::metadata(config).with_context(failed)?;
    file.as_file().set_permissions(found.permissions()).with_context(failed)?;
    fchown(file.as_file(), Some(found.uid()), Some(found.gid())).with_context(failed)?;
    file.as_file().sync_all().with_context(failed)?;
    file.persist(config).with_context(failed)?;
    Ok(())
}
