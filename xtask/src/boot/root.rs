//! The root file system: the smallest Debian that has a kernel and systemd, kept in the cache folder, and the package in a copy
//! of it.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{failed_at, remove};
use crate::image::debian::{cache, make_folder, mirrors, proxies};
use crate::{Failure, root as checkout, start};

const RELEASE: &str = "trixie";
const PACKAGES: &str =
    "linux-image-amd64,systemd-sysv,udev,dbus,kmod,initramfs-tools,zstd,e2fsprogs";
/// Its own files, in place before the kernel is installed, which makes the initrd.
const FILES: &str = "tests/boot/guest/root";

/// Runs dpkg inside, in a mount namespace that ends with it.
const INSTALL: &str = r#"
set -e
mount -t proc proc "$1/proc"
cp "$2" "$1/run/peel.deb"
chroot "$1" dpkg --install /run/peel.deb
chroot "$1" systemctl --quiet enable systemd-networkd
rm "$1/run/peel.deb"
"#;

/// Debian without Peel: it is made if it is not there. A half-made one has another name.
pub(super) fn debian() -> Result<PathBuf, Failure> {
    let options = options()?;
    let mut hasher = DefaultHasher::new();
    options.hash(&mut hasher);
    let files = checkout().join(FILES);
    hash_files(&files, &mut hasher).map_err(|error| failed_at(&files, &error))?;
    let root = cache()?.join(format!("boot-{:016x}", hasher.finish()));
    if root.is_dir() {
        println!("Debian without Peel is there: {}", root.display());
        return Ok(root);
    }
    println!("Debian is put together, once for this machine, in {}", root.display());
    make_folder(&cache()?)?;
    let partial = root.with_extension("partial");
    remove(&partial)?;
    start(Command::new("mmdebstrap").args(&options).arg(RELEASE).arg(&partial).arg(source()?))?;
    fs::rename(&partial, &root).map_err(|error| failed_at(&root, &error))?;
    Ok(root)
}

fn options() -> Result<Vec<String>, Failure> {
    let mut options = vec![
        "--variant=minbase".to_owned(),
        format!("--include={PACKAGES}"),
        format!("--setup-hook=cp -r '{}/.' \"$1\"", checkout().join(FILES).display()),
    ];
    options.extend(proxies()?.into_iter().map(|proxy| format!("--aptopt={proxy}")));
    Ok(options)
}

fn source() -> Result<String, Failure> {
    Ok(format!("deb {} {RELEASE} main", mirrors()?.debian))
}

/// Names and contents of all files in a folder.
fn hash_files(folder: &Path, hasher: &mut DefaultHasher) -> std::io::Result<()> {
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut entries: Vec<PathBuf> = entries.collect::<std::io::Result<_>>()?;
    entries.sort();
    for entry in entries {
        entry.file_name().hash(hasher);
        if entry.is_dir() {
            hash_files(&entry, hasher)?;
        } else {
            fs::read(&entry)?.hash(hasher);
        }
    }
    Ok(())
}

/// A copy with the package, as `dpkg --install` leaves it.
pub(super) fn with(debian: &Path, package: &Path, folder: &Path) -> Result<PathBuf, Failure> {
    let root = folder.join("root");
    remove(&root)?;
    start(Command::new("cp").args(["--archive", "--reflink=auto"]).arg(debian).arg(&root))?;
    let mut install = Command::new("unshare");
    install.args(["--mount", "--propagation", "private", "sh", "-c", INSTALL, "sh"]);
    start(install.arg(&root).arg(package))?;
    Ok(root)
}
