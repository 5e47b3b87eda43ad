//! Files for their owner alone: ssh and Peel refuse others.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

pub(crate) fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(file, text)?;
    Ok(fs::set_permissions(file, Permissions::from_mode(0o600))?)
}
