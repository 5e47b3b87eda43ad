//! The two ports that a key opens.

use std::fmt;

/// One of the two ports of a signer at the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Door {
    /// The signer's port: HTTP.
    Signing,
    /// The signer's port + 1000: whatever its sshd says.
    Shell,
}

/// From a signer's port to its shell's.
const SHELL_OFFSET: u16 = 1000;

impl Door {
    /// Both, the more urgent one first.
    pub const BOTH: [Door; 2] = [Door::Signing, Door::Shell];

    /// The port of this door for a signer whose port is `port`; none when there is no such port.
    #[must_use]
    pub fn port(self, port: u16) -> Option<u16> {
        match self {
            Door::Signing => Some(port),
            Door::Shell => port.checked_add(SHELL_OFFSET),
        }
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Door::Signing => "signing",
            Door::Shell => "shell",
        })
    }
}
