//! Files with secrets: read only when no other user can read them, as ssh does.
//!
//! One that belongs to root, and that a group of this process can read, is private enough: so Kubernetes gives a Secret to
//! a pod that is not root (`fsGroup`), and so a distribution gives a key to a daemon.
//!
//! A credential of systemd (`LoadCredential=`) lies in a folder that systemd makes for one unit, and names in
//! `CREDENTIALS_DIRECTORY`. It belongs to root there, and the unit's user reads it by an access control list, which shows
//! as the group's part of the mode (acl(5)): 0440. So of such a file the group's reading is no other's. Another unit with the
//! same credentials, of `systemd-run` for instance, has them in a folder of its own: that one is read there.

use std::env;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::process::{getegid, geteuid, getgroups};
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
        "{} can be read by others (mode {mode:03o}); run \"chmod 600 {}\"; for a Secret of Kubernetes, set defaultMode: 0440 \
         on its volume, and fsGroup in the pod's securityContext", path.display(), path.display()
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

/// Where systemd makes the folder of each unit.
const CREDENTIALS: &str = "/run/credentials";
/// More than any key or password has.
const LIMIT: u64 = 64 * 1024;
/// What only the owner may do.
const OTHERS: u32 = 0o077;
/// The same for a file of root that the group may read.
const BEYOND_THE_GROUP: u32 = 0o037;

/// Whose a file is, and what its mode allows.
#[derive(Debug, Clone, Copy)]
struct Access {
    mode: u32,
    owner: u32,
    group: u32,
    is_credential: bool,
}

/// Who this process is.
#[derive(Debug, Clone)]
struct Process {
    user: u32,
    groups: Vec<u32>,
}

impl Access {
    fn of(found: &Metadata, is_credential: bool) -> Access {
        let mode = found.permissions().mode() & 0o777;
        Access { mode, owner: found.uid(), group: found.gid(), is_credential }
    }

    fn is_private_to(self, process: &Process) -> bool {
        // A command of root's reads what root gave to a daemon, as the package does with /etc/peel/identity.
        let is_given = match process.user {
            0 => self.group != 0,
            _ => self.is_credential || process.groups.contains(&self.group),
        };
        let is_roots = self.owner == 0;
        self.mode & (if is_roots && is_given { BEYOND_THE_GROUP } else { OTHERS }) == 0
    }
}

impl Process {
    fn own() -> Process {
        // Without its supplementary groups it has one, and takes fewer files.
        let groups = getgroups().unwrap_or_default().into_iter().chain([getegid()]);
        Process { user: geteuid().as_raw(), groups: groups.map(|group| group.as_raw()).collect() }
    }
}

