//! Keys as `ssh-keygen` makes them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::bail;
use tunnel::PublicKey;

use crate::programs;

/// What kind of key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// The usual one today.
    Ed25519,
    /// NIST P-256.
    Ecdsa,
    /// 2048 bits, as older boxes have.
    Rsa,
}

/// A key in a file, without a passphrase.
#[derive(Debug, Clone)]
pub struct KeyPair {
    /// The file of the private key.
    pub private: PathBuf,
    /// Its public half.
    pub public: PublicKey,
}

/// Makes a key in `file`, which must not be there yet.
///
/// # Errors
/// When `ssh-keygen` is not here or refuses.
pub fn ssh_keygen(kind: KeyKind, file: &Path) -> anyhow::Result<KeyPair> {
    let words: &[&str] = match kind {
        KeyKind::Ed25519 => &["-t", "ed25519"],
        KeyKind::Ecdsa => &["-t", "ecdsa"],
        KeyKind::Rsa => &["-t", "rsa", "-b", "2048"],
    };
    let mut command = Command::new(programs::path("ssh-keygen")?);
    command.args(["-q", "-N", "", "-f"]).arg(file).args(words).stdin(Stdio::null());
    let output = command.output()?;
    if !output.status.success() {
        bail!("ssh-keygen: {}", String::from_utf8_lossy(&output.stderr));
    }
    let public = fs::read_to_string(file.with_extension("pub"))?.parse()?;
    Ok(KeyPair { private: file.to_owned(), public })
}
