//! Why a link is not up, in words.

use std::io;

use crate::Identity;
use crate::home::Gateway;
use crate::home::board::Trouble;

impl Trouble {
    pub(super) fn no_name(gateway: &Gateway, error: &io::Error) -> Trouble {
        let line = format!("the name in {} is not found: {error}", gateway.address);
        Trouble { word: "no_name", line }
    }

    pub(super) fn unreachable(
        gateway: &Gateway,
        interface: Option<&str>,
        error: &io::Error,
    ) -> Trouble {
        let over = interface.map_or_else(String::new, |interface| format!(" over {interface}"));
        let line = format!("{} is not reached{over}: {error}", gateway.address);
        Trouble { word: "unreachable", line }
    }

    pub(super) fn no_ssh(gateway: &Gateway, error: &russh::Error) -> Trouble {
        let line = format!("no ssh with {}: {error}", gateway.address);
        Trouble { word: "no_ssh", line }
    }

    pub(super) fn wrong_host_key(gateway: &Gateway, shown: &str) -> Trouble {
        let line = format!(
            "WRONG HOST KEY: {} shows {shown} and not {}. Either somebody stands between, or the \
             gateway was made anew with another key: compare it there with \"peel gateway check\", and \
             put the right one under host_key in signer.toml",
            gateway.address,
            gateway.host_key.fingerprint()
        );
        Trouble { word: "wrong_host_key", line }
    }

    pub(super) fn key_refused(gateway: &Gateway, identity: &Identity) -> Trouble {
        let line = format!(
            "{} does not know this signer's key; put ssh_public_key = \"{}\" into gateway.toml there",
            gateway.address,
            identity.public()
        );
        Trouble { word: "key_refused", line }
    }

    pub(super) fn port_refused(gateway: &Gateway, port: u16) -> Trouble {
        let line = format!(
            "{} does not give port {port}: another connection has it, or it is another signer's; \
             compare port in signer.toml and gateway.toml",
            gateway.address
        );
        Trouble { word: "port_refused", line }
    }

    /// `message` is what the gateway said: which port is the right one.
    pub(super) fn wrong_port(gateway: &Gateway, message: &str) -> Trouble {
        Trouble { word: "port_refused", line: format!("{}: {message}", gateway.address) }
    }

    pub(super) fn silent(gateway: &Gateway) -> Trouble {
        Trouble {
            word: "silent",
            line: format!("nothing is heard from {} any more", gateway.address),
        }
    }

    /// `message` is what the gateway said: why this signer is not asked, and what to do.
    pub(super) fn refused(gateway: &Gateway, message: &str) -> Trouble {
        Trouble {
            word: "refused",
            line: format!("{} refuses this signer: {message}", gateway.address),
        }
    }

    pub(super) fn closed_saying(gateway: &Gateway, message: &str) -> Trouble {
        let line = format!("{} closed the connection: {message}", gateway.address);
        Trouble { word: "closed", line }
    }

    pub(super) fn closed(gateway: &Gateway) -> Trouble {
        Trouble { word: "closed", line: format!("{} closed the connection", gateway.address) }
    }
}
