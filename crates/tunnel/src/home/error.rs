//! Why a link is not up.

use std::io;

use crate::Identity;
use crate::home::Gateway;

/// Why a link is not up. Each has a reason for a metric, of a bounded set, and a message for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkError {
    /// One of `no_name`, `unreachable`, `no_ssh`, `wrong_host_key`, `key_refused`, `port_refused`, `refused`,
    /// `silent`, `closed`.
    pub reason: &'static str,
    /// What happened, and what to do.
    pub message: String,
}

impl LinkError {
    pub(super) fn no_name(gateway: &Gateway, error: &io::Error) -> LinkError {
        let message = format!("the name in {} is not found: {error}", gateway.address);
        LinkError { reason: "no_name", message }
    }

    pub(super) fn unreachable(
        gateway: &Gateway,
        interface: Option<&str>,
        error: &io::Error,
    ) -> LinkError {
        let over = interface.map_or_else(String::new, |interface| format!(" over {interface}"));
        let message = format!("{} is not reached{over}: {error}", gateway.address);
        LinkError { reason: "unreachable", message }
    }

    pub(super) fn no_ssh(gateway: &Gateway, error: &russh::Error) -> LinkError {
        let message = format!("no ssh with {}: {error}", gateway.address);
        LinkError { reason: "no_ssh", message }
    }

    pub(super) fn wrong_host_key(gateway: &Gateway, shown: &str) -> LinkError {
        let message = format!(
            "WRONG HOST KEY: {} shows {shown} and not {}. Either another machine answers in its place, or the \
             gateway was made anew with another key: compare it there with \"peel gateway check\", and \
             put the right one under host_key in signer.toml",
            gateway.address,
            gateway.host_key.fingerprint()
        );
        LinkError { reason: "wrong_host_key", message }
    }

    pub(super) fn key_refused(gateway: &Gateway, identity: &Identity) -> LinkError {
        let message = format!(
            "{} does not know this signer's key; put ssh_public_key = \"{}\" into gateway.toml there",
            gateway.address,
            identity.public()
        );
        LinkError { reason: "key_refused", message }
    }

    pub(super) fn port_refused(gateway: &Gateway, port: u16) -> LinkError {
        let message = format!(
            "{} does not give port {port}: another connection has it, or it is another signer's; \
             compare port in signer.toml and gateway.toml",
            gateway.address
        );
        LinkError { reason: "port_refused", message }
    }

    /// `message` is what the gateway said: which port is the right one.
    pub(super) fn wrong_port(gateway: &Gateway, message: &str) -> LinkError {
        LinkError { reason: "port_refused", message: format!("{}: {message}", gateway.address) }
    }

    pub(super) fn silent(gateway: &Gateway) -> LinkError {
        LinkError {
            reason: "silent",
            message: format!("nothing is heard from {} any more", gateway.address),
        }
    }

    /// `message` is what the gateway said: why this signer is not asked, and what to do.
    pub(super) fn refused(gateway: &Gateway, message: &str) -> LinkError {
        LinkError {
            reason: "refused",
            message: format!("{} refuses this signer: {message}", gateway.address),
        }
    }

    pub(super) fn closed_saying(gateway: &Gateway, message: &str) -> LinkError {
        let message = format!("{} closed the connection: {message}", gateway.address);
        LinkError { reason: "closed", message }
    }

    pub(super) fn closed(gateway: &Gateway) -> LinkError {
        LinkError {
            reason: "closed",
            message: format!("{} closed the connection", gateway.address),
        }
    }
}
