//! Ceremonies and resharings with the real command: each box is a folder, and copying is the way between them.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

/// Runs a command of `peel key` in a folder, to its end.
fn key(peel: &Path, folder: &Path, words: &str) -> anyhow::Result<String> {
    let mut command = Command::new(peel);
    command.arg("key").args(words.split(' ')).current_dir(folder).stdin(Stdio::null());
    let done = command.output()?;
    ensure!(done.status.success(), "{words}: {}", String::from_utf8_lossy(&done.stderr));
    Ok(String::from_utf8(done.stdout)?)
}

/// Gives each of these folders the messages of all of them.
fn exchange(folder: &Path, boxes: &[String]) -> anyhow::Result<()> {
    for from in boxes {
        for file in fs::read_dir(folder.join(from))? {
            let file = file?;
            let is_message = file.path().extension().is_some_and(|end| end == "txt");
            for to in boxes.iter().filter(|to| is_message && *to != from) {
                fs::copy(file.path(), folder.join(to).join(file.file_name()))?;
            }
        }
    }
    Ok(())
}

fn share_files(folder: &Path, boxes: &[String]) -> anyhow::Result<Vec<String>> {
    boxes.iter().map(|own| Ok(fs::read_to_string(folder.join(own).join("share"))?)).collect()
}

/// A ceremony of so many boxes, each a folder in `folder`; the share files that they then have.
///
/// # Errors
/// When a command fails.
pub fn ceremony(peel: &Path, folder: &Path, needed: u8, count: u8) -> anyhow::Result<Vec<String>> {
    let boxes: Vec<String> = (1..=count).map(|at| format!("box-{at}")).collect();
    for (at, own) in (1..).zip(&boxes) {
        let numbers = format!("--threshold {needed} --shares {count} --share {at}");
        key(peel, folder, &format!("ceremony {numbers} {own}"))?;
    }
    for _ in 0..3 {
        exchange(folder, &boxes)?;
        boxes.iter().try_for_each(|own| {
            key(peel, folder, &format!("ceremony --unencrypted {own}")).map(drop)
        })?;
    }
    share_files(folder, &boxes)
}

/// Of the boxes of a ceremony of three in `folder`, two deal to four new ones, of which three sign; the new share files.
///
/// # Errors
/// When a command fails.
pub fn reshare(peel: &Path, folder: &Path) -> anyhow::Result<Vec<String>> {
    let boxes: Vec<String> = (1..=4).map(|at| format!("new-{at}")).collect();
    for (at, own) in (1..).zip(&boxes) {
        key(peel, folder, &format!("reshare --threshold 3 --shares 4 --share {at} {own}"))?;
    }
    exchange(folder, &boxes)?;
    let dealers = ["deal-1", "deal-3"].map(str::to_owned);
    for (dealer, at) in dealers.iter().zip([1, 3]) {
        fs::create_dir(folder.join(dealer))?;
        exchange(folder, &[&boxes[..], std::slice::from_ref(dealer)].concat())?;
        let deal = format!("reshare --dealers 1,3 --share-file box-{at}/share");
        let shown = key(peel, folder, &format!("{deal} {dealer}"))?;
        let fingerprint = fingerprint(&shown)?;
        key(peel, folder, &format!("{deal} --new-boxes {fingerprint} {dealer}"))?;
    }
    for _ in 0..2 {
        exchange(folder, &[&boxes[..], &dealers].concat())?;
        boxes.iter().try_for_each(|own| {
            key(peel, folder, &format!("reshare --unencrypted {own}")).map(drop)
        })?;
    }
    share_files(folder, &boxes)
}

/// Ten groups of four digits.
fn fingerprint(shown: &str) -> anyhow::Result<String> {
    let is_one = |word: &&str| word.len() == 49 && word.matches('-').count() == 9;
    let found = shown.split_whitespace().find(is_one).map(str::to_owned);
    found.with_context(|| format!("no fingerprint in {shown}"))
}
