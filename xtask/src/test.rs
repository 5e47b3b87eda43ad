//! Everything that has to hold before a change lands.

use std::process::{Command, Stdio};

use anyhow::bail;

use crate::run;

/// Debian packages that the build and the tests use, and a program of each.
const NEEDED: [(&str, &str); 2] = [("gcc", "cc"), ("util-linux", "unshare")];
const CARGO_DENY: &str = "0.20.2";

pub(crate) fn run_all() -> anyhow::Result<()> {
    needed()?;
    run("cargo", &["fmt", "--all", "--check"])?;
    run("cargo", &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])?;
    cargo_deny()?;
    run("cargo", &["doc", "--workspace", "--no-deps", "--locked", "--document-private-items"])?;
    run("cargo", &["test", "--workspace", "--locked"])
}

fn needed() -> anyhow::Result<()> {
    let missing: Vec<&str> = NEEDED
        .iter()
        .filter(|(_, program)| !is_there(program, "--version"))
        .map(|(package, _)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !is_root() {
        bail!("please install: apt-get install {}", missing.join(" "));
    }
    run("apt-get", &["update"])?;
    run("apt-get", &[&["install", "--yes"][..], &missing].concat())
}

/// Bans, licences and sources of what is linked in. Its database of advisories is not asked: the
/// test has to give the same answer tomorrow, and without a network.
fn cargo_deny() -> anyhow::Result<()> {
    if !is_there("cargo-deny", "--version") {
        println!("\ncargo-deny is not here: building it once, which takes some minutes");
        run("cargo", &["install", "--locked", "--version", CARGO_DENY, "cargo-deny"])?;
    }
    run("cargo", &["deny", "--locked", "check", "bans", "licenses", "sources"])
}

fn is_there(program: &str, word: &str) -> bool {
    let mut command = Command::new(program);
    command.arg(word).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout == b"0\n")
}
