//! What is in the package.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::stage::{PROGRAM, READABLE, Stage, failed};
use crate::image::{output, target_folder};
use crate::{Failure, root, start};

/// Files of the repository, and where they lie.
const FILES: [(&str, &str, u32); 13] = [
    ("deploy/systemd/peel-signer.service", "usr/lib/systemd/system/peel-signer.service", READABLE),
    (
        "deploy/systemd/peel-gateway.service",
        "usr/lib/systemd/system/peel-gateway.service",
        READABLE,
    ),
    ("deploy/systemd/peel-clock.service", "usr/lib/systemd/system/peel-clock.service", READABLE),
    ("deploy/systemd/wait-for-clock", "usr/libexec/peel/wait-for-clock", PROGRAM),
    ("deploy/systemd/peel.sysusers", "usr/lib/sysusers.d/peel.conf", READABLE),
    ("deploy/systemd/peel.tmpfiles", "usr/lib/tmpfiles.d/peel.conf", READABLE),
    ("deploy/udev/70-peel-ledger.rules", "usr/lib/udev/rules.d/70-peel-ledger.rules", READABLE),
    ("deploy/debian/copyright", "usr/share/doc/peel/copyright", READABLE),
    ("deploy/debian/lintian-overrides", "usr/share/lintian/overrides/peel", READABLE),
    ("README.md", "usr/share/doc/peel/README.md", READABLE),
    ("SECURITY.md", "usr/share/doc/peel/SECURITY.md", READABLE),
    (
        "deploy/prometheus/peel.rules.yml",
        "usr/share/doc/peel/deploy/prometheus/peel.rules.yml",
        READABLE,
    ),
    ("deploy/grafana/peel.json", "usr/share/doc/peel/deploy/grafana/peel.json", READABLE),
];

/// Where completions lie, by the shell.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions/peel"),
    ("zsh", "usr/share/zsh/vendor-completions/_peel"),
    ("fish", "usr/share/fish/vendor_completions.d/peel.fish"),
];

/// A starter file, where its example lies, and what is another there: the folders of the package's units.
struct Example {
    starter: &'static str,
    place: &'static str,
    changes: &'static [(&'static str, &'static str)],
}

const EXAMPLES: [Example; 2] = [
    Example {
        starter: "crates/peel/src/commands/signer/starter.toml",
        place: "etc/peel/signer.toml.example",
        changes: &[("directory = \"state\"        ", "directory = \"/var/lib/peel\"")],
    },
    Example {
        starter: "crates/peel/src/commands/gateway/starter.toml",
        place: "etc/peel/gateway.toml.example",
        changes: &[("directory = \"state\"       ", "directory = \"/var/lib/peel-gateway\"")],
    },
];

/// Man pages and completions, as the program writes them.
#[derive(Debug)]
pub(super) struct Pages {
    /// Each with its name.
    pages: Vec<(String, Vec<u8>)>,
    /// Each with its place.
    completions: Vec<(&'static str, String)>,
}

impl Pages {
    /// Written by this program.
    pub(super) fn by(program: &Path) -> Result<Pages, Failure> {
        let folder = target_folder().join("deb/man");
        // It is there if packages were built before.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).map_err(|error| failed(&folder, &error))?;
        start(Command::new(program).arg("man").arg(&folder))?;
        let program = program.to_string_lossy();
        let completions = COMPLETIONS
            .map(|(shell, place)| Ok((place, output(&program, &["completions", shell])?)));
        let completions = completions.into_iter().collect::<Result<_, Failure>>()?;
        let mut pages = Vec::new();
        for file in files_in(&folder)? {
            let content = fs::read(&file).map_err(|error| failed(&file, &error))?;
            pages.push((name_of(&file), content));
        }
        Ok(Pages { pages, completions })
    }
}

/// Puts everything that the package installs into its place.
pub(super) fn fill(stage: &Stage, program: &Path, pages: &Pages) -> Result<(), Failure> {
    stage.copy(program, "usr/bin/peel", PROGRAM)?;
    stage.link("usr/bin/peel-ssh", "peel")?;
    // Root's until postinst gives it the group "peel".
    stage.folder_with_mode("etc/peel", 0o750)?;
    stage.folder_with_mode("etc/peel/credentials", 0o700)?;
    for (from, place, mode) in FILES {
        stage.copy(from, place, mode)?;
    }
    for example in &EXAMPLES {
        stage.write(example.place, example.text()?, READABLE)?;
    }
    for file in files_in(&root().join("docs"))? {
        stage.copy(&file, &format!("usr/share/doc/peel/docs/{}", name_of(&file)), READABLE)?;
    }
    let changes = root().join("CHANGELOG.md");
    let changes = fs::read(&changes).map_err(|error| failed(&changes, &error))?;
    stage.compress("usr/share/doc/peel/CHANGELOG.md.gz", changes)?;
    for (name, page) in &pages.pages {
        stage.compress(&format!("usr/share/man/man1/{name}.gz"), page)?;
    }
    for (place, text) in &pages.completions {
        stage.write(place, text, READABLE)?;
    }
    Ok(())
}

impl Example {
    fn text(&self) -> Result<String, Failure> {
        let starter = root().join(self.starter);
        let text = fs::read_to_string(&starter).map_err(|error| failed(&starter, &error))?;
        self.changes.iter().try_fold(text, |text, (from, to)| {
            if text.contains(from) {
                return Ok(text.replace(from, to));
            }
            Err(Failure(format!(
                "{}: {from:?} is not there any more; say in {} what becomes {to:?}",
                self.starter,
                file!()
            )))
        })
    }
}

/// Sorted.
fn files_in(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(folder).map_err(|error| failed(folder, &error))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.is_file());
    files.sort();
    Ok(files)
}

fn name_of(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_name_the_folders_of_the_units() {
        let texts = EXAMPLES.map(|example| example.text().unwrap());
        for (text, folder) in texts.iter().zip(["/var/lib/peel", "/var/lib/peel-gateway"]) {
            assert!(text.contains(&format!("directory = \"{folder}\"")), "{text}");
            assert!(!text.contains("directory = \"state\""), "{text}");
        }
    }

    #[test]
    fn every_file_of_the_package_is_in_the_repository() {
        for (from, _, _) in FILES {
            assert!(root().join(from).is_file(), "{from}");
        }
    }
}