/// Reads a secret as text.
///
/// # Errors
/// When others can read it too, or it cannot be read.
pub fn read(path: &Path) -> Result<Zeroizing<String>, SecretFileError> {
    let folder = env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let own = folder.as_deref().and_then(|folder| of_own_unit(path, folder));
    let path = own.as_deref().unwrap_or(path);
    let failed = |cause| SecretFileError::Read { path: path.to_owned(), cause };
    let file = File::open(path).map_err(failed)?;
    let is_credential = folder.is_some_and(|folder| lies_in(path, &folder));
    let access = Access::of(&file.metadata().map_err(failed)?, is_credential);
    if !access.is_private_to(&Process::own()) {
        return Err(SecretFileError::Open { path: path.to_owned(), mode: access.mode });
    }
    let mut text = Zeroizing::new(String::with_capacity(4096));
    file.take(LIMIT).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

/// Where this unit has a credential that is named in the folder of another one.
fn of_own_unit(path: &Path, folder: &Path) -> Option<PathBuf> {
    let unit_and_name = path.strip_prefix(CREDENTIALS).ok()?;
    let name = path.file_name().filter(|_| unit_and_name.components().count() == 2)?;
    Some(folder.join(name))
}

/// Whether a file lies in this folder itself, wherever links lead.
fn lies_in(path: &Path, folder: &Path) -> bool {
    let (found, folder) = (fs::canonicalize(path), fs::canonicalize(folder));
    found.is_ok_and(|found| found.parent() == folder.ok().as_deref())
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
    fn a_file_of_root_may_be_read_by_a_group_of_this_process() {
        let (peel, root) = (|| Process { user: 65532, groups: vec![65532, 7] }, 0);
        let access = |mode, owner, group| Access { mode, owner, group, is_credential: false };
        for (access, good) in [
            (access(0o440, root, 7), true),
            (access(0o640, root, 65532), true),
            (access(0o444, root, 7), false),
            (access(0o460, root, 7), false),
            (access(0o450, root, 7), false),
            // Another group.
            (access(0o440, root, 100), false),
            // It can be made private by this process itself.
            (access(0o640, 65532, 65532), false),
            (access(0o440, 1000, 7), false),
        ] {
            assert_eq!(access.is_private_to(&peel()), good, "{access:?}");
        }
        let as_root = Process { user: 0, groups: vec![0] };
        assert!(!access(0o440, root, 0).is_private_to(&as_root));
        assert!(access(0o400, root, 0).is_private_to(&as_root));
    }

    #[test]
    fn root_reads_what_it_gave_to_the_group_of_a_daemon() {
        let as_root = Process { user: 0, groups: vec![0] };
        let access = |mode, owner, group| Access { mode, owner, group, is_credential: false };
        assert!(access(0o640, 0, 900).is_private_to(&as_root));
        for open in [access(0o644, 0, 900), access(0o660, 0, 900), access(0o640, 1000, 900)] {
            assert!(!open.is_private_to(&as_root), "{open:?}");
        }
    }

    #[test]
    fn a_credential_of_root_may_be_read_by_way_of_its_access_list() {
        let process = Process { user: 65532, groups: vec![65532] };
        let access = |mode, owner, is_credential| Access { mode, owner, group: 0, is_credential };
        for (access, good) in [
            (access(0o440, 0, true), true),
            (access(0o400, 65532, true), true),
            (access(0o440, 0, false), false),
            (access(0o444, 0, true), false),
            (access(0o460, 0, true), false),
            // Not made by systemd.
            (access(0o440, 65532, true), false),
            (access(0o440, 1000, true), false),
        ] {
            assert_eq!(access.is_private_to(&process), good, "{access:?}");
        }
    }

    #[test]
    fn a_credential_is_read_where_this_unit_has_it() {
        let own =
            |path: &str| of_own_unit(Path::new(path), Path::new("/run/credentials/run-u7.service"));
        assert_eq!(
            own("/run/credentials/peel-signer.service/password_baker"),
            Some("/run/credentials/run-u7.service/password_baker".into())
        );
        for path in ["/etc/peel/password", "/run/credentials/password", "/run/credentials/a/b/c"] {
            assert_eq!(own(path), None, "{path}");
        }
    }

    #[test]
    fn a_credential_is_a_file_of_the_folder_itself() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("credentials/below")).unwrap();
        for name in ["credentials/password_baker", "credentials/below/other", "other"] {
            fs::write(at(name), "hush").unwrap();
        }
        std::os::unix::fs::symlink("../other", at("credentials/link")).unwrap();
        let is_credential = |name: &str| lies_in(&at(name), &at("credentials"));
        assert!(is_credential("credentials/password_baker"));
        assert!(is_credential("credentials/below/../password_baker"));
        for name in ["credentials/below/other", "credentials/../other", "credentials/link", "gone"]
        {
            assert!(!is_credential(name), "{name}");
        }
        assert!(!lies_in(&at("other"), &at("gone")));
    }

    #[test]
    fn only_one_newline_is_not_part_of_a_secret() {
        for (text, secret) in [("a \n", "a "), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a", "a")] {
            assert_eq!(without_newline(text), secret);
        }
    }
}
