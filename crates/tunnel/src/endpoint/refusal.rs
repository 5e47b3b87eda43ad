//! What is refused, why, and how often.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::foreign_text::escaped;

/// Why a request or a connection was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Refusal {
    /// A public key that is not in the configuration.
    UnknownKey,
    /// A password, or something else that is no key.
    Method,
    /// No key was proved in time, or there was no preauth slot.
    Login,
    /// What came is not ssh, or ended in the middle of it.
    Protocol,
    /// A shell, a command, sftp, an agent or X11.
    Session,
    /// A connection to somewhere (`-L`, `-D`, `-W`).
    Direct,
    /// A port that is not this key's.
    Port,
    /// A port on another address than the gateway's own, or a socket.
    Address,
    /// More connections than a key may have.
    Crowd,
    /// More requests over one connection than a signer needs.
    Flood,
    /// A signature of a kind that is not taken.
    Algorithm,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Refusal; 11] = [
        Refusal::UnknownKey,
        Refusal::Method,
        Refusal::Login,
        Refusal::Protocol,
        Refusal::Session,
        Refusal::Direct,
        Refusal::Port,
        Refusal::Address,
        Refusal::Crowd,
        Refusal::Flood,
        Refusal::Algorithm,
    ];

    /// A bounded word, for a metric.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Refusal::UnknownKey => "unknown_key",
            Refusal::Method => "method",
            Refusal::Login => "login",
            Refusal::Protocol => "protocol",
            Refusal::Session => "session",
            Refusal::Direct => "direct",
            Refusal::Port => "port",
            Refusal::Address => "address",
            Refusal::Crowd => "crowd",
            Refusal::Flood => "flood",
            Refusal::Algorithm => "algorithm",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::UnknownKey => "the key is not in the configuration",
            Refusal::Method => "only public keys are taken",
            Refusal::Login => "no key was proved in time",
            Refusal::Protocol => "what came is not ssh",
            Refusal::Session => "no shell, command, sftp, agent or X11 here",
            Refusal::Direct => "no connection to anywhere is made from here",
            Refusal::Port => "the port is not this key's",
            Refusal::Address => "the address is not the gateway's",
            Refusal::Crowd => "the key has too many connections",
            Refusal::Flood => "it asks for too much, and is cut",
            Refusal::Algorithm => {
                "its signature is of a kind that is not taken: rsa-sha2-256 or rsa-sha2-512, not SHA-1"
            }
        })
    }
}

/// How often each was refused. Clones share the counts.
#[derive(Debug, Clone, Default)]
pub struct Refusals(Arc<[AtomicU64; Refusal::ALL.len()]>);

impl Refusals {
    /// How often this was refused.
    #[must_use]
    pub fn count(&self, refusal: Refusal) -> u64 {
        self.cell(refusal).map_or(0, |cell| cell.load(Ordering::Relaxed))
    }

    pub(super) fn note(&self, refusal: Refusal) {
        if let Some(cell) = self.cell(refusal) {
            cell.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn cell(&self, refusal: Refusal) -> Option<&AtomicU64> {
        let at = Refusal::ALL.iter().position(|own| *own == refusal)?;
        self.0.get(at)
    }
}

/// What a client said, as it may stand in a log.
pub(super) fn brief(said: &str) -> String {
    escaped(said, BRIEF)
}

/// Characters. A host name may have 253, and is recognised by fewer.
const BRIEF: usize = 80;
