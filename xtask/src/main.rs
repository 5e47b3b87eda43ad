//! What a developer runs. It stands on nothing but the standard library, so that its first word comes soon.
//!
//! - `cargo xtask test`: format, lints, licences, documentation, and every test.
//! - `cargo xtask bench sign|tunnel`: the figures of `docs/performance.md`, measured and written there.

mod test;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// What went wrong, in a line.
#[derive(Debug)]
struct Failure(String);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["test"] => test::run_all(),
        ["bench", what @ ("sign" | "tunnel")] => {
            run("cargo", &["run", "--release", "--locked", "--package", "bench", "--", what])
        }
        _ => {
            eprintln!("cargo xtask test          format, lints, licences, and every test");
            eprintln!("cargo xtask bench sign    measure signing, and write docs/performance.md");
            eprintln!("cargo xtask bench tunnel  the same for the tunnel, beside OpenSSH");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_owned()
}

/// Runs a command in the root, shown first; fails when it fails.
fn run(program: &str, words: &[&str]) -> Result<(), Failure> {
    run_with(program, words, &[])
}

/// The same, with more in its environment.
fn run_with(program: &str, words: &[&str], environment: &[(&str, &Path)]) -> Result<(), Failure> {
    println!("\n$ {program} {}", words.join(" "));
    let mut command = Command::new(program);
    command.args(words).current_dir(root()).envs(environment.iter().copied());
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(Failure(format!("{program} {} failed", words.join(" ")))),
        Err(error) => {
            Err(Failure(format!("{program} cannot be started ({error}); is it installed?")))
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
