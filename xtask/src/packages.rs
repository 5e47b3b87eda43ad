//! Debian packages that are installed when they are missing.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use crate::{Failure, run};

/// A package, and a program of it, or the file of one that has none.
pub(crate) type Package = (&'static str, &'static str);

/// Where an ordinary user's PATH does not lead.
const SYSTEM: [&str; 2] = ["/usr/sbin", "/sbin"];

/// Installs what is missing, if we may; else says what to install. Tests that need it fail then, and name
/// the package.
pub(crate) fn install(needed: &[Package]) -> Result<(), Failure> {
    let missing = needed.iter().filter(|(_, program)| !is_installed(program));
    let missing: Vec<&str> = missing.map(|(package, _)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !is_root() || !is_installed("apt-get") {
        println!("please install: apt-get install --no-install-recommends {}", missing.join(" "));
        return Ok(());
    }
    run("apt-get", &["update"])?;
    // No person is there to answer a package's questions.
    let install = ["DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "--yes"];
    run("env", &[&install[..], &["--no-install-recommends"], &missing].concat())
}

/// Not asked for its version: not every program tells it and does nothing else.
pub(crate) fn is_installed(program: &str) -> bool {
    let folders = env::var_os("PATH").unwrap_or_default();
    let mut folders = env::split_paths(&folders).chain(SYSTEM.map(PathBuf::from));
    folders.any(|folder| folder.join(program).is_file())
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout == b"0\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_seen() {
        assert!(is_installed("sh"));
        assert!(!is_installed("no-such-program"));
    }
}
