//! The container image: `peel` built statically, the same bytes wherever it is built, and packed by the crate `image`.
//!
//! A program names where its sources stood (panic messages do), so every such folder gets one name for all machines. What
//! is in the environment and would change the code is taken out. What remains is the compiler, the C compiler and the
//! C library: the same ones give the same digest.

mod debian;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;
use std::{env, fs};

use crate::{Failure, of_this_package, root, run, start};

/// What a program is built for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Architecture {
    Amd64,
    Arm64,
}

/// A folder that differs from machine to machine, and its name in the program.
type Renamed = (PathBuf, String);

/// Where the archives are written.
const ARCHIVES: &str = "target/image";
/// Variables that change the code that is built: these, and those that begin so and go on with an underscore.
const CHANGES_CODE: [&str; 19] = [
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD",
    "CARGO_PROFILE",
    "CARGO_TARGET",
    "CARGO_INCREMENTAL",
    "RUSTC",
    "CC",
    "CXX",
    "AR",
    "CFLAGS",
    "CXXFLAGS",
    "ASFLAGS",
    "CPPFLAGS",
    "LDFLAGS",
    "TARGET",
    "HOST",
    "LIBSQLITE3",
    "SQLITE",
];

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

    fn is_of_this_machine(self) -> bool {
        match self {
            Architecture::Amd64 => cfg!(target_arch = "x86_64"),
            Architecture::Arm64 => cfg!(target_arch = "aarch64"),
        }
    }

    /// With the toolchain of this machine where it can, else with Debian's in a chroot.
    fn build(self) -> Result<PathBuf, Failure> {
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
        cargo.envs(self.environment(&folders));
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

    /// What makes the program static, and free of this machine's folders. These may have spaces in their names: cargo
    /// parts its flags by a unit separator, and the crate `cc` reads quotes if it is told so.
    fn environment(self, folders: &[Renamed]) -> [(String, String); 3] {
        let map = |(from, to): &Renamed| format!("{}={to}", from.display());
        let rust = folders.iter().map(|folder| format!("\x1f--remap-path-prefix={}", map(folder)));
        let c = folders.iter().map(|folder| format!("'-ffile-prefix-map={}' ", map(folder)));
        [
            ("CARGO_ENCODED_RUSTFLAGS".to_owned(), format!("{STATIC}{}", rust.collect::<String>())),
            (format!("CFLAGS_{}", self.triple().replace('-', "_")), c.collect()),
            ("CC_SHELL_ESCAPED_FLAGS".to_owned(), "1".to_owned()),
        ]
    }

    /// On a machine of another architecture. On its own it would change what build scripts are linked with, too, and
    /// these would not be those of an ordinary release build any more.
    fn cross_compiler(self) -> [(String, String); 2] {
        let triple = self.triple().replace('-', "_");
        let linker = format!("CARGO_TARGET_{}_LINKER", triple.to_uppercase());
        [(format!("CC_{triple}"), self.gcc().to_owned()), (linker, self.gcc().to_owned())]
    }
}

/// The C library of GNU, linked in: musl would need a toolchain of its own.
const STATIC: &str = "-Ctarget-feature=+crt-static";
/// The release without its symbols: they are a fifth of it.
const STRIPPED: &str = "profile.release.strip=\"symbols\"";

/// The Rust of this machine.
struct Toolchain {
    version: String,
    commit: String,
    sysroot: PathBuf,
}

impl Toolchain {
    fn here() -> Result<Self, Failure> {
        let told = output("rustc", &["--version", "--verbose"])?;
        let commit = told.lines().find_map(|line| line.strip_prefix("commit-hash: "));
        Ok(Self {
            version: told.lines().next().unwrap_or_default().to_owned(),
            commit: commit.unwrap_or("unknown").to_owned(),
            sysroot: PathBuf::from(output("rustc", &["--print", "sysroot"])?.trim_end()),
        })
    }

    fn has(&self, architecture: Architecture) -> bool {
        self.sysroot.join("lib/rustlib").join(architecture.triple()).join("lib").is_dir()
    }

    /// A later one goes before an earlier one.
    fn folders(&self, target: &Path) -> Result<Vec<Renamed>, Failure> {
        let mut folders =
            vec![(root(), "/peel".to_owned()), (target.to_owned(), "/target".to_owned())];
        folders.extend(registries()?.into_iter().map(|folder| (folder, "/registry".to_owned())));
        // The name that the standard library has in it where its sources are not installed.
        folders
            .push((self.sysroot.join("lib/rustlib/src/rust"), format!("/rustc/{}", self.commit)));
        Ok(folders)
    }
}

