//! A command that touches the store runs as the user that has the store.
//!
//! The service has a user of its own. A command that root types would leave files of root among the marks, which the
//! service could not open; and a secret that is the service's is no secret of root's. So the command becomes that user:
//! the same program, anew, before anything is opened.

use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, io};

use anyhow::anyhow;

/// This program, also where the new user cannot reach its folder.
pub(crate) const THIS_PROGRAM: &str = "/proc/self/exe";
/// More than a configuration has.
const MAX_BYTES: u64 = 1024 * 1024;

/// Goes on as the owner of the folder of marks that this configuration names, if root has typed the command and is not
/// the owner. A folder that has to be made will be the owner's of the one that it is made in.
///
/// # Errors
/// When the system refuses.
pub(crate) fn become_owner(config: &Path) -> anyhow::Result<()> {
    store_folder(config).map_or(Ok(()), |folder| become_owner_of(&folder))
}

/// The same for a folder that is known.
///
/// # Errors
/// When the system refuses.
pub(crate) fn become_owner_of(folder: &Path) -> anyhow::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    match owner(folder) {
        Some(owner) if owner.uid() != 0 => Err(become_user(&owner, folder)),
        // A folder that cannot be looked at is told by whatever comes next.
        Some(_) | None => Ok(()),
    }
}

/// What is wrong when root has the marks, and the configuration is for the group of a service: it could not open them.
pub(crate) fn is_not_the_services(config: &Path) -> Option<String> {
    folder_is_not_the_services(config, &store_folder(config)?)
}

/// The same for a folder that is known.
pub(crate) fn folder_is_not_the_services(config: &Path, folder: &Path) -> Option<String> {
    let (group, owner) = (fs::metadata(config).ok()?.gid(), fs::metadata(folder).ok()?.uid());
    // A service that asks itself can open what it reads: a volume of root's that all may write to, for instance.
    let is_roots = owner == 0 && rustix::process::geteuid().is_root();
    (is_roots && group != 0).then(|| {
        let folder = folder.display();
        format!(
            "{folder} belongs to root, and {} is for a service of group {group}, which could not open what is there; give it to its \
             user, as in chown -R peel:peel {folder}",
            config.display()
        )
    })
}

/// The folder of marks; none if the file cannot be read, which is told later with the cure. Secrets are not looked at.
fn store_folder(config: &Path) -> Option<PathBuf> {
    let mut text = String::new();
    File::open(config).ok()?.take(MAX_BYTES).read_to_string(&mut text).ok()?;
    let table: toml::Table = text.parse().ok()?;
    let named = table.get("state").and_then(|state| state.get("directory")?.as_str());
    let base = config.parent().unwrap_or(Path::new(""));
    Some(named.map_or_else(signer::config::default_state, |named| base.join(named)))
}

/// Who owns a folder, or the first one above it that is there.
fn owner(folder: &Path) -> Option<Metadata> {
    let folder = std::path::absolute(folder).ok()?;
    folder.ancestors().find_map(|folder| fs::metadata(folder).ok())
}

/// Returns only when it did not work. The groups of root are left behind, too.
fn become_user(owner: &Metadata, folder: &Path) -> anyhow::Error {
    let (user, group) = (owner.uid(), owner.gid());
    daemon::tell!("as the user that has {}: number {user}", folder.display());
    let mut again = Command::new(THIS_PROGRAM);
    again.args(env::args_os().skip(1)).uid(user).gid(group);
    if let Some(name) = env::args_os().next() {
        again.arg0(name);
    }
    let error: io::Error = again.exec();
    anyhow!(
        "{} belongs to user {user}, and this command cannot run as that one: {error}",
        folder.display()
    )
}
