//! A build in a Debian of its own, for an architecture that the toolchain of this machine does not know: Debian has the
//! standard library of Rust for both. It is made once and kept in a cache folder, under a name that its recipe gives.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use super::reproducible::{Renamed, cargo_home, environment, registries};
use super::toolchain::{is_started, output};
use super::{Architecture, STRIPPED};
use crate::{Failure, root, start};

/// Debian's release, and where it has a Rust that is new enough.
const RELEASE: &str = "trixie";
const BACKPORTS: &str = "trixie-backports";
/// Where things stand in it: the checkout, what is built, cargo's home, and the chroot's own Rust.
const SOURCES: &str = "/src";
const TARGET: &str = "/target";
const CARGO: &str = "/cargo";
const RUST: &str = "/usr/lib/rustlib/src/rust";
const PATH: &str = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";

/// Enters the chroot, in a mount namespace that ends with it. Nothing of the checkout can be changed from inside.
const ENTER: &str = r#"
set -e
chroot=$1 sources=$2 target=$3 registry=$4
shift 4
mount -t proc proc "$chroot/proc"
mount --rbind /dev "$chroot/dev"
mount --bind "$sources" "$chroot/src"
mount -o remount,bind,ro "$chroot/src"
mount --bind "$target" "$chroot/target"
mount --bind "$registry" "$chroot/cargo/registry"
exec chroot "$chroot" "$@"
"#;

/// Builds `peel` for `architecture` in a chroot of this machine's own architecture.
pub(super) fn build(architecture: Architecture) -> Result<PathBuf, Failure> {
    check(architecture)?;
    let chroot = chroot(architecture)?;
    // Before the chroot, which has no network of its own.
    let registries = registries()?;
    let target = root().join("target").join(architecture.name());
    make_folder(&target)?;
    println!("with {} of Debian {BACKPORTS}", version_in(&chroot)?);
    let mut build = Command::new("unshare");
    build.args(["--mount", "--propagation", "private", "sh", "-c", ENTER, "sh"]);
    build.arg(&chroot).arg(root()).arg(&target).arg(cargo_home().join("registry"));
    build.args(["env", "-i", PATH, "HOME=/root", "TERM=dumb"]).arg(format!("CARGO_HOME={CARGO}"));
    let environment = environment(architecture, &folders(&registries));
    let environment = environment.into_iter().chain(architecture.cross_compiler());
    build.args(environment.map(|(name, value)| format!("{name}={value}")));
    build.args(["cargo", "build", "--release", "--locked", "--offline", "--package", "peel"]);
    build.arg("--manifest-path").arg(format!("{SOURCES}/Cargo.toml"));
    build.args(["--config", STRIPPED, "--target", architecture.triple(), "--target-dir", TARGET]);
    start(&mut build)?;
    Ok(target.join(architecture.triple()).join("release/peel"))
}

/// What it needs, with the cure.
fn check(architecture: Architecture) -> Result<(), Failure> {
    let (name, triple, gcc) = (architecture.name(), architecture.triple(), architecture.gcc());
    let other = format!(
        "or give this machine \"rustup target add {triple}\" and {gcc}, or build the other one alone with --arch"
    );
    if output("id", &["--user"])?.trim() != "0" {
        return Err(Failure(format!(
            "for {name} a Debian chroot is made, which only root can; run it as root, {other}"
        )));
    }
    if !is_started("mmdebstrap") {
        return Err(Failure(format!(
            "mmdebstrap is not here, which makes the chroot for {name}; please install: apt-get install \
             --no-install-recommends mmdebstrap, {other}"
        )));
    }
    Ok(())
}

/// The chroot: it is made if it is not there. A half-made one has another name.
fn chroot(architecture: Architecture) -> Result<PathBuf, Failure> {
    let recipe = Recipe::of(architecture)?;
    let cache = cache()?;
    let chroot = cache.join(recipe.name(architecture));
    if chroot.is_dir() {
        println!("The chroot is there: {}", chroot.display());
        return Ok(chroot);
    }
    println!("A Debian chroot is made, once for this machine: some two minutes, and 1.4 GB in");
    println!("{}", chroot.display());
    let partial = chroot.with_extension("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(|error| failed_at(&partial, &error))?;
    }
    make_folder(&cache)?;
    recipe.make(&partial)?;
    fs::rename(&partial, &chroot).map_err(|error| failed_at(&chroot, &error))?;
    Ok(chroot)
}

