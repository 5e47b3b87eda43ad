//! What differs between machines is taken out of the program. A program names where its sources stood (panic messages do), so
//! every such folder gets one name for all machines; what is in the environment and would change the code is removed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use super::Architecture;
use crate::{Failure, of_this_package, root, start};

/// A folder that differs from machine to machine, and its name in the program.
pub(super) type Renamed = (PathBuf, String);

/// The C library of GNU, linked in: musl would need a toolchain of its own.
const STATIC: &str = "-Ctarget-feature=+crt-static";
/// Variables that change the code that is built: these, and those that begin so and go on with an underscore.
const CHANGES_CODE: [&str; 19] = [
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD",
    "CARGO_PROFILE",
    "CARGO_TARGET",
    "CARGO_INCREMENTAL",
    "RUSTC",
    "CC",
    "CXX",
    "AR",
    "CFLAGS",
    "CXXFLAGS",
    "ASFLAGS",
    "CPPFLAGS",
    "LDFLAGS",
    "TARGET",
    "HOST",
    "LIBSQLITE3",
    "SQLITE",
];

/// What makes the program static, and free of this machine's folders. These may have spaces in their names: cargo
/// parts its flags by a unit separator, and the crate `cc` reads quotes if it is told so.
pub(super) fn environment(
    architecture: Architecture,
    folders: &[Renamed],
) -> [(String, String); 3] {
    let map = |(from, to): &Renamed| format!("{}={to}", from.display());
    let rust = folders.iter().map(|folder| format!("\x1f--remap-path-prefix={}", map(folder)));
    let c = folders.iter().map(|folder| format!("'-ffile-prefix-map={}' ", map(folder)));
    [
        ("CARGO_ENCODED_RUSTFLAGS".to_owned(), format!("{STATIC}{}", rust.collect::<String>())),
        (format!("CFLAGS_{}", architecture.triple().replace('-', "_")), c.collect()),
        ("CC_SHELL_ESCAPED_FLAGS".to_owned(), "1".to_owned()),
    ]
}

/// Cargo in the root, with nothing in its environment that changes the code.
pub(super) fn cargo() -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root());
    let names = env::vars_os().map(|(name, _)| name).filter(changes_code);
    for name in names.chain(of_this_package()) {
        cargo.env_remove(name);
    }
    cargo
}

fn changes_code(name: &OsString) -> bool {
    let name = name.to_str().unwrap_or_default();
    let goes_on = |rest: &str| rest.is_empty() || rest.starts_with('_');
    CHANGES_CODE.iter().any(|beginning| name.strip_prefix(beginning).is_some_and(goes_on))
}

/// Where cargo has unpacked the dependencies: a folder for each registry, named after its address.
pub(super) fn registries() -> Result<Vec<PathBuf>, Failure> {
    start(cargo().args(["fetch", "--locked"]))?;
    let sources = cargo_home().join("registry/src");
    let entries = fs::read_dir(&sources)
        .map_err(|error| Failure(format!("{} cannot be read: {error}", sources.display())))?;
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    folders.sort();
    Ok(folders)
}

pub(super) fn cargo_home() -> PathBuf {
    let home = || Some(PathBuf::from(env::var_os("HOME")?).join(".cargo"));
    env::var_os("CARGO_HOME").map(PathBuf::from).or_else(home).unwrap_or_default()
}

pub(crate) fn target_folder() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root().join("target"), |folder| root().join(folder))
}

/// A program that names a folder of this machine has another digest on the next one.
pub(super) fn names_none(program: &Path, folders: &[PathBuf]) -> Result<(), Failure> {
    let bytes = fs::read(program)
        .map_err(|error| Failure(format!("{} cannot be read: {error}", program.display())))?;
    match folders.iter().find(|folder| is_named(folder, &bytes)) {
        None => Ok(()),
        Some(folder) => Err(Failure(format!(
            "{} names a folder of this machine, {}, and so its digest is no other machine's; give that one name for \
             all in xtask/src/image/reproducible.rs",
            program.display(),
            folder.display()
        ))),
    }
}

/// A folder right under the root, like `/src`, would be found in every path.
fn is_named(folder: &Path, bytes: &[u8]) -> bool {
    let name = format!("{}/", folder.display());
    folder.components().count() > 2
        && bytes.windows(name.len()).any(|found| found == name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_the_code_is_known_by_its_name() {
        for name in
            ["RUSTFLAGS", "CFLAGS_x86_64_unknown_linux_gnu", "CARGO_PROFILE_RELEASE_LTO", "CC"]
        {
            assert!(changes_code(&name.into()), "{name}");
        }
        for name in ["PATH", "HOME", "CARGO_HOME", "CARGO_NET_OFFLINE", "ARCH", "RUSTUP_HOME"] {
            assert!(!changes_code(&name.into()), "{name}");
        }
    }

    #[test]
    fn a_program_that_names_a_folder_of_this_machine_is_seen() {
        let program = b"panicked at /home/ann/peel/crates/peel/src/main.rs";
        assert!(is_named(Path::new("/home/ann/peel"), program));
        assert!(!is_named(Path::new("/home/ann/pee"), program));
        assert!(!is_named(Path::new("/src"), program));
    }

    #[test]
    fn a_folder_with_a_space_is_one_flag() {
        let folders = [(PathBuf::from("/home/a b/peel"), "/peel".to_owned())];
        let [rust, c, _] = environment(Architecture::Amd64, &folders);
        let flags: Vec<&str> = rust.1.split('\x1f').collect();
        assert_eq!(flags, [STATIC, "--remap-path-prefix=/home/a b/peel=/peel"]);
        assert_eq!(c.1.trim(), "'-ffile-prefix-map=/home/a b/peel=/peel'");
    }
}
