//! What a developer runs. It stands on nothing but the standard library, so that its first word comes soon.
//!
//! - `cargo xtask test`: format, lints, licences, documentation, and every test.
//! - `cargo xtask test cluster [NAME…]`: what is promised in Kubernetes, in a real one.
//! - `cargo xtask test boot [NAME…]`: what is promised of a whole computer at home, in a virtual one
//!   (`--arch arm64`: of the image on such a computer).
//! - `cargo xtask image`: the container image, as OCI archives in `target/image`.
//! - `cargo xtask image home`: the bootable image for the machine at home, in `target/image`, too.
//! - `cargo xtask deb`: the Debian packages, in `target/deb`; `cargo xtask test deb` installs, upgrades and purges them.
//! - `cargo xtask bench sign|tunnel|shares|cluster`: the figures of `docs/performance.md`, measured and written there.

mod boot;
mod cluster;
mod deb;
mod go;
mod home;
mod image;
mod packages;
mod test;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::packages::Package;

/// What went wrong, in a line.
#[derive(Debug)]
struct Failure(String);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["test"] => test::run_all(),
        ["test", "cluster", filters @ ..] => cluster::test(filters),
        ["test", "boot", filters @ ..] => boot::test(filters),
        ["image"] => image::build(&image::Architecture::ALL),
        ["image", "--arch", "amd64"] => image::build(&[image::Architecture::Amd64]),
        ["image", "--arch", "arm64"] => image::build(&[image::Architecture::Arm64]),
        ["image", "home", words @ ..] => home::build(words),
        ["deb", words @ ..] => deb::build(words),
        ["test", "deb"] => deb::test::run_all(),
        ["bench", what @ ("sign" | "tunnel" | "shares")] => bench(what),
        ["bench", "cluster"] => cluster::bench(),
        _ => {
            eprintln!("cargo xtask test          format, lints, licences, and every test");
            eprintln!("cargo xtask test cluster  what is promised in Kubernetes, in a real one");
            eprintln!(
                "cargo xtask test boot     what is promised of a computer at home, in a virtual one (--arch arm64: of the image there)"
            );
            eprintln!(
                "cargo xtask image         the container image, amd64 and arm64 (--arch: one of them)"
            );
            eprintln!(
                "cargo xtask image home    the bootable image for the machine at home (--arch: one of them; --package)"
            );
            eprintln!(
                "cargo xtask deb           the Debian packages, amd64 and arm64 (--arch: one of them; --version)"
            );
            eprintln!(
                "cargo xtask test deb      they are installed, upgraded and purged, in Debian 12 and 13"
            );
            eprintln!("cargo xtask bench sign    measure signing, and write docs/performance.md");
            eprintln!("cargo xtask bench tunnel  the same for the tunnel, beside OpenSSH");
            eprintln!("cargo xtask bench shares  the same for tz4 keys in shares");
            eprintln!("cargo xtask bench cluster the same for the gateway in Kubernetes");
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

/// Beside which the tunnel is measured, in a network of its own.
const USUAL_STACK: [Package; 5] = [
    ("util-linux", "unshare"),
    ("iproute2", "ip"),
    ("openssh-client", "ssh"),
    ("openssh-server", "sshd"),
    ("autossh", "autossh"),
];

/// The program that is measured is built as its users build it.
fn bench(what: &str) -> Result<(), Failure> {
    if what == "tunnel" {
        packages::install(&USUAL_STACK)?;
    }
    run("cargo", &["build", "--release", "--locked", "--package", "peel"])?;
    run("cargo", &["run", "--release", "--locked", "--package", "bench", "--", what])
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
    let mut command = Command::new(program);
    command.args(words).current_dir(root()).envs(environment.iter().copied());
    for name in of_this_package() {
        command.env_remove(name);
    }
    start(&mut command)
}

/// Runs a command, shown first; fails when it fails.
fn start(command: &mut Command) -> Result<(), Failure> {
    let program = command.get_program().to_string_lossy();
    let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
    let line = format!("{program} {}", words.join(" "));
    let absent = format!("{program} cannot be started");
    println!("\n$ {line}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(Failure(format!("{line} failed"))),
        Err(error) => Err(Failure(format!("{absent} ({error}); is it installed?"))),
    }
}

/// What cargo told xtask of its own package. With it, build scripts that read the same of theirs (ring's does) would
/// run again after every cargo that was started by hand, and all that stands on them would be compiled again.
fn of_this_package() -> impl Iterator<Item = OsString> {
    let is_of_package =
        |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    let names = std::env::vars_os().map(|(name, _)| name);
    names.filter(move |name| name.to_str().is_some_and(is_of_package))
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
