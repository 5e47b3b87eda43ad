//! Files that "init" makes. What is there already is kept.

use std::fs::{DirBuilder, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use anyhow::Context;
use tempfile::NamedTempFile;
use tunnel::Identity;

const OWNER_ONLY: u32 = 0o600;
const READABLE: u32 = 0o644;

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

/// Writes a file that was not there, whole or not at all. False when it was there.
fn write_new(path: &Path, text: &str, mode: u32) -> anyhow::Result<bool> {
    let failed = || format!("{} cannot be made", path.display());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(folder).with_context(failed)?;
    file.write_all(text.as_bytes()).with_context(failed)?;
    file.as_file().set_permissions(Permissions::from_mode(mode)).with_context(failed)?;
    file.as_file().sync_all().with_context(failed)?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(true),
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error.error).with_context(failed),
    }
}
