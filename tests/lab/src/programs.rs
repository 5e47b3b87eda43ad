//! The programs of the system that the lab runs.

use std::env;
use std::iter;
use std::path::PathBuf;

use anyhow::bail;

/// Debian packages, and the programs that tests take from each.
pub const PACKAGES: [(&str, &[&str]); 14] = [
    ("iproute2", &["ip", "tc"]),
    ("util-linux", &["mount", "setpriv", "unshare"]),
    ("openssh-client", &["ssh", "scp", "ssh-keygen"]),
    ("openssh-server", &["sshd"]),
    ("autossh", &["autossh"]),
    ("rsync", &["rsync"]),
    ("prometheus", &["prometheus", "promtool"]),
    ("modemmanager", &["mmcli", "ModemManager"]),
    ("nut-server", &["upsd", "dummy-ups"]),
    ("containerd", &["containerd", "ctr"]),
    ("runc", &["runc"]),
    ("nftables", &["nft"]),
    ("qemu-system-x86", &["qemu-system-x86_64"]),
    ("mtools", &["mcopy"]),
];

/// NUT's programs. Debian's `/usr/sbin/upsd` is a script that starts nothing unless /etc/nut/nut.conf says so.
const NUT: &str = "/lib/nut";
/// Where the system's own programs are, which an ordinary user's PATH leaves out.
const SYSTEM: [&str; 2] = ["/usr/sbin", "/sbin"];

/// The full path of a program of [`PACKAGES`]; sshd runs under no other.
///
/// # Errors
/// When it is not here, with the package that has it.
pub fn path(program: &str) -> anyhow::Result<PathBuf> {
    let folders = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&folders).chain(SYSTEM.map(PathBuf::from));
    let folders = iter::once(PathBuf::from(NUT)).chain(folders);
    let found = folders.map(|folder| folder.join(program)).find(|file| file.is_file());
    match found {
        Some(file) => Ok(file),
        None => bail!("{program} is not here: apt-get install {}", package(program)),
    }
}

fn package(program: &str) -> &str {
    let named = PACKAGES.iter().find(|(_, programs)| programs.contains(&program));
    named.map_or(program, |(package, _)| package)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named_with_its_package() {
        assert_eq!(package("sshd"), "openssh-server");
        let error = path("no-such-program").unwrap_err().to_string();
        assert!(error.contains("apt-get install no-such-program"), "{error}");
    }
}
