//! The one layer of an image: its programs, all of them root's, executable, and of 1970.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};

use crate::architecture::Architecture;
use crate::elf;
use crate::error::PackError;

/// A program in an image. Held in memory until the archive is written.
#[derive(Clone, Debug)]
pub struct Program {
    /// Without the leading slash, as tar has it.
    pub(crate) path: String,
    pub(crate) content: Vec<u8>,
}

/// The largest program. Kubernetes' own are smaller.
const LARGEST: u64 = 256 << 20;

impl Program {
    /// Reads a program, which is to stand at `path` in the image ("/peel").
    ///
    /// # Errors
    /// When it is missing, or would not start in an image that has nothing else: linked dynamically, or built for
    /// another architecture.
    pub fn read(from: &Path, path: &str, architecture: Architecture) -> Result<Self, PackError> {
        let content = read(from)?;
        elf::check(&content, architecture).map_err(|wrong| wrong.of(from, architecture))?;
        Ok(Self { path: path.trim_start_matches('/').to_owned(), content })
    }

    /// In bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        u64::try_from(self.content.len()).unwrap_or(u64::MAX)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, PackError> {
    let unreadable = |cause| PackError::Unreadable { path: path.to_owned(), cause };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(PackError::Missing(path.to_owned()));
        }
        Err(error) => return Err(unreadable(error)),
    };
    if file.metadata().map_err(unreadable)?.len() > LARGEST {
        return Err(PackError::TooLarge { path: path.to_owned(), limit: LARGEST });
    }
    let mut content = Vec::new();
    file.take(LARGEST).read_to_end(&mut content).map_err(unreadable)?;
    Ok(content)
}

/// The tar of a layer: what its `diff_id` is the digest of.
pub(crate) fn tar(programs: &[Program]) -> Result<Vec<u8>, PackError> {
    let mut tar = Builder::new(Vec::new());
    for program in programs {
        tar.append(&header(&program.path, &program.content, 0o755)?, program.content.as_slice())?;
    }
    Ok(tar.into_inner()?)
}

/// The same bytes wherever and whenever it is made.
pub(crate) fn header(path: &str, content: &[u8], mode: u32) -> Result<Header, PackError> {
    let mut header = Header::new_ustar();
    header.set_path(path)?;
    header.set_entry_type(EntryType::Regular);
    header.set_size(u64::try_from(content.len()).map_err(io::Error::other)?);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    Ok(header)
}

/// The header of a gzip file has a time and a system: both are "unknown" here.
pub(crate) fn gzip(bytes: &[u8]) -> Result<Vec<u8>, PackError> {
    const UNKNOWN_SYSTEM: u8 = 255;
    let builder = GzBuilder::new().mtime(0).operating_system(UNKNOWN_SYSTEM);
    let mut gzip = builder.write(Vec::new(), Compression::best());
    gzip.write_all(bytes)?;
    Ok(gzip.finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn programs() -> Vec<Program> {
        vec![Program { path: "peel".to_owned(), content: b"\x7fELF".repeat(300) }]
    }

    #[test]
    fn a_layer_holds_the_programs_and_nothing_else() {
        let tar = tar(&programs()).unwrap();
        let mut archive = tar::Archive::new(tar.as_slice());
        let paths =
            archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().into_owned());
        assert_eq!(paths.collect::<Vec<_>>(), [Path::new("peel")]);
    }

    #[test]
    fn owner_mode_and_time_are_fixed() {
        let tar = tar(&programs()).unwrap();
        let mut archive = tar::Archive::new(tar.as_slice());
        let entry = archive.entries().unwrap().next().unwrap().unwrap();
        let header = entry.header();
        assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
        assert_eq!((header.mode().unwrap(), header.mtime().unwrap()), (0o755, 0));
    }

    #[test]
    fn a_compressed_layer_tells_neither_time_nor_system() {
        let gzip = gzip(&tar(&programs()).unwrap()).unwrap();
        // RFC 1952 §2.3: magic, method, flags (no name), time, extra flags, system
        assert_eq!(&gzip[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255]);
    }

    #[test]
    fn a_missing_program_is_an_error_with_the_cure() {
        let folder = tempfile::tempdir().unwrap();
        let error = Program::read(&folder.path().join("peel"), "/peel", Architecture::Amd64);
        let text = error.unwrap_err().to_string();
        assert!(
            text.ends_with("/peel is not there; build it first (\"cargo xtask image\" does)"),
            "{text}"
        );
    }
}
