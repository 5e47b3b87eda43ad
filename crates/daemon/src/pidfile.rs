//! The number of a process in a file, for scripts that stop it. It is locked while the process lives.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;

use thiserror::Error;

use crate::own_file::OwnFile;

/// The file. Dropping it removes it.
#[derive(Debug)]
pub struct PidFile {
    _file: OwnFile,
    /// Locked for as long as this lives.
    _lock: File,
}

/// A file that cannot be made. *Misused* or *failed*.
#[derive(Debug, Error)]
pub enum PidFileError {
    /// Another process has it.
    #[error("{} is of a process that runs; stop that one, or name another file", .0.display())]
    Held(PathBuf),
    /// The system refuses.
    #[error("{} cannot be written: {cause}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
}

const OWNER_ONLY: u32 = 0o600;

impl PidFile {
    /// Writes the number of this process into `path`. What a process left behind is overwritten.
    ///
    /// # Errors
    /// When the file is of a process that runs, or cannot be written.
    pub fn create(path: &Path) -> Result<PidFile, PidFileError> {
        let failed = |cause| PidFileError::Write { path: path.to_owned(), cause };
        let mut options = File::options();
        // For its owner: who can read it could hold its lock.
        options.create(true).truncate(false).write(true).mode(OWNER_ONLY);
        let mut file = loop {
            let file = options.open(path).map_err(failed)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(PidFileError::Held(path.to_owned())),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
            // The process before may have removed it meanwhile.
            if is_at(&file, path) {
                break file;
            }
        };
        let written = file.set_len(0).and_then(|()| writeln!(file, "{}", process::id()));
        written.map_err(failed)?;
        let own = OwnFile::new(path.to_owned(), &file.metadata().map_err(failed)?);
        Ok(PidFile { _file: own, _lock: file })
    }
}

/// Whether the file is the one that lies at `path`.
fn is_at(file: &File, path: &Path) -> bool {
    let [own, there] = [file.metadata(), fs::metadata(path)]
        .map(|found| found.ok().map(|found| (found.dev(), found.ino())));
    own.is_some() && own == there
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_held_while_the_process_lives_and_gone_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("peel.pid");
        fs::write(&path, "4194305 left behind\n").unwrap();
        let file = PidFile::create(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", process::id()));
        assert!(matches!(PidFile::create(&path), Err(PidFileError::Held(_))));
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn a_folder_that_is_not_there_is_told() {
        let error = PidFile::create(Path::new("/no/such/folder/peel.pid")).unwrap_err();
        assert!(error.to_string().starts_with("/no/such/folder/peel.pid cannot be written"));
    }
}
