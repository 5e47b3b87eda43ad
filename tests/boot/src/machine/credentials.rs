//! What the tests add to the machine, as credentials that systemd takes from the firmware's tables: the disk stays as it is.
//!
//! `systemd.extra-unit.*` and `systemd.unit-dropin.*` are units (systemd 256, `systemd-debug-generator`(8)); SMBIOS strings
//! of type 11 are one way in (`systemd.system-credentials`(7)).

use std::fs;
use std::path::{Path, PathBuf};

use base64ct::{Base64, Encoding};

const CREDENTIALS: [(&str, &str); 3] = [
    ("systemd.extra-unit.peel-test.service", include_str!("../../guest/peel-test.service")),
    ("systemd.unit-dropin.multi-user.target", include_str!("../../guest/multi-user.conf")),
    ("peel-test.sh", include_str!("../../guest/peel-test.sh")),
];

/// Writes each into a file for QEMU.
pub(super) fn write(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let write = |(at, (name, text)): (usize, &(&str, &str))| {
        let file = folder.join(format!("credential{at}"));
        let text = Base64::encode_string(text.as_bytes());
        fs::write(&file, format!("io.systemd.credential.binary:{name}={text}"))?;
        Ok(file)
    };
    CREDENTIALS.iter().enumerate().map(write).collect()
}
