//! `peel gateway init`: all that a gateway starts from, and the line that makes a signer to it.

use std::path::Path;

use tunnel::Identity;

use crate::commands::node::LevelUrl;
use crate::commands::starter;

const STARTER: &str = include_str!("starter.toml");
/// What the person fills in, where nothing was said.
const ADDRESS: &str = "GATEWAY_ADDRESS";
const LEVEL: &str = "LEVEL";
const PORT: u16 = 58255;

/// Makes what is missing, keeps what is there, and shows both.
pub(super) fn init(
    folder: &Path,
    address: Option<&str>,
    node: Option<&LevelUrl>,
) -> anyhow::Result<()> {
    let level = node
        .map(LevelUrl::level)
        .transpose()?
        .map_or_else(|| LEVEL.to_owned(), |level| level.to_string());
    starter::folder(folder)?;
    let host_key = starter::identity("host key", &folder.join("host_key"), "gateway")?;
    let config = folder.join("gateway.toml");
    starter::configuration(&config, &starter_in(folder))?;
    daemon::say!("Keep the host key: a gateway made again with it is found by its signers.");
    daemon::say!("\nRun this at home, with the Ledger plugged in and the Baking app open:\n");
    daemon::say!(
        "peel signer init home --gateway {} --host-key '{}' --ledger secp256k1/0h/0h --level {level}\n",
        with_port(address.unwrap_or(ADDRESS)),
        host_key.public()
    );
    show_blanks(address.is_none(), node.is_none());
    daemon::say!(
        "Then run here what it prints (\"peel gateway add …\") with --config {}, and",
        config.display()
    );
    daemon::say!("peel gateway run --config {}", config.display());
    Ok(())
}

/// Debian's unit may write to a folder of its own only.
fn starter_in(folder: &Path) -> String {
    if folder == Path::new("/etc/peel") {
        STARTER.replace("\"state\"       ", "\"/var/lib/peel-gateway\"")
    } else {
        STARTER.to_owned()
    }
}

/// An address as signers dial it: with the usual port, if it has none.
pub(crate) fn with_port(address: &str) -> String {
    let port =
        address.rsplit_once(':').filter(|(host, _)| !host.contains(':') || host.ends_with(']'));
    if port.is_some() { address.to_owned() } else { format!("{address}:{PORT}") }
}

fn show_blanks(is_address_open: bool, is_level_open: bool) {
    if is_address_open {
        daemon::say!("{ADDRESS} is this machine's name or address, as it is reached from home.");
    }
    if is_level_open {
        daemon::say!(
            "{LEVEL} is the chain's present level: nothing at or below it will be signed."
        );
    }
}

/// What a signer has to know of this gateway.
pub(super) fn host_key_line(host_key: &Identity) -> String {
    format!("host_key = \"{}\"", host_key.public())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_gateway_remembers_lies_where_it_may_write() {
        let state_in = |folder| {
            let text = starter_in(Path::new(folder));
            let typed: toml::Table = text.parse().unwrap();
            typed["state"]["directory"].as_str().unwrap().to_owned()
        };
        assert_eq!(state_in("gateway"), "state");
        assert_eq!(state_in("/etc/peel"), "/var/lib/peel-gateway");
    }

    #[test]
    fn an_address_without_a_port_gets_the_usual_one() {
        for (given, line) in [
            (ADDRESS, "GATEWAY_ADDRESS:58255"),
            ("gw.example.com", "gw.example.com:58255"),
            ("gw.example.com:443", "gw.example.com:443"),
            ("192.0.2.1", "192.0.2.1:58255"),
            ("[2001:db8::1]", "[2001:db8::1]:58255"),
            ("[2001:db8::1]:443", "[2001:db8::1]:443"),
        ] {
            assert_eq!(with_port(given), line);
        }
    }
}
