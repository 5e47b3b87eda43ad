//! `peel gateway init`: all that a gateway starts from.

use std::path::Path;

use tunnel::Identity;

use crate::commands::starter;

const STARTER: &str = include_str!("starter.toml");

/// Makes what is missing, keeps what is there, and shows both.
pub(super) fn init(folder: &Path) -> anyhow::Result<()> {
    starter::folder(folder)?;
    let host_key = starter::identity("host key", &folder.join("host_key"), "gateway")?;
    let config = folder.join("gateway.toml");
    starter::configuration(&config, STARTER)?;
    show_next_steps(&config, &host_key);
    Ok(())
}

fn show_next_steps(config: &Path, host_key: &Identity) {
    let config = config.display();
    daemon::say!("\nPaste this line into signer.toml, at home, under [[tunnel.gateway]]:\n");
    daemon::say!("{}\n", host_key_line(host_key));
    daemon::say!("Keep the host key: a gateway made again with it is found by its signers.");
    daemon::say!("Then, here:");
    daemon::say!(
        "1. paste the [[signer]] block that \"peel signer init\" prints at home into {config}"
    );
    daemon::say!("2. peel gateway check --config {config}");
    daemon::say!("3. peel gateway run --config {config}");
}

/// What a signer has to know of this gateway.
pub(super) fn host_key_line(host_key: &Identity) -> String {
    format!("host_key = \"{}\"", host_key.public())
}
