//! What a developer runs.
//!
//! - `cargo xtask test`: format, lints, licences, documentation, and every test.
//! - `cargo xtask bench sign|tunnel`: the figures of `docs/performance.md`, measured and written there.

mod bench;
mod test;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, bail};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["test"] => test::run_all(),
        ["bench", "sign"] => bench::sign(),
        ["bench", "tunnel"] => bench::tunnel(),
        _ => {
            eprintln!("cargo xtask test          format, lints, licences, and every test");
            eprintln!("cargo xtask bench sign    measure signing, and write docs/performance.md");
            eprintln!("cargo xtask bench tunnel  the same for the tunnel, beside OpenSSH");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_owned()
}

/// Runs a command in the root, shown first; fails when it fails.
fn run(program: &str, words: &[&str]) -> anyhow::Result<()> {
    println!("\n$ {program} {}", words.join(" "));
    let status = Command::new(program)
        .args(words)
        .current_dir(root())
        .status()
        .with_context(|| format!("{program} cannot be started; is it installed?"))?;
    if status.success() { Ok(()) } else { bail!("{program} {} failed", words.join(" ")) }
}
