//! `peel signer init`: all that a signer behind a tunnel starts from.

use std::fs;
use std::path::Path;

use anyhow::bail;
use tunnel::Identity;

use crate::commands::starter;

/// The default.
const PORT: u16 = 8443;
const STARTER: &str = include_str!("starter.toml");

/// Makes what is missing, keeps what is there, and shows both.
pub(super) fn init(folder: &Path, name: &str, port: Option<u16>) -> anyhow::Result<()> {
    let config = folder.join("signer.toml");
    let port = settle_port(&config, port)?;
    starter::folder(folder)?;
    let identity = starter::identity("identity", &folder.join("identity"), name)?;
    let text = STARTER.replace(&format!("port = {PORT}"), &format!("port = {port}"));
    starter::configuration(&config, &text)?;
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

/// What the gateway has to know of this signer: TOML that stands alone.
fn block(name: &str, identity: &Identity, port: u16) -> String {
    let key = identity.public();
    format!("[[signer]]\nname = \"{name}\"\nssh_public_key = \"{key}\"\nport = {port}")
}

fn show_next_steps(config: &Path, block: &str) {
    let config = config.display();
    daemon::say!("\nPaste this into gateway.toml, in the cloud:\n\n{block}\n");
    daemon::say!("Then, here:");
    daemon::say!("1. fill in [[tunnel.gateway]] in {config};");
    daemon::say!("   \"peel gateway init\" prints its host_key line, in the cloud");
    daemon::say!("2. peel watermark init --config {config} --level LEVEL");
    daemon::say!("   (the chain's present level: nothing at or below it will be signed)");
    daemon::say!("3. peel signer check --config {config}");
    daemon::say!("4. peel signer run --config {config}");
}
