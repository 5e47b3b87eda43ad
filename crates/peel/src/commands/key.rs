//! `peel key`: software keys in files.

use std::fs::{self, OpenOptions};
use std::io::{IsTerminal, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use daemon::secret_file;
use tezos::{Curve, EncryptedKey, Salt, SecretKey};
use zeroize::Zeroizing;

use crate::args::{CurveName, KeyCommand, KeyImport, KeyOutput};
use crate::commands::octez_wallet;

pub(crate) fn run(command: KeyCommand) -> anyhow::Result<()> {
    match command {
        KeyCommand::Generate { curve, output } => write(&generate(curve.into())?, &output),
        KeyCommand::Import(KeyImport { octez_dir: Some(folder), key, config, .. }) => {
            octez_wallet::import(&folder, &key, &config.path())
        }
        KeyCommand::Import(KeyImport { output, .. }) => {
            write(&import()?, &output.context("name --output FILE, or --octez-dir DIR")?)
        }
        KeyCommand::List { files } => files.iter().try_for_each(|file| list(file)),
    }
}

impl From<CurveName> for Curve {
    fn from(name: CurveName) -> Curve {
        match name {
            CurveName::Ed25519 => Curve::Ed25519,
            CurveName::Secp256k1 => Curve::Secp256k1,
            CurveName::P256 => Curve::P256,
            CurveName::Bls => Curve::Bls,
        }
    }
}

fn generate(curve: Curve) -> anyhow::Result<SecretKey> {
    let mut randomness = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *randomness).map_err(|error| anyhow!("no randomness: {error}"))?;
    Ok(SecretKey::generate(curve, &randomness)?)
}

fn import() -> anyhow::Result<SecretKey> {
    let text = if std::io::stdin().is_terminal() {
        Zeroizing::new(rpassword::prompt_password("Secret key (not shown): ")?)
    } else {
        let mut text = Zeroizing::new(String::with_capacity(4096));
        std::io::stdin().take(4096).read_to_string(&mut text)?;
        text
    };
    let text = text.trim();
    if let Some(sealed) = text.strip_prefix("encrypted:") {
        let sealed: EncryptedKey = sealed.parse()?;
        let password = Zeroizing::new(rpassword::prompt_password("Its password: ")?);
        return Ok(sealed.open(password.as_bytes())?);
    }
    Ok(SecretKey::from_base58(text.strip_prefix("unencrypted:").unwrap_or(text))?)
}

fn write(key: &SecretKey, to: &KeyOutput) -> anyhow::Result<()> {
    let text = if to.unencrypted {
        Zeroizing::new(format!("unencrypted:{}\n", *key.to_base58()))
    } else {
        Zeroizing::new(format!("encrypted:{}\n", seal(key, to.password_file.as_deref())?))
    };
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&to.output);
    let mut file = file.with_context(|| format!("{} cannot be made", to.output.display()))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    daemon::say!("public_key_hash  {}", key.hash());
    daemon::say!("public_key       {}", key.public_key());
    daemon::say!("secret_key_file  {}", to.output.display());
    Ok(())
}

fn seal(key: &SecretKey, password_file: Option<&Path>) -> anyhow::Result<EncryptedKey> {
    let password = match password_file {
        Some(path) => {
            let text = secret_file::read(path)?;
            Zeroizing::new(secret_file::without_newline(&text).to_owned())
        }
        None => ask_password()?,
    };
    let mut salt = Salt::default();
    getrandom::fill(&mut salt).map_err(|error| anyhow!("no randomness: {error}"))?;
    EncryptedKey::seal(key, password.as_bytes(), salt).context("the cipher failed")
}

fn ask_password() -> anyhow::Result<Zeroizing<String>> {
    if !std::io::stderr().is_terminal() {
        bail!("no terminal to ask for a password; name --password-file, or --unencrypted");
    }
    let first = Zeroizing::new(rpassword::prompt_password("New password: ")?);
    let second = Zeroizing::new(rpassword::prompt_password("Once more: ")?);
    if first != second {
        bail!("the two passwords differ; nothing was written");
    }
    Ok(first)
}

fn list(file: &Path) -> anyhow::Result<()> {
    let text = Zeroizing::new(
        fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?,
    );
    let open = fs::metadata(file)?.permissions().mode() & 0o077 != 0;
    let warning = if open { "  others can read it: run chmod 600" } else { "" };
    let what = match text.trim().split_once(':') {
        Some(("unencrypted", plain)) => {
            format!("{}  unencrypted", SecretKey::from_base58(plain)?.hash())
        }
        Some(("encrypted" | "aggregate_encrypted", sealed)) => {
            let sealed: EncryptedKey = sealed.parse()?;
            format!("(hash known with its password)  {} encrypted", sealed.curve())
        }
        _ => bail!("{} holds neither unencrypted:… nor encrypted:…", file.display()),
    };
    daemon::say!("{}  {what}{warning}", file.display());
    Ok(())
}
