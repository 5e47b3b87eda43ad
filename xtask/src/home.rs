//! The bootable image for the machine at home: Debian, its kernel and Peel, on a card that is edited on any computer.
//!
//! What it is made of stands in `deploy/home`. The root file system without Peel is made once for this machine and kept
//! (`home/debian.rs`); the package of Peel is installed into a copy of it (`home/root.rs`), and both partitions are written
//! into a file (`home/disk.rs`). Nothing of this machine is mounted or changed.

mod debian;
mod disk;
mod root;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::image::Architecture;
use crate::packages::{self, Package};
use crate::{Failure, deb, root as checkout, start};

/// What an image is made of.
const RECIPE: &str = "deploy/home";
/// Where images are written.
const IMAGES: &str = "target/image";

/// Debian packages that are needed here, and a program of each.
const NEEDED: [Package; 6] = [
    ("mmdebstrap", "mmdebstrap"),
    ("e2fsprogs", "mkfs.ext4"),
    ("dosfstools", "mkfs.vfat"),
    ("mtools", "mcopy"),
    ("fdisk", "sfdisk"),
    ("util-linux", "unshare"),
];
/// For an architecture that is not this machine's.
const EMULATOR: [Package; 1] = [("qemu-user-static", "qemu-aarch64-static")];

const USAGE: &str = "write \"cargo xtask image home [--arch amd64|arm64 [--package FILE]]\"";

/// Builds the images that the words after `cargo xtask image home` ask for: with the package of this checkout, or, for one
/// architecture, with one that is there already.
pub(crate) fn build(words: &[&str]) -> Result<(), Failure> {
    let (name, package) = match words {
        [] => (None, None),
        ["--arch", name] => (Some(*name), None),
        ["--arch", name, "--package", file] => (Some(*name), Some(Path::new(file))),
        _ => return Err(Failure(format!("{}: {USAGE}", words.join(" ")))),
    };
    let is_wanted = |own: &Architecture| name.is_none_or(|name| name == own.name());
    let wanted: Vec<_> = Architecture::ALL.into_iter().filter(is_wanted).collect();
    if wanted.is_empty() {
        return Err(Failure(format!("{}: {USAGE}", words.join(" "))));
    }
    let started = Instant::now();
    packages::install(&NEEDED)?;
    for architecture in wanted {
        println!("\n=== {} ({} s so far)", architecture.name(), started.elapsed().as_secs());
        let package = package.map(|file| Ok(file.to_owned()));
        let package = package.unwrap_or_else(|| deb::package(architecture))?;
        println!("\n{}", build_one(architecture, &package)?.display());
    }
    println!(
        "\nDone after {} s. To send an image: xz -T0 -1 --keep FILE",
        started.elapsed().as_secs()
    );
    Ok(())
}

fn build_one(architecture: Architecture, package: &Path) -> Result<PathBuf, Failure> {
    if !architecture.is_of_this_machine() {
        packages::install(&EMULATOR)?;
    }
    let debian = debian::root(architecture)?;
    let folder = checkout().join("target/home").join(architecture.name());
    let root = root::build(architecture, &debian, package, &folder)?;
    let card = folder.join("card");
    empty(&card)?;
    let mut files = Command::new("sh");
    files.arg(recipe("card-files")).arg(&root).arg(&card).arg(architecture.name());
    start(&mut files)?;
    let image = format!("peel-home-{}-{}.img", env!("CARGO_PKG_VERSION"), architecture.name());
    let image = checkout().join(IMAGES).join(image);
    disk::write(&image, &card, &root)?;
    remove(&root)?;
    Ok(image)
}

fn recipe(name: &str) -> PathBuf {
    checkout().join(RECIPE).join(name)
}

/// A folder with nothing in it.
fn empty(folder: &Path) -> Result<(), Failure> {
    remove(folder)?;
    fs::create_dir_all(folder).map_err(|error| failed_at(folder, &error))
}

fn remove(folder: &Path) -> Result<(), Failure> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|error| failed_at(folder, &error))?;
    }
    Ok(())
}

/// A command that runs `program` as root of namespaces of its own, where programs of the architecture run.
fn namespaces(architecture: Architecture) -> Command {
    let words: &[&str] = if architecture.is_of_this_machine() {
        &["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    } else {
        &["sh", "xtask/src/home/foreign.sh"]
    };
    let mut command = Command::new("env");
    command.current_dir(checkout()).args(words);
    command
}

fn read(file: &Path) -> Result<String, Failure> {
    fs::read_to_string(file).map_err(|error| failed_at(file, &error))
}

fn failed_at(path: &Path, error: &std::io::Error) -> Failure {
    Failure(format!("{}: {error}", path.display()))
}
