//! `peel key split`: a tz4 key that exists becomes shares.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use daemon::secret_file;
use shares::{Share, ShareFile, Threshold, split};
use tezos::{SecretKey, WalletKey};
use zeroize::Zeroizing;

use super::{Password, new_file, open, random_numbers, seal, shared};
use crate::args::KeySplit;

/// Splits the key, and writes each share into a file of its own: all of them, or none.
pub(super) fn run(words: &KeySplit) -> anyhow::Result<()> {
    let threshold = Threshold::new(words.threshold, words.shares)?;
    let secret = read(&words.file, words.key_password_file.as_deref())?;
    let shares = split(&secret, threshold, random_numbers()?)?;
    let password = Password::of(&words.sealing)?;
    new_file::make_folder(&words.output)?;
    let files = write(&shares, &words.output, &password)?;
    show(&shares, &files, &words.file);
    Ok(())
}

fn read(file: &Path, password_file: Option<&Path>) -> anyhow::Result<SecretKey> {
    let key: WalletKey = secret_file::read(file)?
        .parse()
        .with_context(|| format!("{} is no key that can be split", file.display()))?;
    open(key, password_file)
}

fn write(shares: &[Share], folder: &Path, password: &Password) -> anyhow::Result<Vec<PathBuf>> {
    let path = |share: &Share| folder.join(format!("share-{}", share.index()));
    if let Some(there) = shares.iter().map(path).find(|path| path.exists()) {
        bail!(
            "{} is there already; name another folder. If an earlier split was interrupted, destroy what it left (shred -u): \
             enough of its shares are the key",
            there.display()
        );
    }
    let mut written = Vec::new();
    for share in shares {
        let made =
            text(share, password).and_then(|text| new_file::write(&path(share), text.as_bytes()));
        if let Err(error) = made {
            return Err(undone(&written, error));
        }
        written.push(path(share));
    }
    Ok(written)
}

/// Some shares without the others are of no use, and could be mistaken for all of them.
fn undone(written: &[PathBuf], error: anyhow::Error) -> anyhow::Error {
    let left = written.iter().filter_map(|path| new_file::destroy(path).err());
    match left.map(|error| format!("{error:#}")).reduce(|all, one| all + "; " + &one) {
        None => error.context("nothing was split"),
        Some(left) => error.context(format!("nothing was split; destroy what is left: {left}")),
    }
}

fn text(share: &Share, password: &Password) -> anyhow::Result<Zeroizing<String>> {
    Ok(ShareFile::new(share, seal(share.secret(), password)?).to_text())
}

fn show(shares: &[Share], files: &[PathBuf], key_file: &Path) {
    let Some(group) = shares.first().map(Share::group) else { return };
    let (threshold, key) = (group.threshold(), group.public_key());
    daemon::say!("public_key_hash  {}", key.hash());
    daemon::say!("public_key       {key}");
    for file in files {
        daemon::say!("share_file       {}", file.display());
    }
    daemon::say!(
        "\nAny {} of the {} shares sign, and fewer are worth nothing. What is left to do:",
        threshold.needed(),
        threshold.shares()
    );
    daemon::say!(
        "1. stop the signer that has {} now, for good: it signs alone",
        key_file.display()
    );
    daemon::say!("2. bring each share to a computer of its own, and destroy it here (shred -u)");
    daemon::say!(
        "3. at each: in signer.toml, under [[key]], share_file = \"FILE\"; and \"peel watermark init --level LEVEL\""
    );
    daemon::say!("   with the chain's present level: nothing at or below it is signed again");
    daemon::say!(
        "4. in gateway.toml, with the names of the signers, in the order of their shares:\n"
    );
    daemon::say!("{}", shared::block(group));
    daemon::say!(
        "5. once it votes, destroy {} and every copy of it: whoever finds one has the key",
        key_file.display()
    );
}
