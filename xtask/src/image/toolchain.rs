//! The Rust of this machine, and what other programs say of themselves.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Architecture;
use super::reproducible::{Renamed, registries};
use crate::{Failure, root};

/// The Rust of this machine.
pub(super) struct Toolchain {
    pub(super) version: String,
    commit: String,
    sysroot: PathBuf,
}

impl Toolchain {
    pub(super) fn here() -> Result<Self, Failure> {
        let told = output("rustc", &["--version", "--verbose"])?;
        let commit = told.lines().find_map(|line| line.strip_prefix("commit-hash: "));
        Ok(Self {
            version: told.lines().next().unwrap_or_default().to_owned(),
            commit: commit.unwrap_or("unknown").to_owned(),
            sysroot: PathBuf::from(output("rustc", &["--print", "sysroot"])?.trim_end()),
        })
    }

    pub(super) fn has(&self, architecture: Architecture) -> bool {
        self.sysroot.join("lib/rustlib").join(architecture.triple()).join("lib").is_dir()
    }

    /// The folders of this machine that a program would name. A later one goes before an earlier one.
    pub(super) fn folders(&self, target: &Path) -> Result<Vec<Renamed>, Failure> {
        let mut folders =
            vec![(root(), "/peel".to_owned()), (target.to_owned(), "/target".to_owned())];
        folders.extend(registries()?.into_iter().map(|folder| (folder, "/registry".to_owned())));
        // The name that the standard library has in it where its sources are not installed.
        folders
            .push((self.sysroot.join("lib/rustlib/src/rust"), format!("/rustc/{}", self.commit)));
        Ok(folders)
    }
}

/// The first line of what a program says of itself.
pub(super) fn version_of(program: &str) -> String {
    let told = output(program, &["--version"]).unwrap_or_default();
    told.lines().next().unwrap_or(program).to_owned()
}

pub(super) fn is_started(program: &str) -> bool {
    output(program, &["--version"]).is_ok()
}

/// What a program prints.
pub(crate) fn output(program: &str, words: &[&str]) -> Result<String, Failure> {
    let told = Command::new(program).args(words).current_dir(root()).output();
    let told = told.map_err(|error| {
        Failure(format!("{program} cannot be started ({error}); is it installed?"))
    })?;
    if !told.status.success() {
        return Err(Failure(format!("{program} {} failed", words.join(" "))));
    }
    Ok(String::from_utf8_lossy(&told.stdout).into_owned())
}
