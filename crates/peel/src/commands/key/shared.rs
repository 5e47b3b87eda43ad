//! What is said of a key in shares: to a person, and to gateway.toml.

use shares::{Group, ShareFile, gateway_block};

/// Of a share's file, in one line.
pub(super) fn line(file: &ShareFile) -> String {
    let threshold = file.group().threshold();
    let sealed = if file.is_encrypted() { "encrypted" } else { "unencrypted" };
    format!(
        "{}  share {} of {}, {} are needed  {sealed}",
        file.group().public_key().hash(),
        file.index(),
        threshold.shares(),
        threshold.needed()
    )
}

/// The block for gateway.toml, in which only the names of the signers are left to be written.
pub(super) fn block(group: &Group) -> String {
    let names = group.threshold().indices().map(|index| format!("NAME-OF-SIGNER-{index}"));
    gateway_block(group, names)
}