/// What a chroot is made of. Another recipe is another chroot.
#[derive(Hash)]
struct Recipe {
    options: Vec<String>,
    sources: [String; 2],
}

impl Recipe {
    fn of(architecture: Architecture) -> Result<Self, Failure> {
        let mirror = mirrors()?.debian;
        let own = output("dpkg", &["--print-architecture"])?;
        let own = own.trim();
        let foreign = architecture.name();
        let [gcc, libc] = architecture.cross_packages();
        let mut options = vec![
            "--variant=apt".to_owned(),
            format!("--architectures={own},{foreign}"),
            // Rust is newer there; a C compiler is not there at all.
            format!("--aptopt=APT::Default-Release \"{BACKPORTS}\""),
            format!("--include=rustc,cargo,libstd-rust-dev:{foreign},gcc,libc6-dev,{gcc},{libc}"),
            format!(
                "--customize-hook=mkdir -p \"$1{SOURCES}\" \"$1{TARGET}\" \"$1{CARGO}/registry\""
            ),
        ];
        options.extend(proxies()?.into_iter().map(|proxy| format!("--aptopt={proxy}")));
        let sources = [RELEASE, BACKPORTS].map(|suite| format!("deb {mirror} {suite} main"));
        Ok(Self { options, sources })
    }

    fn name(&self, architecture: Architecture) -> String {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        format!("debian-{}-{:016x}", architecture.name(), hasher.finish())
    }

    fn make(&self, folder: &Path) -> Result<(), Failure> {
        let mut make = Command::new("mmdebstrap");
        make.args(&self.options).arg(RELEASE).arg(folder).args(&self.sources);
        start(&mut make)
    }
}

/// The mirrors that this machine's apt uses.
pub(crate) struct Mirrors {
    /// Of Debian itself.
    pub(crate) debian: String,
    /// Of its security updates, if apt knows one.
    pub(crate) security: Option<String>,
}

/// The mirrors that this machine's apt uses.
pub(crate) fn mirrors() -> Result<Mirrors, Failure> {
    let targets = output(
        "apt-get",
        &["indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)", "Created-By: Packages"],
    )?;
    let find = |label| targets.lines().find_map(|line| line.strip_prefix(label)).map(str::to_owned);
    let debian = find("Debian|Debian|").ok_or_else(|| {
        Failure("apt knows no mirror of Debian; run \"apt-get update\", on a Debian".to_owned())
    })?;
    Ok(Mirrors { debian, security: find("Debian|Debian-Security|") })
}

/// The proxies that this machine's apt goes through, as its configuration says them.
pub(crate) fn proxies() -> Result<Vec<String>, Failure> {
    let told = output("apt-config", &["dump", "--no-empty", "Acquire::http", "Acquire::https"])?;
    let proxies = told.lines().filter(|line| line.contains("::Proxy "));
    Ok(proxies.map(|line| line.trim_end_matches(';').to_owned()).collect())
}

/// Outside of the checkout: every checkout of this machine has the same.
pub(crate) fn cache() -> Result<PathBuf, Failure> {
    let cache =
        env::var_os("XDG_CACHE_HOME").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")));
    let cache =
        cache.ok_or_else(|| Failure("neither XDG_CACHE_HOME nor HOME is set".to_owned()))?;
    Ok(cache.join("peel"))
}

/// The folders as they are named inside.
fn folders(registries: &[PathBuf]) -> Vec<Renamed> {
    let registries = registries.iter().filter_map(|folder| folder.file_name());
    let registries = registries.map(|name| Path::new(CARGO).join("registry/src").join(name));
    let mut folders = vec![
        (PathBuf::from(SOURCES), "/peel".to_owned()),
        (PathBuf::from(TARGET), "/target".to_owned()),
        (PathBuf::from(RUST), "/rustc/debian".to_owned()),
    ];
    folders.extend(registries.map(|folder| (folder, "/registry".to_owned())));
    folders
}

fn version_in(chroot: &Path) -> Result<String, Failure> {
    let told =
        output("chroot", &[&chroot.to_string_lossy(), "/usr/bin/env", PATH, "rustc", "--version"])?;
    Ok(told.trim().to_owned())
}

pub(crate) fn make_folder(folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|error| failed_at(folder, &error))
}

fn failed_at(path: &Path, error: &std::io::Error) -> Failure {
    Failure(format!("{}: {error}", path.display()))
}
