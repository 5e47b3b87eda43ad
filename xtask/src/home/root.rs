//! The root file system with Peel: a copy of Debian's, the files of `deploy/home/overlay` at their places, and the package.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{empty, namespaces, recipe, remove};
use crate::image::Architecture;
use crate::{Failure, start};

/// Runs `finish` inside, in a mount namespace that ends with it. Maintainer scripts of packages look into /proc.
const INSIDE: &str = r#"
set -e
root=$1 finish=$2 package=$3
mount -t proc proc "$root/proc"
cp "$finish" "$package" "$root/run/"
chroot "$root" "/run/${finish##*/}" "/run/${package##*/}"
rm "$root/run/${finish##*/}" "$root/run/${package##*/}"
"#;

pub(super) fn build(
    architecture: Architecture,
    debian: &Path,
    package: &Path,
    folder: &Path,
) -> Result<PathBuf, Failure> {
    let root = folder.join("root");
    empty(folder)?;
    remove(&root)?;
    start(Command::new("cp").args(["--archive", "--reflink=auto"]).arg(debian).arg(&root))?;
    // Owned by root, however the checkout is owned.
    let mut overlay = Command::new("cp");
    overlay.args(["--recursive", "--no-preserve=ownership", "--preserve=mode"]);
    start(overlay.arg(recipe("overlay/.")).arg(&root))?;
    let mut inside = namespaces(architecture);
    inside.args(["sh", "-c", INSIDE, "sh"]).arg(&root).arg(recipe("finish")).arg(package);
    start(&mut inside)?;
    Ok(root)
}
