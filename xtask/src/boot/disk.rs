//! What QEMU is given: a disk with the root file system, the kernel that starts it, and an archive with both packages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::failed_at;
use crate::{Failure, start};

/// Of the file system, in MiB.
const SIZE: &str = "1536M";

/// The whole disk is one file system, written without mounting anything.
pub(super) fn image(folder: &Path, root: &Path) -> Result<PathBuf, Failure> {
    let image = folder.join("disk.img");
    if image.exists() {
        fs::remove_file(&image).map_err(|error| failed_at(&image, &error))?;
    }
    let mut format = Command::new("/sbin/mkfs.ext4");
    format.args(["-q", "-F", "-d"]).arg(root).arg(&image).arg(SIZE);
    start(&mut format)?;
    Ok(image)
}

/// Kernel and initrd of the root file system.
pub(super) fn kernel(folder: &Path, root: &Path) -> Result<[PathBuf; 2], Failure> {
    let copy = |prefix: &str, name: &str| {
        let boot = root.join("boot");
        let files = fs::read_dir(&boot).map_err(|error| failed_at(&boot, &error))?;
        let mut files = files.filter_map(|file| Some(file.ok()?.path()));
        let is_wanted = |file: &PathBuf| {
            file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix))
        };
        let file = files.find(is_wanted);
        let file = file.ok_or_else(|| Failure(format!("{}: no {prefix}*", boot.display())))?;
        let copy = folder.join(name);
        fs::copy(&file, &copy).map_err(|error| failed_at(&file, &error))?;
        Ok(copy)
    };
    Ok([copy("vmlinuz-", "vmlinuz")?, copy("initrd.img-", "initrd")?])
}

/// An archive that the computer reads as a disk.
pub(super) fn archive(folder: &Path, now: &Path, before: &Path) -> Result<PathBuf, Failure> {
    let contents = folder.join("packages");
    fs::create_dir_all(&contents).map_err(|error| failed_at(&contents, &error))?;
    for (package, name) in [(now, "now.deb"), (before, "before.deb")] {
        fs::copy(package, contents.join(name)).map_err(|error| failed_at(package, &error))?;
    }
    let archive = folder.join("packages.tar");
    let mut tar = Command::new("tar");
    start(tar.arg("--create").arg("--file").arg(&archive).arg("-C").arg(&contents).arg("."))?;
    Ok(archive)
}
