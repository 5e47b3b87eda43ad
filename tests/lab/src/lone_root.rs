//! Root of a user namespace in which no other user exists.
//!
//! Programs that are started as root, and want to become another user, cannot do so there. They are started as a user that
//! is not root, and then do not want to: in one more namespace, where the same user has another number.

use std::fs;
use std::process::Command;

use rustix::process::geteuid;

use crate::net::Namespace;
use crate::programs;

/// Whether the test runs as such a root.
///
/// # Errors
/// When /proc does not say.
pub(crate) fn is_here() -> anyhow::Result<bool> {
    // Outside of user namespaces every user is itself: one line, and a long one.
    let map = fs::read_to_string("/proc/self/uid_map")?;
    Ok(geteuid().is_root() && map.split_whitespace().nth(2) == Some("1"))
}

/// Runs `program` in `place` as the user `nobody`, with the rights of the lone root.
///
/// # Errors
/// When util-linux is not here.
pub(crate) fn command(
    place: Namespace,
    program: impl AsRef<std::ffi::OsStr>,
) -> anyhow::Result<Command> {
    let mut command = place.command(programs::path("unshare")?)?;
    command.args(["--user", "--map-user=65534", "--map-group=65534"]).arg(program);
    Ok(command)
}
