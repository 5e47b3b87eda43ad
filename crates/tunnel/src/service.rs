//! The two services of a signer, each at a port of its own.

use std::fmt;

/// A service of a signer, as the gateway offers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// HTTP, at the signer's port.
    Signing,
    /// The signer's sshd, at its port + 1000.
    Shell,
}

/// From a signer's port to its shell's.
const SHELL_OFFSET: u16 = 1000;

impl Service {
    /// Both, the more urgent one first.
    pub const BOTH: [Service; 2] = [Service::Signing, Service::Shell];

    /// The port of this service for a signer whose port is `port`; none when there is no such port.
    #[must_use]
    pub fn port(self, port: u16) -> Option<u16> {
        match self {
            Service::Signing => Some(port),
            Service::Shell => port.checked_add(SHELL_OFFSET),
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Service::Signing => "signing",
            Service::Shell => "shell",
        })
    }
}
