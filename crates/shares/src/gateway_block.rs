//! What the gateway has to know of a key in shares, as gateway.toml has it.

use crate::Group;

/// The block `[[shared_key]]`, for the signers of these names, in the order of their shares.
#[must_use]
pub fn gateway_block(group: &Group, signers: impl IntoIterator<Item = String>) -> String {
    let shares = group.threshold().indices().zip(group.shares()).zip(signers);
    let shares = shares.map(|((index, key), signer)| {
        format!("  {{ index = {index}, public_key = \"{key}\", signer = \"{signer}\" }},\n")
    });
    format!(
        "[[shared_key]]\npublic_key = \"{}\"\nthreshold = {}\nshares = [\n{}]\n",
        group.public_key(),
        group.threshold().needed(),
        shares.collect::<String>()
    )
}
