//! The file systems that hold `/` and the signer's folder: a full one ends signing.
//!
//! A file system of a network, or of a program, is never touched: it can hang, and a thread with it.
//!
//! systemd shows a hardened unit the same disk several times (`ProtectSystem=strict`, `StateDirectory=`): it is one file
//! system all the same, and read-only only if the disk itself is, not if this process alone may not write there.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{StatVfs, statvfs};

use super::bounded;
use super::exposition::{Exposition, Kind, Sample};

/// Those that the kernel has by itself, on disks and in memory.
const REAL: [&str; 20] = [
    "bcachefs", "btrfs", "erofs", "exfat", "ext2", "ext3", "ext4", "f2fs", "iso9660", "jffs2",
    "jfs", "nilfs2", "ntfs3", "overlay", "squashfs", "tmpfs", "ubifs", "vfat", "xfs", "zfs",
];
/// As many as Linux follows (`MAXSYMLINKS`).
const MAX_SYMBOLIC_LINKS: usize = 40;

/// A line of `/proc/self/mountinfo`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Mount {
    mountpoint: PathBuf,
    fstype: String,
    device: String,
    /// The kernel's number of the file system, wherever parts of it are mounted.
    number: String,
    is_read_only: bool,
}

#[derive(Debug)]
struct Mounts(Vec<Mount>);

/// A value of a file system.
struct Field {
    name: &'static str,
    help: &'static str,
    of: fn(&Mount, &StatVfs) -> f64,
}

const FIELDS: [Field; 3] = [
    Field {
        name: "node_filesystem_avail_bytes",
        help: "Filesystem space available to non-root users in bytes.",
        of: |_, found| found.f_bavail as f64 * found.f_frsize as f64,
    },
    Field {
        name: "node_filesystem_readonly",
        help: "Filesystem read-only status.",
        of: |mount, _| f64::from(u8::from(mount.is_read_only)),
    },
    Field {
        name: "node_filesystem_size_bytes",
        help: "Filesystem size in bytes.",
        of: |_, found| found.f_blocks as f64 * found.f_frsize as f64,
    },
];

pub(super) fn write(proc: &Path, state: &Path, text: &mut Exposition) {
    let lines = bounded::text(&proc.join("self/mountinfo")).unwrap_or_default();
    let mounts = Mounts::parse(&lines);
    let found = mounts
        .of(state)
        .into_iter()
        .filter_map(|mount| Some((mount, statvfs(&mount.mountpoint).ok()?)));
    let found: Vec<(&Mount, StatVfs)> = found.collect();
    for Field { name, help, of } in FIELDS {
        let samples =
            found.iter().map(|(mount, found)| Sample::new(mount.labels(), of(mount, found)));
        text.family(Kind::Gauge, (name, help), samples);
    }
}

impl Mounts {
    fn parse(lines: &str) -> Mounts {
        Mounts(lines.lines().filter_map(Mount::parse).collect())
    }

    /// Those that hold `/` and the signer's folder, each once.
    fn of(&self, state: &Path) -> Vec<&Mount> {
        let root = self.real(Path::new("/"));
        let state = self.real(state);
        let is_another = |state: &&Mount| root.is_none_or(|root| root.number != state.number);
        let shown: BTreeSet<&Mount> = root.into_iter().chain(state.filter(is_another)).collect();
        shown.into_iter().collect()
    }

    /// The file system that holds a path, if it and all on the way there are real.
    fn real(&self, path: &Path) -> Option<&Mount> {
        let mut resolved = PathBuf::from("/");
        let mut left: Vec<OsString> = reversed(&std::path::absolute(path).ok()?);
        let mut links = 0;
        while let Some(next) = left.pop() {
            if next == ".." {
                resolved.pop();
                continue;
            }
            resolved.push(next);
            self.holding(&resolved).filter(|mount| mount.is_real())?;
            if let Ok(target) = fs::read_link(&resolved) {
                links += 1;
                if links > MAX_SYMBOLIC_LINKS {
                    return None;
                }
                resolved.pop();
                if target.is_absolute() {
                    resolved = PathBuf::from("/");
                }
                left.extend(reversed(&target));
            }
        }
        self.holding(&resolved).filter(|mount| mount.is_real())
    }

    /// Of those with the longest path the last one: it lies over the others.
    fn holding(&self, path: &Path) -> Option<&Mount> {
        let holding = self.0.iter().filter(|mount| path.starts_with(&mount.mountpoint));
        holding.max_by_key(|mount| mount.mountpoint.components().count())
    }
}

/// The names in a path, the first one last.
fn reversed(path: &Path) -> Vec<OsString> {
    let names = path.components().rev().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    });
    names.collect()
}

