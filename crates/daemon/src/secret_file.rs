//! Files with secrets: read only when no other user can read them, as ssh does.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use thiserror::Error;
use zeroize::Zeroizing;

/// Why a secret is not read. The content is never part of it. *Misused* or *failed*.
#[derive(Debug, Error)]
pub enum SecretFileError {
    /// It is not there, or not ours, or no text.
    #[error("{} cannot be read: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// Its mode lets others in.
    #[error(
        "{} can be read by others (mode {mode:03o}); run \"chmod 600 {}\"", path.display(), path.display()
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

/// More than any key or password has.
const LIMIT: u64 = 64 * 1024;
const OTHERS: u32 = 0o077;

/// Reads a secret as text.
///
/// # Errors
/// When others can read it too, or it cannot be read.
pub fn read(path: &Path) -> Result<Zeroizing<String>, SecretFileError> {
    let failed = |cause| SecretFileError::Read { path: path.to_owned(), cause };
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & OTHERS != 0 {
        return Err(SecretFileError::Open { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::with_capacity(4096));
    file.take(LIMIT).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

/// A secret without the newline that editors put at the end; any other space belongs to a password.
#[must_use]
pub fn without_newline(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};

    use super::*;

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "hush\n").unwrap();
        for (mode, good) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let text = read(&path);
            assert_eq!(text.is_ok(), good, "{mode:o}");
            let cure = format!("chmod 600 {}", path.display());
            assert!(
                text.map_or_else(
                    |error| error.to_string().contains(&cure),
                    |text| *text == "hush\n"
                )
            );
        }
        assert!(matches!(read(&folder.path().join("gone")), Err(SecretFileError::Read { .. })));
    }

    #[test]
    fn only_one_newline_is_not_part_of_a_secret() {
        for (text, secret) in [("a \n", "a "), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a", "a")] {
            assert_eq!(without_newline(text), secret);
        }
    }
}
