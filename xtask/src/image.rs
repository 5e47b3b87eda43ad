//! The container image: `peel` built statically, the same bytes wherever it is built, and packed by the crate `image`.
//!
//! What can differ between machines is in `reproducible.rs`. What remains is the compiler, the C compiler and the C library:
//! the same ones give the same digest.

pub(crate) mod debian;
mod reproducible;
mod toolchain;

use std::path::PathBuf;
use std::time::Instant;

use crate::{Failure, root, run, start};
pub(crate) use reproducible::target_folder;
use reproducible::{cargo, cargo_home, environment, names_none};
pub(crate) use toolchain::output;
use toolchain::{Toolchain, is_started, version_of};

/// What a program is built for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Architecture {
    Amd64,
    Arm64,
}

/// Where the archives are written.
const ARCHIVES: &str = "target/image";
/// Builds and packs for each architecture; for both there is an archive of both, too.
pub(crate) fn build(architectures: &[Architecture]) -> Result<(), Failure> {
    let started = Instant::now();
    let mut programs = Vec::new();
    for architecture in architectures {
        println!(
            "\n=== peel for {} ({} s so far)",
            architecture.name(),
            started.elapsed().as_secs()
        );
        programs.push(format!("{}={}", architecture.name(), architecture.build()?.display()));
    }
    println!("\n=== the archives ({} s so far)", started.elapsed().as_secs());
    let image = ["run", "--quiet", "--locked", "--package", "image", "--", ARCHIVES];
    let programs: Vec<&str> = programs.iter().map(String::as_str).collect();
    run("cargo", &[&image[..], &programs].concat())?;
    println!("\nDone after {} s", started.elapsed().as_secs());
    Ok(())
}

impl Architecture {
    pub(crate) const ALL: [Architecture; 2] = [Architecture::Amd64, Architecture::Arm64];

    /// This machine's, if it is one of them.
    pub(crate) fn own() -> Architecture {
        if Architecture::Arm64.is_of_this_machine() {
            Architecture::Arm64
        } else {
            Architecture::Amd64
        }
    }

    /// In the words of OCI and Debian.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Architecture::Amd64 => "amd64",
            Architecture::Arm64 => "arm64",
        }
    }

    fn triple(self) -> &'static str {
        match self {
            Architecture::Amd64 => "x86_64-unknown-linux-gnu",
            Architecture::Arm64 => "aarch64-unknown-linux-gnu",
        }
    }

    /// Debian's compiler, which is also the linker.
    fn gcc(self) -> &'static str {
        match self {
            Architecture::Amd64 => "x86_64-linux-gnu-gcc",
            Architecture::Arm64 => "aarch64-linux-gnu-gcc",
        }
    }

    /// Debian's packages of the compiler and the C library for this architecture, on another.
    fn cross_packages(self) -> [&'static str; 2] {
        match self {
            Architecture::Amd64 => ["gcc-x86-64-linux-gnu", "libc6-dev-amd64-cross"],
            Architecture::Arm64 => ["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"],
        }
    }

    pub(crate) fn is_of_this_machine(self) -> bool {
        match self {
            Architecture::Amd64 => cfg!(target_arch = "x86_64"),
            Architecture::Arm64 => cfg!(target_arch = "aarch64"),
        }
    }

    /// Builds `peel` with the toolchain of this machine where it can, else with Debian's in a chroot.
    pub(crate) fn build(self) -> Result<PathBuf, Failure> {
        let toolchain = Toolchain::here()?;
        if self.is_of_this_machine() || (toolchain.has(self) && is_started(self.gcc())) {
            return self.build_here(&toolchain);
        }
        println!("The toolchain of this machine builds nothing for {}.", self.name());
        debian::build(self)
    }

    fn build_here(self, toolchain: &Toolchain) -> Result<PathBuf, Failure> {
        let target = target_folder();
        let folders = toolchain.folders(&target)?;
        let mut cargo = cargo();
        cargo.args(["build", "--release", "--locked", "--package", "peel"]);
        cargo.args(["--config", STRIPPED, "--target", self.triple(), "--target-dir"]).arg(&target);
        cargo.envs(environment(self, &folders));
        if !self.is_of_this_machine() {
            cargo.envs(self.cross_compiler());
        }
        println!("with {} and {}", toolchain.version, version_of(self.compiler()));
        start(&mut cargo)?;
        let program = target.join(self.triple()).join("release/peel");
        names_none(&program, &[root(), target, cargo_home()])?;
        Ok(program)
    }

    fn compiler(self) -> &'static str {
        if self.is_of_this_machine() { "cc" } else { self.gcc() }
    }

    /// On a machine of another architecture. On its own it would change what build scripts are linked with, too, and
    /// these would not be those of an ordinary release build any more.
    fn cross_compiler(self) -> [(String, String); 2] {
        let triple = self.triple().replace('-', "_");
        let linker = format!("CARGO_TARGET_{}_LINKER", triple.to_uppercase());
        [(format!("CC_{triple}"), self.gcc().to_owned()), (linker, self.gcc().to_owned())]
    }
}

/// The release without its symbols: they are a fifth of it.
const STRIPPED: &str = "profile.release.strip=\"symbols\"";
