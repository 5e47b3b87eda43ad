//! The usual stack: Debian's sshd, ssh and autossh, as they are.

mod client;
mod keys;
mod sshd;

use std::net::SocketAddr;

pub use client::{AUTOSSH_POLL, Client, Forward};
pub use keys::{KeyKind, KeyPair, ssh_keygen};
pub use sshd::Sshd;

/// An ssh endpoint, as a client knows it: an [`Sshd`] or a gateway of Peel.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Where it listens.
    pub address: SocketAddr,
    /// The name to ask for.
    pub user: String,
    /// The only key that is taken for it.
    pub host_key: tunnel::PublicKey,
}
