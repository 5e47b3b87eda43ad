//! `peel signer init`: all that a signer behind a tunnel starts from.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, bail};
use tempfile::NamedTempFile;
use tunnel::Identity;

/// What is there when nobody says another one.
const PORT: u16 = 8443;
const STARTER: &str = include_str!("starter.toml");
const OWNER_ONLY: u32 = 0o600;
const READABLE: u32 = 0o644;

/// Makes what is missing, keeps what is there, and shows both.
pub(super) fn init(folder: &Path, name: &str, port: Option<u16>) -> anyhow::Result<()> {
    let config = folder.join("signer.toml");
    let port = settle_port(&config, port)?;
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("{} cannot be made", folder.display()))?;
    let identity = identity(&folder.join("identity"), name)?;
    let starter = STARTER.replace(&format!("port = {PORT}"), &format!("port = {port}"));
    let state = if write_new(&config, &starter, READABLE)? { "made" } else { "kept as it is" };
    say!("configuration  {}: {state}", config.display());
    show_next_steps(&config, &block(name, &identity, port));
    Ok(())
}

/// The port that was asked for, or the one in a configuration that is there: they must not differ.
fn settle_port(config: &Path, asked: Option<u16>) -> anyhow::Result<u16> {
    let text = fs::read_to_string(config).unwrap_or_default();
    let table: toml::Table = text.parse().unwrap_or_default();
    let there = table.get("tunnel").and_then(|tunnel| tunnel.get("port")?.as_integer());
    let there = there.and_then(|port| u16::try_from(port).ok());
    match (asked, there) {
        (Some(asked), Some(there)) if asked != there => bail!(
            "{} says port = {there}, and is never overwritten; change it there, or leave --port out",
            config.display()
        ),
        (Some(port), _) | (None, Some(port)) => Ok(port),
        (None, None) => Ok(PORT),
    }
}

/// The one that is there, or a new one.
fn identity(path: &Path, comment: &str) -> anyhow::Result<Identity> {
    let new = Identity::generate(comment)?;
    let made = write_new(path, &new.to_openssh()?, OWNER_ONLY)?;
    let identity = if made {
        new
    } else {
        let text = daemon::secret_file::read(path)?;
        Identity::parse(&text).with_context(|| path.display().to_string())?
    };
    let state = if made { "made" } else { "kept as it is" };
    say!("identity       {}: {state}, {}", path.display(), identity.public().fingerprint());
    Ok(identity)
}

/// Writes a file that was not there, whole or not at all. False when it was there.
fn write_new(path: &Path, text: &str, mode: u32) -> anyhow::Result<bool> {
    let failed = || format!("{} cannot be made", path.display());
    let folder = path.parent().context("no folder")?;
    let mut file = NamedTempFile::new_in(folder).with_context(failed)?;
    file.write_all(text.as_bytes()).with_context(failed)?;
    file.as_file().set_permissions(Permissions::from_mode(mode)).with_context(failed)?;
    file.as_file().sync_all().with_context(failed)?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(true),
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error.error).with_context(failed),
    }
}

/// What the gateway has to know of this signer: TOML that stands alone.
fn block(name: &str, identity: &Identity, port: u16) -> String {
    let key = identity.public();
    format!("[[signer]]\nname = \"{name}\"\nssh_public_key = \"{key}\"\nport = {port}")
}

fn show_next_steps(config: &Path, block: &str) {
    let config = config.display();
    say!("\nPaste this into gateway.toml, in the cloud:\n\n{block}\n");
    say!("Then, here:");
    say!("1. fill in [[tunnel.gateway]] in {config};");
    say!("   \"peel gateway init\" prints its host_key line, in the cloud");
    say!("2. peel watermark init --config {config} --level LEVEL");
    say!("   (the chain's present level: nothing at or below it will be signed)");
    say!("3. peel signer check --config {config}");
    say!("4. peel signer run --config {config}");
}
