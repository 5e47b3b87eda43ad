//! The root file system without Peel: Debian, the kernel, what carries the lines. Kept in the cache folder under a name that
//! its recipe gives: two minutes for this machine's own architecture, up to 18 for another one.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use super::{failed_at, namespaces, read, recipe, remove};
use crate::image::Architecture;
use crate::image::debian::{cache, make_folder, mirrors, proxies};
use crate::{Failure, start};

const RELEASE: &str = "trixie";
/// Firmware of Wi-Fi and USB network devices, and of the Raspberry Pi, is not free software.
const COMPONENTS: &str = "main non-free-firmware";
/// No manual pages and no translations: there is no reader. Licences stay.
const LEFT_OUT: [&str; 4] = [
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
];
/// In place before the kernel is installed, which makes the initrd.
const MOUNTS: &str = "initramfs-local-bottom";

/// The root file system: it is made if it is not there. A half-made one has another name.
pub(super) fn root(architecture: Architecture) -> Result<PathBuf, Failure> {
    let recipe = Recipe::of(architecture)?;
    let cache = cache()?;
    let root = cache.join(recipe.name(architecture));
    if root.is_dir() {
        println!("The root file system without Peel is there: {}", root.display());
        return Ok(root);
    }
    println!(
        "Debian {RELEASE} for {} is put together, once for this machine, in",
        architecture.name()
    );
    println!("{}", root.display());
    let partial = root.with_extension("partial");
    remove(&partial)?;
    make_folder(&cache)?;
    recipe.make(architecture, &partial)?;
    fs::rename(&partial, &root).map_err(|error| failed_at(&root, &error))?;
    Ok(root)
}

/// What the root file system is made of. Another recipe is another one.
#[derive(Hash)]
struct Recipe {
    options: Vec<String>,
    sources: Vec<String>,
    mounts: String,
}

impl Recipe {
    fn of(architecture: Architecture) -> Result<Self, Failure> {
        let packages = packages(&read(&recipe("packages"))?, architecture).join(",");
        let mut options = vec![
            "--mode=root".to_owned(),
            "--variant=apt".to_owned(),
            // Programs of another architecture run in the namespace; the check looks for what is registered outside.
            "--skip=check/qemu".to_owned(),
            format!("--architectures={}", architecture.name()),
            format!("--include={packages}"),
            // How this machine reaches its mirror is not for others.
            "--customize-hook=rm -f \"$1/etc/apt/apt.conf.d/99mmdebstrap\"".to_owned(),
        ];
        options.extend(LEFT_OUT.map(|option| format!("--dpkgopt={option}")));
        options.extend(proxies()?.into_iter().map(|proxy| format!("--aptopt={proxy}")));
        Ok(Self { options, sources: sources()?, mounts: read(&recipe(MOUNTS))? })
    }

    fn name(&self, architecture: Architecture) -> String {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        format!("home-{}-{:016x}", architecture.name(), hasher.finish())
    }

    fn make(&self, architecture: Architecture, folder: &Path) -> Result<(), Failure> {
        let mut make = namespaces(architecture);
        // Not part of the recipe: the checkout is elsewhere on another machine, and what is in the file is hashed.
        let in_place = "$1/etc/initramfs-tools/scripts/local-bottom/peel-home";
        let install = format!("install -D -m 755 '{}' \"{in_place}\"", recipe(MOUNTS).display());
        make.arg("mmdebstrap").arg(format!("--essential-hook={install}")).args(&self.options);
        make.arg(RELEASE).arg(folder).args(&self.sources);
        start(&mut make)
    }
}

/// Security updates of the day come with it, where this machine's apt knows a mirror of them.
fn sources() -> Result<Vec<String>, Failure> {
    let mirrors = mirrors()?;
    let source = |mirror: &str, suite: &str| format!("deb {mirror} {RELEASE}{suite} {COMPONENTS}");
    let mut sources = vec![source(&mirrors.debian, ""), source(&mirrors.debian, "-updates")];
    sources.extend(mirrors.security.iter().map(|mirror| source(mirror, "-security")));
    Ok(sources)
}

/// The names in a list, without those that are for another architecture.
fn packages<'a>(list: &'a str, architecture: Architecture) -> Vec<&'a str> {
    let name = |line: &'a str| {
        let mut words = line.split('#').next()?.split_whitespace();
        let name = words.next()?;
        words.next().is_none_or(|only| only == architecture.name()).then_some(name)
    };
    list.lines().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_for_another_architecture_is_left_out() {
        let list = "# kernel\nlinux-image-amd64  amd64\n\nudev\nraspi-firmware arm64 # the Pi\n";
        assert_eq!(packages(list, Architecture::Amd64), ["linux-image-amd64", "udev"]);
        assert_eq!(packages(list, Architecture::Arm64), ["udev", "raspi-firmware"]);
    }
}