impl Mount {
    /// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`, as in proc_pid_mountinfo(5).
    fn parse(line: &str) -> Option<Mount> {
        let (place, source) = line.split_once(" - ")?;
        let (mut place, mut source) = (place.split(' '), source.split(' '));
        Some(Mount {
            number: place.nth(2)?.to_owned(),
            mountpoint: unescaped(place.nth(1)?).into(),
            fstype: source.next()?.to_owned(),
            device: unescaped(source.next()?),
            is_read_only: source.next()?.split(',').any(|option| option == "ro"),
        })
    }

    fn is_real(&self) -> bool {
        REAL.contains(&self.fstype.as_str())
    }

    fn labels(&self) -> Vec<(&'static str, String)> {
        let mountpoint = self.mountpoint.to_string_lossy().into_owned();
        vec![
            ("device", self.device.clone()),
            ("fstype", self.fstype.clone()),
            ("mountpoint", mountpoint),
        ]
    }
}

/// The kernel writes blanks and backslashes in octal.
fn unescaped(text: &str) -> String {
    let octal = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\043", "#"), ("\\134", "\\")];
    octal.iter().fold(text.to_owned(), |text, (code, letter)| text.replace(code, letter))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    /// `/` on a disk, a network and a program's file system below the folder, and a second disk.
    fn mounts(folder: &Path) -> Mounts {
        let folder = folder.display();
        let lines = format!(
            "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n\
             30 27 0:40 / {folder}/nas rw - nfs4 nas.home:/export rw\n\
             31 27 0:41 / {folder}/phone rw - fuse.sshfs phone: rw\n\
             32 27 0:42 / {folder}/later rw - autofs systemd-1 rw\n\
             33 32 8:1 / {folder}/later rw shared:7 - xfs /dev/sda1 rw\n\
             34 27 8:2 / {folder}/a\\040b rw - ext4 /dev/sdb1 rw\n"
        );
        Mounts::parse(&lines)
    }

    fn folder() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in ["nas", "phone", "later/state", "state"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        folder
    }

    #[test]
    fn the_file_system_of_a_folder_is_the_last_one_that_was_mounted_there() {
        let folder = folder();
        let mounts = mounts(folder.path());
        let device = |name: &str| Some(mounts.real(&folder.path().join(name))?.device.as_str());
        assert_eq!(device("state"), Some("/dev/vda"));
        assert_eq!(device("later/state"), Some("/dev/sda1"));
        assert_eq!(device("a b/c"), Some("/dev/sdb1"));
    }

    /// As in the namespace of a unit with `ProtectSystem=strict` and a state directory.
    #[test]
    fn a_disk_that_a_unit_sees_twice_is_shown_once_and_as_the_disk_is() {
        let folder = folder();
        let state = folder.path().join("state");
        let in_unit = |disk: &str, number: &str| {
            Mounts::parse(&format!(
                "27 1 254:0 / / ro,relatime - ext4 /dev/vda {disk},errors=remount-ro\n\
                 28 27 {number} /var/lib/private {} rw,relatime - ext4 /dev/vda {disk}\n",
                state.display()
            ))
        };
        let shown = |mounts: &Mounts| -> Vec<(PathBuf, bool)> {
            let mounts = mounts.of(&state);
            mounts.iter().map(|mount| (mount.mountpoint.clone(), mount.is_read_only)).collect()
        };
        assert_eq!(shown(&in_unit("rw", "254:0")), [("/".into(), false)]);
        assert_eq!(shown(&in_unit("ro", "254:0")), [("/".into(), true)]);
        assert_eq!(shown(&in_unit("rw", "254:1")), [("/".into(), false), (state.clone(), false)]);
    }

    #[test]
    fn no_network_and_no_program_is_asked_for_its_file_system() {
        let folder = folder();
        let mounts = mounts(folder.path());
        let state = |target: &str| {
            let link = folder.path().join("link");
            let _ = fs::remove_file(&link);
            symlink(target, &link).unwrap();
            mounts.real(&link.join("peel")).map(|mount| mount.device.clone())
        };
        for name in ["nas/x", "phone/x/y"] {
            assert_eq!(mounts.real(&folder.path().join(name)), None, "{name}");
        }
        // Not even for a link that is there and leads back to the disk.
        symlink("../state", folder.path().join("nas/out")).unwrap();
        assert_eq!(mounts.real(&folder.path().join("nas/out")), None);
        assert_eq!(state(folder.path().join("nas").to_str().unwrap()), None);
        assert_eq!(state("state/../phone"), None);
        assert_eq!(state("later/state/.."), Some("/dev/sda1".to_owned()));
        assert_eq!(state("link"), None, "it leads to itself");
    }
}
