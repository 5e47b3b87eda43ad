//! Where a store is after it was not closed: exactly where it was, if the machine has been up since; at its
//! reservation, if not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::process;

use tezos::Kind;

use crate::bound::Now;
use crate::disk::DiskError;
use crate::entry::{Entry, Last};
use crate::recent::{MarkId, RecentFile};
use crate::reserved::{self, ReservedFile};
use crate::sqlite::{Opening, SqliteDisk, beside};

/// The boot of the machine that this process runs on; none where the kernel does not say.
pub(crate) fn boot_id() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}

/// The entries of the store at `path` as they count now.
pub(crate) fn load(
    path: &Path,
    sqlite: &SqliteDisk,
    boot: Option<&str>,
) -> Result<Vec<Entry>, DiskError> {
    let entries = sqlite.load()?;
    let Some(Opening { name, boot: of_boot }) = sqlite.last_opening()? else {
        return Ok(recover(entries, None));
    };
    let reserved = ReservedFile::read(&reserved::path(path), &name)?;
    let ids = |entries: &[Entry]| -> BTreeSet<_> {
        entries.iter().map(|entry| (entry.key, entry.chain)).collect()
    };
    if ids(&reserved) != ids(&entries) {
        return Err(DiskError::Incomplete {
            path: reserved::path(path),
            why: "is of other keys".to_owned(),
        });
    }
    let recent = boot.filter(|boot| of_boot == *boot);
    let recent = recent.and_then(|_| RecentFile::read(&recent_path(path), &name));
    Ok(recover(reserved, recent.as_ref()))
}

/// `watermark.db`: `watermark.db-recent`.
pub(crate) fn recent_path(store: &Path) -> PathBuf {
    beside(store, "-recent")
}

/// A name that no other opening of this store has: two processes can get the same random number, not at the same
/// second with the same process id.
pub(crate) fn opening(boot: Option<&str>) -> Opening {
    let (now, random) = (Now::read().wall, RandomState::new().hash_one(process::id()));
    let name = format!("{now}-{}-{random:016x}", process::id());
    Opening { name, boot: boot.unwrap_or("unknown").to_owned() }
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
                    *entry.slot(kind) = recent.get(&(entry.key, entry.chain, kind)).cloned();
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
