//! The package as a newcomer meets it: lintian, and then installed, run, upgraded, removed and purged in Debian 12 and 13.
//!
//! ```text
//!  a chroot of each release, made once and kept ──lower──▶ overlay ◀──upper── a folder that ends with the test
//!                                                             └──▶ install.sh, in namespaces of its own
//! ```
//!
//! systemd itself does not run there; it checks the units (`systemd-analyze`), and what the package's scripts ask of it
//! is written down.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::time::Instant;

use super::stage::failed;
use super::{Order, build_all};
use crate::image::{Architecture, debian, target_folder};
use crate::packages::{self, Package};
use crate::{Failure, root, run, start};

/// Debian packages that build and try ours.
const NEEDED: [Package; 6] = [
    ("lintian", "lintian"),
    ("mmdebstrap", "mmdebstrap"),
    ("util-linux", "unshare"),
    ("iproute2", "ip"),
    ("curl", "curl"),
    ("shellcheck", "shellcheck"),
];
/// Scripts that run on a user's computer, or as a part of the tests.
const SCRIPTS: [&str; 6] = [
    "deploy/debian/postinst",
    "deploy/debian/prerm",
    "deploy/debian/postrm",
    "deploy/systemd/wait-for-clock",
    "xtask/src/deb/namespaces.sh",
    "xtask/src/deb/install.sh",
];
/// Debian's releases on which it has to install.
const RELEASES: [&str; 2] = ["bookworm", "trixie"];
/// What a computer at home has: the package needs or recommends it.
const INSTALLED: &str = "systemd,dbus,udev,man-db,bash-completion,openssh-client";
/// As lintian(1) has it: whatever is not overridden with a reason.
const STRICT: [&str; 3] = ["--pedantic", "--fail-on", "error,warning,info,pedantic"];
/// Of the package before: the same program.
const BEFORE: &str = "0.0.1";

/// Builds two packages, and tries them.
pub(crate) fn run_all() -> Result<(), Failure> {
    let started = Instant::now();
    packages::install(&NEEDED)?;
    run("shellcheck", &SCRIPTS)?;
    let order = |version: &str| Order {
        architectures: vec![Architecture::own()],
        version: version.to_owned(),
    };
    let before = build_all(&order(BEFORE))?;
    let now = build_all(&order(env!("CARGO_PKG_VERSION")))?;
    let paths = now.iter().map(|path| path.to_string_lossy());
    let paths: Vec<_> = paths.collect();
    let paths: Vec<&str> = paths.iter().map(AsRef::as_ref).collect();
    run("lintian", &[&STRICT[..], &paths].concat())?;
    for release in RELEASES {
        println!("\n=== Debian {release} ({} s so far)", started.elapsed().as_secs());
        let chroot = chroot(release)?;
        for (before, now) in before.iter().zip(&now) {
            try_in(&chroot, release, before, now)?;
        }
    }
    println!("\nDone after {} s", started.elapsed().as_secs());
    Ok(())
}

/// Runs the script over the chroot, which stays as it is.
fn try_in(chroot: &Path, release: &str, before: &Path, now: &Path) -> Result<(), Failure> {
    let folder = target_folder().join(format!("deb/test-{release}-{}", process::id()));
    fs::create_dir_all(&folder).map_err(|error| failed(&folder, &error))?;
    let mut namespaces = Command::new("sh");
    namespaces.arg("xtask/src/deb/namespaces.sh").current_dir(root());
    namespaces.arg(chroot).arg(&folder).arg(before).arg(now);
    let tried = start(&mut namespaces);
    fs::remove_dir_all(&folder).map_err(|error| failed(&folder, &error))?;
    tried
}

/// The chroot of a release: it is made if it is not there. A half-made one has another name.
fn chroot(release: &str) -> Result<PathBuf, Failure> {
    let mirror = debian::mirrors()?.debian;
    let mut options = vec!["--variant=apt".to_owned(), format!("--include={INSTALLED}")];
    options.extend(debian::proxies()?.into_iter().map(|proxy| format!("--aptopt={proxy}")));
    let mut hasher = DefaultHasher::new();
    (&options, &mirror, release).hash(&mut hasher);
    let cache = debian::cache()?;
    let chroot = cache.join(format!("debian-{release}-{:016x}", hasher.finish()));
    if chroot.is_dir() {
        return Ok(chroot);
    }
    println!("A Debian {release} is made, once for this machine: a minute or two");
    fs::create_dir_all(&cache).map_err(|error| failed(&cache, &error))?;
    let partial = chroot.with_extension(format!("partial-{}", process::id()));
    let mut make = Command::new("mmdebstrap");
    start(make.args(&options).arg(release).arg(&partial).arg(mirror))?;
    fs::rename(&partial, &chroot).map_err(|error| failed(&chroot, &error))?;
    Ok(chroot)
}
