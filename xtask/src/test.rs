//! Everything that has to hold before a change lands.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use crate::run;

/// Debian packages that the build and the tests use, and a program of each.
const NEEDED: [(&str, &str); 7] = [
    ("gcc", "cc"),
    ("util-linux", "unshare"),
    ("iproute2", "ip"),
    ("openssh-client", "ssh"),
    ("openssh-server", "sshd"),
    ("autossh", "autossh"),
    ("chromium", "chromium"),
];
/// Where an ordinary user's PATH does not lead.
const SYSTEM: [&str; 2] = ["/usr/sbin", "/sbin"];
const CARGO_DENY: &str = "0.20.2";

pub(crate) fn run_all() -> anyhow::Result<()> {
    needed()?;
    run("cargo", &["fmt", "--all", "--check"])?;
    run("cargo", &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])?;
    cargo_deny()?;
    run("cargo", &["doc", "--workspace", "--no-deps", "--locked", "--document-private-items"])?;
    run("cargo", &["test", "--workspace", "--locked"])
}

/// Installs what is missing, if we may; else says what to install. Tests that need it fail then, and name
/// the package.
fn needed() -> anyhow::Result<()> {
    let missing = NEEDED.iter().filter(|(_, program)| !is_installed(program));
    let missing: Vec<&str> = missing.map(|(package, _)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !is_root() || !is_installed("apt-get") {
        println!("\nplease install: apt-get install {}", missing.join(" "));
        return Ok(());
    }
    run("apt-get", &["update"])?;
    // Nobody is there to answer a package's questions.
    let install = [
        "DEBIAN_FRONTEND=noninteractive",
        "apt-get",
        "install",
        "--yes",
        "--no-install-recommends",
    ];
    run("env", &[&install[..], &missing].concat())
}

/// Bans, licences and sources of what is linked in. Its database of advisories is not asked: the
/// test has to give the same answer tomorrow, and without a network.
fn cargo_deny() -> anyhow::Result<()> {
    if !is_installed("cargo-deny") {
        println!("\ncargo-deny is not here: building it once, which takes some minutes");
        run("cargo", &["install", "--locked", "--version", CARGO_DENY, "cargo-deny"])?;
    }
    run("cargo", &["deny", "--locked", "check", "bans", "licenses", "sources"])
}

/// Not asked for its version: not every program tells it and does nothing else.
fn is_installed(program: &str) -> bool {
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
