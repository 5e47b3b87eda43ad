//! Files and folders of the system, of which no more is read than has been thought of.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

/// More than `/proc/stat` and `/proc/self/mountinfo` have on any signer's computer.
const MAX_BYTES: u64 = 1024 * 1024;
/// Entries of a folder.
const MAX_ENTRIES: usize = 1024;

/// A file's text. None for what cannot be read: sensors and lines that are down fail with an error of their own.
pub(super) fn text(path: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(path).ok()?.take(MAX_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

/// A file that holds one word.
pub(super) fn word(path: &Path) -> Option<String> {
    Some(text(path)?.trim().to_owned()).filter(|word| !word.is_empty())
}

/// A file that holds one number.
pub(super) fn number(path: &Path) -> Option<f64> {
    word(path)?.parse().ok()
}

/// The names in a folder, in order.
pub(super) fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let names = entries.take(MAX_ENTRIES).flatten().map(|entry| entry.file_name().into_string());
    let mut names: Vec<String> = names.flatten().collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn an_endless_file_and_an_endless_folder_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("endless");
        io::copy(&mut io::repeat(b'x').take(3 * MAX_BYTES), &mut File::create(&path).unwrap())
            .unwrap();
        assert_eq!(text(&path).unwrap().len() as u64, MAX_BYTES);
        for number in 0..MAX_ENTRIES {
            File::create(folder.path().join(number.to_string())).unwrap();
        }
        assert_eq!(names(folder.path()).len(), MAX_ENTRIES);
    }
}
