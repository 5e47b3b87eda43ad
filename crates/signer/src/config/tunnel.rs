//! `[tunnel]`: the identity and port of the signer, its gateways, and its uplinks.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ::tunnel::home::{Config, Gateway, Uplink};
use ::tunnel::{Identity, KeyError, PortError, SignerPort};
use daemon::secret_file::{self, SecretFileError};
use thiserror::Error;

use crate::config::typed;

/// What is wrong with `[tunnel]`.
#[derive(Debug, Error)]
pub(super) enum TunnelWhy {
    #[error("identity: {0}; \"peel signer init\" makes one")]
    NoIdentity(SecretFileError),
    #[error("identity: {0}")]
    OpenIdentity(SecretFileError),
    #[error("identity {}: {why}", path.display())]
    Identity { path: PathBuf, why: KeyError },
    #[error(transparent)]
    Port(#[from] PortError),
    #[error(
        "there is no [[tunnel.gateway]]: no baker could reach the signer; write its address and host_key"
    )]
    NoGateway,
    #[error(
        "gateway {0:?} is not HOST:PORT; write \"gateway.example.com:58255\" or \"[2001:db8::1]:58255\""
    )]
    Address(String),
    #[error("gateway {0:?} is there twice; keep one")]
    SameGateway(String),
    #[error("two gateways have the name {0:?}, or it is empty; give each its own")]
    GatewayName(String),
    #[error("gateway {address:?}: host_key: {why}; \"peel gateway init\" prints it")]
    HostKey { address: String, why: KeyError },
    #[error("uplink {0:?} is no name of a network interface; \"ip link\" shows them")]
    Interface(String),
    #[error("uplink {0:?} is there twice; keep one")]
    SameInterface(String),
}

/// The longest name of an interface (`IFNAMSIZ` in Linux, less the final zero).
const INTERFACE_BYTES: usize = 15;

pub(super) fn understand(typed: typed::Tunnel, base: &Path) -> Result<Config, TunnelWhy> {
    let typed::Tunnel { identity, port, ssh, gateway, uplink } = typed;
    Ok(Config {
        port: SignerPort::new(port)?,
        shell: ssh.map(SocketAddr::from),
        gateways: gateways(gateway)?,
        uplinks: uplinks(uplink)?,
        identity: read_identity(&base.join(identity))?,
    })
}

/// What is wrong with the port, gateways and uplinks, if there are any yet.
pub(super) fn check_lists(typed: typed::Tunnel) -> Result<(), TunnelWhy> {
    SignerPort::new(typed.port)?;
    if !typed.gateway.is_empty() {
        gateways(typed.gateway)?;
    }
    uplinks(typed.uplink)?;
    Ok(())
}

fn read_identity(file: &Path) -> Result<Identity, TunnelWhy> {
    let text = secret_file::read(file).map_err(|error| match error {
        SecretFileError::Read { .. } => TunnelWhy::NoIdentity(error),
        SecretFileError::Open { .. } => TunnelWhy::OpenIdentity(error),
    })?;
    Identity::parse(&text).map_err(|why| TunnelWhy::Identity { path: file.to_owned(), why })
}

fn gateways(typed: Vec<typed::Gateway>) -> Result<Vec<Gateway>, TunnelWhy> {
    if typed.is_empty() {
        return Err(TunnelWhy::NoGateway);
    }
    let (mut known, mut names) = (HashSet::new(), HashSet::new());
    let gateways = typed.into_iter().map(|typed::Gateway { name, address, user, host_key }| {
        if !is_address(&address) {
            return Err(TunnelWhy::Address(address));
        }
        if !known.insert(address.to_lowercase()) {
            return Err(TunnelWhy::SameGateway(address));
        }
        let name = name.unwrap_or_else(|| address.clone());
        if name.is_empty() || !names.insert(name.clone()) {
            return Err(TunnelWhy::GatewayName(name));
        }
        match host_key.parse() {
            Ok(host_key) => Ok(Gateway { name, address, user, host_key }),
            Err(why) => Err(TunnelWhy::HostKey { address, why }),
        }
    });
    gateways.collect()
}

/// Whether it is HOST:PORT, where an IPv6 address stands in brackets.
fn is_address(text: &str) -> bool {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return address.port() != 0;
    }
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let of_a_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    !host.is_empty() && host.chars().all(of_a_name) && port.parse().is_ok_and(|port: u16| port != 0)
}

fn uplinks(typed: Vec<typed::Uplink>) -> Result<Vec<Uplink>, TunnelWhy> {
    let mut known = HashSet::new();
    let uplinks = typed.into_iter().map(|typed::Uplink { interface, metered }| {
        if !is_interface(&interface) {
            return Err(TunnelWhy::Interface(interface));
        }
        if !known.insert(interface.clone()) {
            return Err(TunnelWhy::SameInterface(interface));
        }
        Ok(Uplink { interface, metered })
    });
    uplinks.collect()
}

/// As Linux has it (`dev_valid_name` in `net/core/dev.c`).
fn is_interface(name: &str) -> bool {
    let forbidden = |c: char| c == '/' || c == ':' || c.is_whitespace();
    (1..=INTERFACE_BYTES).contains(&name.len())
        && !matches!(name, "." | "..")
        && !name.contains(forbidden)
}
