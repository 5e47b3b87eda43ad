//! Files with secrets: each is there whole, for its owner alone, or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;

/// How the name of a file ends that is half written, behind the number of the process.
const PART: &str = ".part";

/// Writes a file that must not be there.
pub(super) fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let failed = || format!("{} cannot be made", path.display());
    if path.try_exists().with_context(failed)? {
        let error = io::Error::from(io::ErrorKind::AlreadyExists);
        return Err(error).with_context(failed);
    }
    write_whole(path, bytes).with_context(failed)
}

/// Writes a file that may be there: it is the old one or the new one, whenever the power fails. The old one is overwritten.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let failed = || format!("{} cannot be written", path.display());
    let old = match OpenOptions::new().write(true).open(path) {
        Ok(old) => Some(old),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(failed),
    };
    write_whole(path, bytes).with_context(failed)?;
    old.map_or(Ok(()), overwrite).with_context(failed)
}

/// What is half written has another name, which is taken away again.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = beside(path);
    let written = write_synced(&new, bytes).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written?;
    File::open(folder_of(path))?.sync_all()
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}{PART}", std::process::id()));
    path.with_file_name(name)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Removes a file with a secret, after what is in it was overwritten, and what was left of it when it was half written. A disk
/// may have kept other copies.
pub(super) fn destroy(path: &Path) -> anyhow::Result<()> {
    destroy_parts(path)?;
    destroy_one(path)
}

fn destroy_one(path: &Path) -> anyhow::Result<()> {
    // One that cannot be overwritten (the disk is full, and writes elsewhere) is removed all the same.
    let overwritten = OpenOptions::new().write(true).open(path).and_then(overwrite);
    let removed = fs::remove_file(path).and_then(|()| File::open(folder_of(path))?.sync_all());
    removed.with_context(|| format!("{} cannot be removed", path.display()))?;
    overwritten.with_context(|| {
        format!("{} was removed, and what was in it could not be overwritten", path.display())
    })
}

fn overwrite(mut file: File) -> io::Result<()> {
    let length = usize::try_from(file.metadata()?.len()).unwrap_or_default();
    file.write_all(&vec![0; length])?;
    file.sync_all()
}

/// What a process that was killed has left of a file.
fn parts(path: &Path) -> io::Result<Vec<PathBuf>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut parts = Vec::new();
    for entry in fs::read_dir(folder_of(path))? {
        let entry = entry?;
        let other = entry.file_name().to_string_lossy().into_owned();
        let process = other.strip_prefix(&name).and_then(|rest| rest.strip_prefix('.'));
        let process = process.and_then(|rest| rest.strip_suffix(PART));
        if process.is_some_and(|process| process.parse::<u32>().is_ok()) {
            parts.push(entry.path());
        }
    }
    Ok(parts)
}

/// Removes what a process that was killed has left of a file.
pub(super) fn destroy_parts(path: &Path) -> anyhow::Result<()> {
    let parts = parts(path).with_context(|| format!("{} cannot be read", path.display()))?;
    parts.iter().try_for_each(|part| destroy_one(part))
}

/// Makes a folder for its owner alone, if it is not there.
pub(super) fn make_folder(path: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.with_context(|| format!("{} cannot be made", path.display()))
}