/// Where cargo has unpacked the dependencies: a folder for each registry, named after its address.
fn registries() -> Result<Vec<PathBuf>, Failure> {
    start(cargo().args(["fetch", "--locked"]))?;
    let sources = cargo_home().join("registry/src");
    let entries = fs::read_dir(&sources)
        .map_err(|error| Failure(format!("{} cannot be read: {error}", sources.display())))?;
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    folders.sort();
    Ok(folders)
}

fn cargo_home() -> PathBuf {
    let home = || Some(PathBuf::from(env::var_os("HOME")?).join(".cargo"));
    env::var_os("CARGO_HOME").map(PathBuf::from).or_else(home).unwrap_or_default()
}

/// A program that names a folder of this machine has another digest on the next one.
fn names_none(program: &Path, folders: &[PathBuf]) -> Result<(), Failure> {
    let bytes = fs::read(program)
        .map_err(|error| Failure(format!("{} cannot be read: {error}", program.display())))?;
    match folders.iter().find(|folder| is_named(folder, &bytes)) {
        None => Ok(()),
        Some(folder) => Err(Failure(format!(
            "{} names a folder of this machine, {}, and so its digest is no other machine's; give that one name for \
             all in xtask/src/image.rs",
            program.display(),
            folder.display()
        ))),
    }
}

/// A folder right under the root, like `/src`, would be found in every path.
fn is_named(folder: &Path, bytes: &[u8]) -> bool {
    let name = format!("{}/", folder.display());
    folder.components().count() > 2
        && bytes.windows(name.len()).any(|found| found == name.as_bytes())
}

fn target_folder() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root().join("target"), |folder| root().join(folder))
}

/// Cargo in the root, with nothing in its environment that changes the code.
fn cargo() -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root());
    let names = env::vars_os().map(|(name, _)| name).filter(changes_code);
    for name in names.chain(of_this_package()) {
        cargo.env_remove(name);
    }
    cargo
}

fn changes_code(name: &OsString) -> bool {
    let name = name.to_str().unwrap_or_default();
    let goes_on = |rest: &str| rest.is_empty() || rest.starts_with('_');
    CHANGES_CODE.iter().any(|beginning| name.strip_prefix(beginning).is_some_and(goes_on))
}

/// The first line of what a program says of itself.
fn version_of(program: &str) -> String {
    let told = output(program, &["--version"]).unwrap_or_default();
    told.lines().next().unwrap_or(program).to_owned()
}

fn is_started(program: &str) -> bool {
    output(program, &["--version"]).is_ok()
}

/// What a program prints.
fn output(program: &str, words: &[&str]) -> Result<String, Failure> {
    let told = Command::new(program).args(words).current_dir(root()).output();
    let told = told.map_err(|error| {
        Failure(format!("{program} cannot be started ({error}); is it installed?"))
    })?;
    if !told.status.success() {
        return Err(Failure(format!("{program} {} failed", words.join(" "))));
    }
    Ok(String::from_utf8_lossy(&told.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_the_code_is_known_by_its_name() {
        for name in
            ["RUSTFLAGS", "CFLAGS_x86_64_unknown_linux_gnu", "CARGO_PROFILE_RELEASE_LTO", "CC"]
        {
            assert!(changes_code(&name.into()), "{name}");
        }
        for name in ["PATH", "HOME", "CARGO_HOME", "CARGO_NET_OFFLINE", "ARCH", "RUSTUP_HOME"] {
            assert!(!changes_code(&name.into()), "{name}");
        }
    }

    #[test]
    fn a_program_that_names_a_folder_of_this_machine_is_seen() {
        let program = b"panicked at /home/ann/peel/crates/peel/src/main.rs";
        assert!(is_named(Path::new("/home/ann/peel"), program));
        assert!(!is_named(Path::new("/home/ann/pee"), program));
        assert!(!is_named(Path::new("/src"), program));
    }

    #[test]
    fn a_folder_with_a_space_is_one_flag() {
        let folders = [(PathBuf::from("/home/a b/peel"), "/peel".to_owned())];
        let [rust, c, _] = Architecture::Amd64.environment(&folders);
        let flags: Vec<&str> = rust.1.split('\x1f').collect();
        assert_eq!(flags, [STATIC, "--remap-path-prefix=/home/a b/peel=/peel"]);
        assert_eq!(c.1.trim(), "'-ffile-prefix-map=/home/a b/peel=/peel'");
    }
}
