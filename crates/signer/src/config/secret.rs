//! Files with secrets: read only when nobody else can read them, as ssh does.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use thiserror::Error;
use zeroize::Zeroizing;

/// Why a secret is not read. The content is never part of it.
#[derive(Debug, Error)]
pub(crate) enum SecretError {
    #[error("{} cannot be read: {cause}", path.display())]
    Read { path: PathBuf, cause: std::io::Error },
    #[error(
        "{} can be read by others (mode {mode:03o}); run \"chmod 600 {}\"", path.display(), path.display()
    )]
    Open { path: PathBuf, mode: u32 },
}

/// More than any key or password has.
const LIMIT: u64 = 64 * 1024;
const OTHERS: u32 = 0o077;

/// Reads a secret as text.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<String>, SecretError> {
    let failed = |cause| SecretError::Read { path: path.to_owned(), cause };
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & OTHERS != 0 {
        return Err(SecretError::Open { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::with_capacity(4096));
    file.take(LIMIT).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

/// Without the newline that editors put at the end; any other space belongs to a password.
pub(crate) fn without_newline(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}
