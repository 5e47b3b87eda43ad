//! The two services of a signer, each at a port of its own.

use std::fmt;

use thiserror::Error;

/// A service of a signer, as the gateway offers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// HTTP, at the signer's port.
    Signing,
    /// The signer's sshd, at its port + 1000.
    Shell,
}

/// A signer's port at the gateway; the shell is served at port + 1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SignerPort(u16);

/// A port that leaves no room for the shell's. Always *misused*.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("port {0} is out of range: use 1 to {MAX} (the shell is served at port + {SHELL_OFFSET})", MAX = u16::MAX - SHELL_OFFSET)]
pub struct PortError(u16);

const SHELL_OFFSET: u16 = 1000;

impl Service {
    /// Both, the more urgent one first.
    pub const BOTH: [Service; 2] = [Service::Signing, Service::Shell];
}

impl SignerPort {
    /// The port, if there is room for the shell's.
    ///
    /// # Errors
    /// When it is 0, or above 64535.
    pub fn new(port: u16) -> Result<SignerPort, PortError> {
        let has_shell = port != 0 && port <= u16::MAX - SHELL_OFFSET;
        if has_shell { Ok(SignerPort(port)) } else { Err(PortError(port)) }
    }

    /// The port of a service.
    #[must_use]
    pub const fn of(self, service: Service) -> u16 {
        match service {
            Service::Signing => self.0,
            Service::Shell => self.0 + SHELL_OFFSET,
        }
    }
}

impl fmt::Display for SignerPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signers_port_leaves_room_for_its_shell() {
        let shell = |port| SignerPort::new(port).map(|port| port.of(Service::Shell));
        assert_eq!(shell(8443), Ok(9443));
        assert_eq!(shell(64_535), Ok(u16::MAX));
        for port in [0, 64_536, u16::MAX] {
            let error = SignerPort::new(port).unwrap_err().to_string();
            assert!(error.contains("use 1 to 64535"), "{error}");
        }
    }
}
