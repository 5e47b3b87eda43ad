//! `peel gateway check`: reads it all, says what is wrong and the cure.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::bail;
use gateway::Config;
use tunnel::Service;

use crate::commands::gateway::init::host_key_line;
use crate::commands::{running, store_owner};

/// Prints a line for each thing that is well, and fails on those that are not.
pub(super) fn check(path: &Path) -> anyhow::Result<()> {
    let config = Config::read(path)?;
    if let Some(folder) = &config.state {
        store_owner::become_owner_of(folder)?;
    }
    daemon::say!("configuration  {}: good", path.display());
    daemon::say!("host key       {}", config.host_key.public().fingerprint());
    daemon::say!("               for signer.toml: {}", host_key_line(&config.host_key));
    for signer in &config.signers {
        let keys = signer.keys.as_ref().map_or("asked of it".to_owned(), |keys| {
            keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        });
        daemon::say!("signer         {}: {}", signer.name, signer.ssh_key.fingerprint());
        daemon::say!("               port {}, keys: {keys}", signer.port);
    }
    for shared in &config.shared_keys {
        let threshold = shared.group.threshold();
        daemon::say!("shared key     {}: {threshold} are needed", shared.hash());
        for (index, signer) in shared.holders() {
            daemon::say!("               share {index}: signer {signer}");
        }
    }
    for name in config.without_keys() {
        daemon::say!(
            "advice         signer {name} names no keys, and there are several signers: until it"
        );
        daemon::say!(
            "               was heard, those after it are not asked for keys that it may have."
        );
        daemon::say!("               Put keys = [\"tz…\"] under it");
    }
    let taken =
        running::taken_ports(ports(&config), "is a gateway running already, or its stand-in?");
    if !taken.is_empty() && gateway_is_there(&config) {
        return running::show_readiness("the gateway", config.monitor);
    }
    let mut wrong = taken;
    wrong.extend(config.state.as_deref().and_then(|folder| check_state(path, folder)));
    if wrong.is_empty() {
        daemon::say!(
            "All is well. Start it with \"peel gateway run --config {}\".",
            path.display()
        );
        return Ok(());
    }
    bail!("{}", wrong.join("\npeel: "))
}

/// What is wrong with the folder of what was answered.
fn check_state(config: &Path, folder: &Path) -> Option<String> {
    if let Some(wrong) = store_owner::folder_is_not_the_services(config, folder) {
        return Some(wrong);
    }
    match gateway::check_state(folder) {
        Ok(None) => daemon::say!("state          {}: not there yet", folder.display()),
        Ok(Some(keys)) => {
            daemon::say!("state          {}: good, keys: {keys}", folder.display());
        }
        Err(error) => return Some(error.to_string()),
    }
    None
}

/// Whether the program at the ssh port says that it is Peel.
fn gateway_is_there(config: &Config) -> bool {
    let read = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&daemon::ports::reachable(config.ssh), LIMIT)?;
        stream.set_read_timeout(Some(LIMIT))?;
        let mut version = [0; 13];
        stream.read_exact(&mut version)?;
        Ok(version == *b"SSH-2.0-peel_")
    };
    read().unwrap_or(false)
}

/// For a program on this machine to answer.
const LIMIT: Duration = Duration::from_secs(2);

/// The ports that a gateway of it listens on.
fn ports(config: &Config) -> impl Iterator<Item = SocketAddr> {
    let at = SocketAddr::new;
    let loopback = std::net::Ipv4Addr::LOCALHOST.into();
    let own = [Some(config.ssh), config.http, config.monitor].into_iter().flatten();
    let http = config
        .signers
        .iter()
        .map(move |signer| at(config.http_address(), signer.port.of(Service::Signing)));
    let shells = config.signers.iter().map(|signer| signer.port.of(Service::Shell));
    own.chain(http).chain(shells.map(move |port| at(loopback, port)))
}
