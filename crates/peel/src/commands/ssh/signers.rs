//! The signers that a gateway's processes know, and where the shell of one is.

use gateway::report::{GatewayReport, SessionReport, SignerReport};
use thiserror::Error;
use tunnel::Service;

/// What the processes of a gateway say: one, or a pod each.
#[derive(Debug)]
pub(super) struct Gateways {
    pub(super) answered: Vec<Gateway>,
    /// Of those that did not answer: why.
    pub(super) silent: Vec<String>,
}

/// What one process says.
#[derive(Debug)]
pub(super) struct Gateway {
    /// The pod, or the host.
    pub(super) name: String,
    pub(super) report: GatewayReport,
}

/// A shell that is there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shell {
    /// The pod, or the host.
    pub(super) gateway: String,
    /// The signer's; the shell's is above it.
    pub(super) port: u16,
}

/// Why there is no shell.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum NoShell {
    #[error("no gateway answers: {0}")]
    NoGateway(String),
    #[error("no signer {name:?} at the gateway{there}{but}")]
    Unknown { name: String, there: String, but: String },
    #[error("signer {name:?} is not connected to the gateway: its own log says why, at home{but}")]
    NotConnected { name: String, but: String },
    #[error(
        "signer {name:?} is connected, and its shell is not: write ssh = \"127.0.0.1:22\" under [tunnel] in its signer.toml (an autossh box: -R {shell_port}:127.0.0.1:22){but}"
    )]
    NotForwarded { name: String, shell_port: u16, but: String },
}

impl NoShell {
    /// Whether the command line is wrong, and not the world.
    pub(crate) fn is_misuse(&self) -> bool {
        matches!(self, NoShell::Unknown { .. })
    }
}

impl Gateways {
    /// Each signer at each process.
    pub(super) fn signers(&self) -> impl Iterator<Item = (&Gateway, &SignerReport)> {
        self.answered
            .iter()
            .flat_map(|gateway| gateway.report.signers.iter().map(move |signer| (gateway, signer)))
    }

    /// The best way to a signer's shell: over a line that is not silent, and costs nothing.
    pub(super) fn shell_of(&self, name: &str) -> Result<Shell, NoShell> {
        if self.answered.is_empty() {
            return Err(NoShell::NoGateway(self.silent.join("; ")));
        }
        let named = || self.signers().filter(|(_, signer)| signer.name == name);
        let shells = named().flat_map(|(gateway, signer)| {
            of_service(signer, Service::Shell).map(move |session| (gateway, signer, session))
        });
        let best = shells.min_by_key(|(_, _, session)| (session.silent, session.metered));
        match best {
            Some((gateway, signer, _)) => {
                Ok(Shell { gateway: gateway.name.clone(), port: signer.port })
            }
            None => Err(self.without_shell(name, named().map(|(_, signer)| signer).collect())),
        }
    }

    fn without_shell(&self, name: &str, named: Vec<&SignerReport>) -> NoShell {
        let (name, but) = (name.to_owned(), self.but());
        let Some(first) = named.first() else {
            return NoShell::Unknown { name, there: self.there(), but };
        };
        let shell_port = first.port.saturating_add(1000);
        if named.iter().all(|signer| signer.sessions.is_empty()) {
            return NoShell::NotConnected { name, but };
        }
        NoShell::NotForwarded { name, shell_port, but }
    }

    fn there(&self) -> String {
        let mut names: Vec<&str> = self.signers().map(|(_, signer)| signer.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        match names.as_slice() {
            [] => ", nor any other; add it to gateway.toml".to_owned(),
            [one] => format!("; there is {one}"),
            several => format!("; there are {}", several.join(", ")),
        }
    }

    /// What of the answer is missing.
    fn but(&self) -> String {
        if self.silent.is_empty() {
            return String::new();
        }
        format!(" (not every pod was heard: {})", self.silent.join("; "))
    }
}

/// The sessions of a signer that are of a service.
pub(super) fn of_service(
    signer: &SignerReport,
    service: Service,
) -> impl Iterator<Item = &SessionReport> {
    let service = service.to_string();
    signer.sessions.iter().filter(move |session| session.service == service)
}
