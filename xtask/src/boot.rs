//! A whole computer under the tests: its image is built as users get it, and everything that is started ends with the tests.
//!
//! The tests run in namespaces of their own: mounts, processes, and a network without any way out. When the first of
//! their processes ends, the kernel ends the others, QEMU among them.

mod disk;
mod root;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::image::{Architecture, target_folder};
use crate::packages::{self, Package};
use crate::{Failure, deb, home, of_this_package, root as checkout, run, start};

/// Debian packages of the computer and its card, and a program of each, or the file of one that has none.
const NEEDED: [Package; 5] = [
    ("mtools", "mcopy"),
    ("mmdebstrap", "mmdebstrap"),
    ("e2fsprogs", "mkfs.ext4"),
    ("util-linux", "unshare"),
    ("iproute2", "ip"),
];

/// The same for the computer of an architecture.
const PC: [Package; 2] =
    [("qemu-system-x86", "qemu-system-x86_64"), ("ovmf", "/usr/share/OVMF/OVMF_CODE_4M.fd")];
const ARM: [Package; 3] = [
    ("qemu-system-arm", "qemu-system-aarch64"),
    ("qemu-efi-aarch64", "/usr/share/AAVMF/AAVMF_CODE.fd"),
    ("ipxe-qemu", "/usr/lib/ipxe/qemu/efi-virtio.rom"),
];

/// The crate of the computer and of the tests.
const TESTS: [&str; 6] = ["test", "--locked", "--package", "boot", "--bench", "boot"];
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// A version below every one that is released.
const BEFORE: &str = "0.0.1";

/// What the computer is made of, by the names of the variables that its crate reads.
type Made = Vec<(&'static str, PathBuf)>;

/// Runs the tests, or those whose names hold one of the words. With `--arch arm64` before them, those of the image on such a
/// computer.
pub(crate) fn test(words: &[&str]) -> Result<(), Failure> {
    let started = Instant::now();
    packages::install(&NEEDED)?;
    let (made, filters) = match words {
        ["--arch", "arm64", filters @ ..] => {
            packages::install(&ARM)?;
            let all = &["image::"][..];
            (image(Architecture::Arm64, None)?, if filters.is_empty() { all } else { filters })
        }
        ["--arch", ..] => return Err(Failure("--arch: arm64, or leave it out".to_owned())),
        filters => {
            packages::install(&PC)?;
            (pc()?, filters)
        }
    };
    run("cargo", &[&TESTS[..], &["--no-run"]].concat())?;
    println!("\nEverything is built ({} s so far)", started.elapsed().as_secs());
    let words = [&TESTS[..], &["--offline", "--", "--test-threads=1", "--nocapture"], filters];
    inside(&made, &words.concat())?;
    println!("\nDone after {} s", started.elapsed().as_secs());
    Ok(())
}

/// The image, and a small Debian with the package.
fn pc() -> Result<Made, Failure> {
    let folder = target_folder().join("boot");
    make_folder(&folder)?;
    let [now, before] = packages()?;
    let mut made = image(Architecture::Amd64, Some(&now))?;
    let debian = root::with(&root::debian()?, &now, &folder)?;
    let disk = disk::image(&folder, &debian)?;
    let [kernel, initrd] = disk::kernel(&folder, &debian)?;
    remove(&debian)?;
    let packages = disk::archive(&folder, &now, &before)?;
    made.extend([
        ("PEEL_BOOT_DEBIAN", disk),
        ("PEEL_BOOT_KERNEL", kernel),
        ("PEEL_BOOT_INITRD", initrd),
        ("PEEL_BOOT_PACKAGES", packages),
    ]);
    Ok(made)
}

/// The image, with this package or one that is built, and this machine's own program for the gateway outside.
fn image(architecture: Architecture, package: Option<&Path>) -> Result<Made, Failure> {
    let name = architecture.name();
    let package = package.map(Path::to_string_lossy);
    let package = package.iter().flat_map(|file| ["--package", file]);
    let words: Vec<&str> = ["--arch", name].into_iter().chain(package).collect();
    home::build(&words)?;
    let image = format!("target/image/peel-home-{VERSION}-{name}.img");
    Ok(vec![
        ("PEEL_BOOT_BOARD", name.into()),
        ("PEEL_BOOT_PEEL", Architecture::own().build()?),
        ("PEEL_BOOT_IMAGE", checkout().join(image)),
    ])
}

/// The package as it is now, and the one before: the same program under a lower version.
fn packages() -> Result<[PathBuf; 2], Failure> {
    let amd64 = Architecture::Amd64.name();
    deb::build(&["--arch", amd64, "--version", BEFORE])?;
    deb::build(&["--arch", amd64])?;
    let package = |version| target_folder().join(format!("deb/peel_{version}_{amd64}.deb"));
    Ok([package(VERSION), package(BEFORE)])
}

/// Runs cargo in namespaces of its own, with a folder for temporary files.
fn inside(made: &Made, words: &[&str]) -> Result<(), Failure> {
    let temporary = target_folder().join("boot/tmp");
    remove(&temporary)?;
    make_folder(&temporary)?;
    let mut command = Command::new("setpriv");
    // When xtask is killed, all of it is.
    command.args(["--pdeathsig", "KILL", "unshare", "--mount", "--net", "--pid", "--fork"]);
    command.args(["--kill-child", "--mount-proc", "--propagation", "private", "cargo"]).args(words);
    command.current_dir(checkout()).envs(made.iter().map(|(name, path)| (*name, path)));
    command.env("TMPDIR", &temporary);
    for name in of_this_package() {
        command.env_remove(name);
    }
    let outcome = start(&mut command);
    remove(&temporary)?;
    outcome
}

fn make_folder(folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|error| failed_at(folder, &error))
}

/// A folder that need not be there.
fn remove(folder: &Path) -> Result<(), Failure> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|error| failed_at(folder, &error))?;
    }
    Ok(())
}

fn failed_at(path: &Path, error: &std::io::Error) -> Failure {
    Failure(format!("{}: {error}", path.display()))
}
