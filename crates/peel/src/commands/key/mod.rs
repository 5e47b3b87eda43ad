//! `peel key`: software keys in files, and keys in shares.

mod ceremony;
mod new_file;
mod shared;
mod split;

use std::fs;
use std::io::{IsTerminal, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use daemon::secret_file;
use rand::SeedableRng;
use rand::rngs::StdRng;
use shares::ShareFile;
use tezos::{Curve, EncryptedKey, Salt, SecretKey, WalletKey};
use zeroize::Zeroizing;

use crate::args::{CurveName, KeyCommand, KeyImport, KeyOutput, Sealing};
use crate::commands::octez_wallet;

pub(crate) fn run(command: KeyCommand) -> anyhow::Result<()> {
    match command {
        KeyCommand::Generate { curve, output } => write(&generate(curve.into())?, &output),
        KeyCommand::Import(KeyImport { octez_dir: Some(folder), key, config, .. }) => {
            octez_wallet::import(&folder, &key, &config.path())
        }
        KeyCommand::Import(KeyImport { output, sealing, .. }) => {
            let output = output.context("name --output FILE, or --octez-dir DIR");
            write(&import()?, &KeyOutput { output: output?, sealing })
        }
        KeyCommand::Split(words) => split::run(&words),
        KeyCommand::Ceremony(words) => ceremony::run(&words),
        KeyCommand::Reshare(words) => ceremony::reshare(&words),
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
    Ok(SecretKey::generate(curve, &*randomness()?)?)
}

fn randomness() -> anyhow::Result<Zeroizing<[u8; 32]>> {
    let mut randomness = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *randomness).map_err(|error| anyhow!("no randomness: {error}"))?;
    Ok(randomness)
}

/// As many as are wanted, from 32 bytes of the system's: it cannot fail in the middle.
fn random_numbers() -> anyhow::Result<StdRng> {
    Ok(StdRng::from_seed(*randomness()?))
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
    match text.parse() {
        Ok(key) => open(key, None),
        // Without a word in front of it, as octez-client prints it.
        Err(_) if !text.contains(':') => Ok(SecretKey::from_base58(text)?),
        Err(error) => Err(error.into()),
    }
}

/// The key, with the password in a file, or one that is asked for.
fn open(key: WalletKey, password_file: Option<&Path>) -> anyhow::Result<SecretKey> {
    match key {
        WalletKey::Unencrypted(key) => Ok(*key),
        WalletKey::Encrypted(sealed) => Ok(sealed.open(known_password(password_file)?.as_bytes())?),
    }
}

fn write(key: &SecretKey, to: &KeyOutput) -> anyhow::Result<()> {
    let text = Zeroizing::new(format!("{}\n", *seal(key, &Password::of(&to.sealing)?)?.to_text()));
    new_file::write(&to.output, text.as_bytes())?;
    daemon::say!("public_key_hash  {}", key.hash());
    daemon::say!("public_key       {}", key.public_key());
    daemon::say!("secret_key_file  {}", to.output.display());
    Ok(())
}

/// What new secrets are encrypted with.
enum Password {
    /// Nothing.
    None,
    /// This, asked for or read once.
    Is(Zeroizing<String>),
}

impl Password {
    fn of(sealing: &Sealing) -> anyhow::Result<Password> {
        let password = match &sealing.password_file {
            _ if sealing.unencrypted => return Ok(Password::None),
            Some(path) => read_password(path)?,
            None => ask_password()?,
        };
        if password.is_empty() {
            bail!("an empty password keeps nothing secret: name another one, or --unencrypted");
        }
        Ok(Password::Is(password))
    }
}

/// As it is written down.
fn seal(key: &SecretKey, password: &Password) -> anyhow::Result<WalletKey> {
    let Password::Is(password) = password else {
        return Ok(WalletKey::Unencrypted(Box::new(key.clone())));
    };
    let mut salt = Salt::default();
    getrandom::fill(&mut salt).map_err(|error| anyhow!("no randomness: {error}"))?;
    let sealed = EncryptedKey::seal(key, password.as_bytes(), salt);
    sealed.map(WalletKey::Encrypted).context("the cipher failed")
}

/// Of a secret that is encrypted: from a file, or asked for.
fn known_password(file: Option<&Path>) -> anyhow::Result<Zeroizing<String>> {
    match file {
        Some(path) => read_password(path),
        None => Ok(Zeroizing::new(rpassword::prompt_password("Its password: ")?)),
    }
}

fn read_password(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let text = secret_file::read(path)?;
    Ok(Zeroizing::new(secret_file::without_newline(&text).to_owned()))
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
    let what = match text.parse::<WalletKey>() {
        Ok(WalletKey::Unencrypted(key)) => format!("{}  unencrypted", key.hash()),
        Ok(WalletKey::Encrypted(sealed)) => {
            format!("(hash known with its password)  {} encrypted", sealed.curve())
        }
        Err(_) => {
            let share = ShareFile::parse(&text);
            shared::line(&share.with_context(|| format!("{} holds no key", file.display()))?)
        }
    };
    daemon::say!("{}  {what}{warning}", file.display());
    Ok(())
}
