//! Files that "init" makes. What is there already is kept.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use anyhow::Context;
use tempfile::NamedTempFile;
use tunnel::Identity;

const OWNER_ONLY: u32 = 0o600;
const READABLE: u32 = 0o644;
const FOR_GROUP: u32 = 0o040;
const FOR_OTHERS: u32 = 0o007;

/// A folder that only its owner enters, unless it is there already.
pub(crate) fn folder(path: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.with_context(|| format!("{} cannot be made", path.display()))
}

/// A configuration, unless it is there already.
pub(crate) fn configuration(path: &Path, text: &str) -> anyhow::Result<()> {
    let state = if write_new(path, text, READABLE)? { "made" } else { "kept as it is" };
    daemon::say!("configuration  {}: {state}", path.display());
    Ok(())
}

/// A file for its owner alone, unless it is there already. False then.
pub(crate) fn secret(path: &Path, text: &str) -> anyhow::Result<bool> {
    write_new(path, text, OWNER_ONLY)
}

/// The one that is there, or a new one.
pub(crate) fn identity(what: &str, path: &Path, comment: &str) -> anyhow::Result<Identity> {
    let new = Identity::generate(comment)?;
    let made = write_new(path, &new.to_openssh()?, OWNER_ONLY)?;
    let identity = if made {
        new
    } else {
        let text = daemon::secret_file::read(path)?;
        Identity::parse(&text).with_context(|| path.display().to_string())?
    };
    let state = if made { "made" } else { "kept as it is" };
    daemon::say!("{what:<14} {}: {state}, {}", path.display(), identity.public().fingerprint());
    Ok(identity)
}

/// The configuration with another text, in place of the one that may be there.
pub(crate) fn replace_configuration(path: &Path, text: &str) -> anyhow::Result<()> {
    let failed = || format!("{} cannot be written", path.display());
    let mode = fs::metadata(path).map_or(READABLE, |there| there.permissions().mode() & 0o777);
    draft(path, text, mode).with_context(failed)?.persist(path).with_context(failed)?;
    Ok(())
}

/// Gives the files of a folder to its owner, if root has made them.
pub(crate) fn hand_over(folder: &Path) -> anyhow::Result<()> {
    let failed = || format!("{} cannot be given to its owner", folder.display());
    let owner = fs::metadata(folder).with_context(failed)?;
    if !rustix::process::geteuid().is_root() || owner.uid() == 0 {
        return Ok(());
    }
    for entry in fs::read_dir(folder).with_context(failed)? {
        let path = entry.with_context(failed)?.path();
        std::os::unix::fs::lchown(path, Some(owner.uid()), Some(owner.gid()))
            .with_context(failed)?;
    }
    Ok(())
}

/// Writes a file that was not there, whole or not at all. False when it was there.
fn write_new(path: &Path, text: &str, mode: u32) -> anyhow::Result<bool> {
    let failed = || format!("{} cannot be made", path.display());
    match draft(path, text, mode).with_context(failed)?.persist_noclobber(path) {
        Ok(_) => Ok(true),
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error.error).with_context(failed),
    }
}

/// A file beside `path` that is whole, and on the disk. What root makes in a folder of another group is for that
/// group to read: so Debian's package has it.
fn draft(path: &Path, text: &str, mode: u32) -> std::io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    let group = fs::metadata(folder)?.gid();
    let is_for_group = rustix::process::geteuid().is_root() && group != 0;
    if is_for_group {
        fchown(file.as_file(), None, Some(group))?;
    }
    let mode = if is_for_group { (mode | FOR_GROUP) & !FOR_OTHERS } else { mode };
    file.as_file().set_permissions(Permissions::from_mode(mode))?;
    file.as_file().sync_all()?;
    Ok(file)
}
