//! Where a store is after it was not closed: exactly where it was, if the machine has been up since; at its
//! reservation, if not.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process;
use std::{env, fs};

use tezos::Kind;

use crate::bound::Now;
use crate::disk::DiskError;
use crate::entry::{Entry, Last};
use crate::recent::{MarkId, RecentFile};
use crate::reserved::{self, ReservedFile};
use crate::sqlite::{Opening, SqliteDisk};

/// What outlives a process and not the machine.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    /// The boot that this process runs in; none where the kernel does not say.
    pub(crate) boot: Option<String>,
    /// A folder in its memory, if there is one.
    pub(crate) memory: Option<PathBuf>,
}

impl Machine {
    /// This one.
    pub(crate) fn this() -> Machine {
        let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let boot = Some(id.trim().to_owned()).filter(|id| !id.is_empty());
        Machine { boot, memory: memory() }
    }
}

/// A folder in memory for the files of this process: systemd's for the unit (`RuntimeDirectory=`), or the one that every
/// Linux has. None where that is on a disk.
fn memory() -> Option<PathBuf> {
    let of_unit = env::var_os("RUNTIME_DIRECTORY").map(PathBuf::from);
    let folders = of_unit.into_iter().chain([PathBuf::from("/dev/shm")]);
    folders.into_iter().find(|folder| is_in_memory(folder))
}

/// Of linux/magic.h.
const TMPFS_MAGIC: u64 = 0x0102_1994;

fn is_in_memory(folder: &Path) -> bool {
    rustix::fs::statfs(folder).is_ok_and(|found| u64::try_from(found.f_type) == Ok(TMPFS_MAGIC))
}

/// The entries of the store at `path` as they count now, after this opening or after a clean stop.
pub(crate) fn load(
    path: &Path,
    sqlite: &SqliteDisk,
    opening: Option<&Opening>,
    machine: &Machine,
) -> Result<Vec<Entry>, DiskError> {
    let entries = sqlite.load()?;
    let Some(opening) = opening else { return Ok(recover(entries, None)) };
    let reserved = ReservedFile::read(&reserved::path(path), &opening.name)?;
    let ids = |entries: &[Entry]| -> BTreeSet<_> {
        entries.iter().map(|entry| (entry.key, entry.chain)).collect()
    };
    if ids(&reserved) != ids(&entries) {
        let (path, why) = (reserved::path(path), "is of other keys".to_owned());
        return Err(DiskError::Incomplete { path, why });
    }
    let recent = opening.recent.as_ref().filter(|_| Some(&opening.boot) == machine.boot.as_ref());
    let recent = recent.and_then(|recent| {
        let owner = fs::metadata(path).ok()?.uid();
        RecentFile::read(recent, &opening.name, owner, &reserved)
    });
    Ok(recover(reserved, recent.as_ref()))
}

/// A name that no other opening of this store has: two processes can get the same random number, not at the same
/// second with the same process id.
pub(crate) fn opening(machine: &Machine) -> Opening {
    let (now, random) = (Now::read().wall, RandomState::new().hash_one(process::id()));
    let name = format!("{now}-{}-{random:016x}", process::id());
    let recent = machine.memory.as_ref().map(|folder| folder.join(format!("peel-recent-{name}")));
    let boot = machine.boot.as_deref().unwrap_or("unknown").to_owned();
    Opening { name, boot, recent }
}

/// With the marks that were written last, if nothing speaks against them.
pub(crate) fn recover(
    mut entries: Vec<Entry>,
    recent: Option<&BTreeMap<MarkId, Last>>,
) -> Vec<Entry> {
    let recent = recent.filter(|recent| entries.iter().all(|entry| is_behind(entry, recent)));
    for entry in &mut entries {
        match recent {
            Some(recent) => {
                entry.reserved = None;
                for kind in Kind::ALL {
                    *entry.last_mut(kind) = recent.get(&(entry.key, entry.chain, kind)).cloned();
                }
            }
            None => entry.settle(),
        }
    }
    entries
}

/// Whether the recent marks are above those of the entry, or equal. They are written first: if not, something was
/// lost or put back.
fn is_behind(entry: &Entry, recent: &BTreeMap<MarkId, Last>) -> bool {
    Kind::ALL.into_iter().all(|kind| {
        let written = recent.get(&(entry.key, entry.chain, kind)).map(|last| last.mark);
        entry.last(kind).map(|last| last.mark) <= written
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_on_a_disk_is_not_in_memory() {
        assert!(is_in_memory(Path::new("/dev/shm")));
        assert!(!is_in_memory(Path::new("/proc")) && !is_in_memory(Path::new("/nowhere")));
    }
}
