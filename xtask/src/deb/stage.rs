//! The files of a package, in a folder as they will lie on the disk.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::image::output;
use crate::{Failure, root};

/// A folder that a package is made of.
#[derive(Debug)]
pub(super) struct Stage(PathBuf);

/// The modes of files.
pub(super) const READABLE: u32 = 0o644;
pub(super) const PROGRAM: u32 = 0o755;
const FOLDER: u32 = 0o755;

impl Stage {
    /// An empty one.
    pub(super) fn new(folder: PathBuf) -> Result<Stage, Failure> {
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed(&folder, &error));
            }
            Ok(()) | Err(_) => {}
        }
        let stage = Stage(folder);
        stage.folder_with_mode("", FOLDER)?;
        Ok(stage)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.0
    }

    /// Makes a folder, and those that it is in.
    pub(super) fn folder_with_mode(&self, place: &str, mode: u32) -> Result<(), Failure> {
        let mut folder = self.0.clone();
        make_folder(&folder, FOLDER)?;
        for name in Path::new(place) {
            folder.push(name);
            make_folder(&folder, FOLDER)?;
        }
        set_mode(&folder, mode)
    }

    /// Writes a file.
    pub(super) fn write(
        &self,
        place: &str,
        content: impl AsRef<[u8]>,
        mode: u32,
    ) -> Result<(), Failure> {
        let file = self.make_room(place)?;
        fs::write(&file, content).map_err(|error| failed(&file, &error))?;
        set_mode(&file, mode)
    }

    /// Copies a file of the repository.
    pub(super) fn copy(
        &self,
        from: impl AsRef<Path>,
        place: &str,
        mode: u32,
    ) -> Result<(), Failure> {
        let from = root().join(from);
        let file = self.make_room(place)?;
        fs::copy(&from, &file).map_err(|error| failed(&from, &error))?;
        set_mode(&file, mode)
    }

    /// Writes a file that ends in `.gz`, as Debian wants it: as small as it gets, without a name or a time in it.
    pub(super) fn compress(&self, place: &str, content: impl AsRef<[u8]>) -> Result<(), Failure> {
        let plain = place.strip_suffix(".gz").unwrap_or(place);
        self.write(plain, content, READABLE)?;
        output("gzip", &["-9n", "--force", &self.0.join(plain).to_string_lossy()])?;
        Ok(())
    }

    /// Makes a symbolic link.
    pub(super) fn link(&self, place: &str, target: &str) -> Result<(), Failure> {
        let link = self.make_room(place)?;
        symlink(target, &link).map_err(|error| failed(&link, &error))
    }

    fn make_room(&self, place: &str) -> Result<PathBuf, Failure> {
        let folder = Path::new(place).parent().unwrap_or(Path::new(""));
        if !self.0.join(folder).is_dir() {
            self.folder_with_mode(&folder.to_string_lossy(), FOLDER)?;
        }
        Ok(self.0.join(place))
    }

    /// Everything in it but what dpkg itself reads, sorted, as paths from its root.
    pub(super) fn entries(&self) -> Result<Vec<PathBuf>, Failure> {
        let mut entries = Vec::new();
        self.list(Path::new(""), &mut entries)?;
        entries.retain(|path| !path.starts_with("DEBIAN"));
        entries.sort();
        Ok(entries)
    }

    fn list(&self, below: &Path, entries: &mut Vec<PathBuf>) -> Result<(), Failure> {
        let folder = self.0.join(below);
        for entry in fs::read_dir(&folder).map_err(|error| failed(&folder, &error))? {
            let entry = entry.map_err(|error| failed(&folder, &error))?;
            let path = below.join(entry.file_name());
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.list(&path, entries)?;
            }
            entries.push(path);
        }
        Ok(())
    }
}

/// Whatever the umask is.
fn make_folder(folder: &Path, mode: u32) -> Result<(), Failure> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    set_mode(folder, mode)
}

fn set_mode(path: &Path, mode: u32) -> Result<(), Failure> {
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(|error| failed(path, &error))
}

pub(super) fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure(format!("{}: {error}", path.display()))
}
