//! `peel gateway add`: what a signer prints at home, written into `gateway.toml`.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use gateway::Config;
use tezos::PublicKeyHash;
use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, value};
use tunnel::PublicKey;

use crate::commands::starter;

/// What the gateway has to know of a signer.
pub(super) struct NewSigner {
    pub(super) name: String,
    pub(super) ssh_public_key: PublicKey,
    pub(super) port: u16,
    pub(super) keys: Vec<PublicKeyHash>,
}

/// Writes it. The file is replaced only by one that can be used.
pub(super) fn add(file: &Path, signer: &NewSigner, replace: bool) -> anyhow::Result<()> {
    let before = fs::read_to_string(file).with_context(|| {
        format!("{} cannot be read; \"peel gateway init DIR\" makes it", file.display())
    })?;
    let Some(text) =
        with_signer(&before, signer, replace).with_context(|| file.display().to_string())?
    else {
        daemon::say!("signer         {}: it is there already, as it should be", signer.name);
        return Ok(());
    };
    Config::understand_text(file, &text)?;
    starter::replace_configuration(file, &text)?;
    daemon::say!("signer         {}: written into {}", signer.name, file.display());
    daemon::say!(
        "               A gateway that runs takes it up within a second or two; else: \"peel gateway run --config {}\"",
        file.display()
    );
    Ok(())
}

/// The text with the signer in it; none when it is there just so.
fn with_signer(text: &str, signer: &NewSigner, replace: bool) -> anyhow::Result<Option<String>> {
    let mut document: DocumentMut = text.parse()?;
    let item =
        document.entry("signer").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
    let all = item
        .as_array_of_tables_mut()
        .context("signer is not written as [[signer]]; write it so")?;
    let own =
        all.iter_mut().find(|own| own.get("name").and_then(Item::as_str) == Some(&signer.name));
    match own {
        Some(own) if signer.is_in(own) => return Ok(None),
        Some(_) if !replace => bail!(
            "a signer named {:?} is there with another key or port; give --replace to change it, or another name",
            signer.name
        ),
        Some(own) => signer.write_to(own),
        None => {
            let mut new = Table::new();
            signer.write_to(&mut new);
            all.push(new);
        }
    }
    Ok(Some(document.to_string()))
}

impl NewSigner {
    /// Whether it is there just so. Keys that are not named are whatever they are.
    fn is_in(&self, table: &Table) -> bool {
        let key =
            table.get("ssh_public_key").and_then(Item::as_str).and_then(|text| text.parse().ok());
        let port = table.get("port").and_then(Item::as_integer);
        let keys = table.get("keys").and_then(Item::as_array);
        let has = |key: &PublicKeyHash| {
            let key = key.to_string();
            keys.is_some_and(|keys| keys.iter().any(|own| own.as_str() == Some(&key)))
        };
        key.is_some_and(|key: PublicKey| key == self.ssh_public_key)
            && port == Some(self.port.into())
            && self.keys.iter().all(has)
            && (self.keys.is_empty() || keys.is_some_and(|keys| keys.len() == self.keys.len()))
    }

    fn write_to(&self, table: &mut Table) {
        table.insert("name", value(&self.name));
        table.insert("ssh_public_key", value(self.ssh_public_key.to_string()));
        table.insert("port", value(i64::from(self.port)));
        if !self.keys.is_empty() {
            table
                .insert("keys", value(Array::from_iter(self.keys.iter().map(ToString::to_string))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGuyTk3vzgbjUYYIRSNLZ1vB8/AY7xUYiGcOqBDWcUAA";
    const FILE: &str = "# kept\n[ssh]\nlisten = \"0.0.0.0:58255\" # here\n";

    fn signer(port: u16, keys: &[&str]) -> NewSigner {
        let keys = keys.iter().map(|key| key.parse().unwrap()).collect();
        NewSigner { name: "home".to_owned(), ssh_public_key: KEY.parse().unwrap(), port, keys }
    }

    #[test]
    fn a_signer_is_written_once_and_changed_only_when_asked() {
        let key = "tz2Q3U8EbGayZzK2Vwap5JQJFmJEbwURe77o";
        let once = with_signer(FILE, &signer(8443, &[]), false).unwrap().unwrap();
        assert!(once.starts_with(FILE), "{once}");
        assert!(with_signer(&once, &signer(8443, &[]), false).unwrap().is_none());
        let error = with_signer(&once, &signer(9000, &[]), false).unwrap_err().to_string();
        assert!(error.contains("--replace"), "{error}");
        let changed = with_signer(&once, &signer(9000, &[key]), true).unwrap().unwrap();
        assert_eq!(changed.matches("[[signer]]").count(), 1);
        assert!(changed.contains("port = 9000") && changed.contains(key), "{changed}");
        assert!(with_signer(&changed, &signer(9000, &[]), false).unwrap().is_none());
    }
}
