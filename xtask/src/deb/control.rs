//! What dpkg itself reads: who a package is, what it does when it is installed, and the digests of its files.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::stage::{PROGRAM, READABLE, Stage, failed};
use crate::{Failure, image, root};

/// Scripts that dpkg runs.
const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];
const CHANGELOG: &str = "usr/share/doc/peel/changelog.gz";

/// Writes `DEBIAN/` and Debian's changelog. Everything else is in its place already.
pub(super) fn fill(
    stage: &Stage,
    architecture: &str,
    version: &str,
    time: u64,
) -> Result<(), Failure> {
    let control = read("deploy/debian/control")?;
    stage.compress(CHANGELOG, changelog(&control, version, time)?)?;
    for script in SCRIPTS {
        stage.copy(format!("deploy/debian/{script}"), &format!("DEBIAN/{script}"), PROGRAM)?;
    }
    let entries = stage.entries()?;
    let conffiles = entries.iter().filter(|path| path.starts_with("etc") && is_file(stage, path));
    let conffiles: String = conffiles.map(|path| format!("/{}\n", path.display())).collect();
    stage.write("DEBIAN/conffiles", conffiles, READABLE)?;
    stage.write("DEBIAN/md5sums", md5sums(stage, &entries)?, READABLE)?;
    let size = kibibytes(stage, &entries)?;
    let control = control
        .replace("@VERSION@", version)
        .replace("@ARCHITECTURE@", architecture)
        .replace("@INSTALLED_SIZE@", &size.to_string());
    stage.write("DEBIAN/control", control, READABLE)
}

/// In Debian's form, as each package has one. What has changed is in CHANGELOG.md.
fn changelog(control: &str, version: &str, time: u64) -> Result<String, Failure> {
    let maintainer = control.lines().find_map(|line| line.strip_prefix("Maintainer: "));
    let maintainer = maintainer
        .ok_or_else(|| Failure("deploy/debian/control names no Maintainer".to_owned()))?;
    let date = image::output("date", &["--utc", "--rfc-email", "--date", &format!("@{time}")])?;
    Ok(format!(
        "peel ({version}) unstable; urgency=medium\n\n  * What has changed is in CHANGELOG.md.gz, in this folder.\n\n \
         -- {maintainer}  {}\n",
        date.trim()
    ))
}

fn md5sums(stage: &Stage, entries: &[impl AsRef<Path>]) -> Result<Vec<u8>, Failure> {
    let mut md5sum = Command::new("md5sum");
    md5sum.args(entries.iter().map(AsRef::as_ref).filter(|path| is_file(stage, path)));
    let told = md5sum.current_dir(stage.folder()).output();
    let told = told.map_err(|error| Failure(format!("md5sum cannot be started: {error}")))?;
    if told.status.success() { Ok(told.stdout) } else { Err(Failure("md5sum failed".to_owned())) }
}

/// As dpkg-gencontrol counts: each file in whole kibibytes, and one for everything else.
fn kibibytes(stage: &Stage, entries: &[impl AsRef<Path>]) -> Result<u64, Failure> {
    let mut sum = 0;
    for entry in entries {
        let path = stage.folder().join(entry);
        let found = fs::symlink_metadata(&path).map_err(|error| failed(&path, &error))?;
        sum += if found.is_file() { found.len().div_ceil(1024) } else { 1 };
    }
    Ok(sum)
}

fn is_file(stage: &Stage, path: &Path) -> bool {
    fs::symlink_metadata(stage.folder().join(path)).is_ok_and(|found| found.is_file())
}

fn read(name: &str) -> Result<String, Failure> {
    let file = root().join(name);
    fs::read_to_string(&file).map_err(|error| failed(&file, &error))
}
