//! The image as it is downloaded, and what an operator does with the card on another computer.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use lab::programs;
use tempfile::TempDir;

use crate::disk::Disk;
use crate::machine::Firmware;

/// An image.
#[derive(Debug)]
pub(crate) struct Card {
    image: PathBuf,
    folder: TempDir,
}

/// Where its first partition begins, which every computer shows (`deploy/home/overlay/usr/lib/peel-home/layout`).
const FIRST_PARTITION: &str = "@@4M";
/// Where it ends.
const FIRST_END: u64 = 260 << 20;
const CHUNK: usize = 1 << 20;
/// How systemd-boot finds the system.
const ENTRY: &str = "loader/entries/peel.conf";

impl Card {
    /// Of the image's first partition, what starts it is copied.
    pub(crate) fn new(image: &Path) -> anyhow::Result<Card> {
        let card = Card { image: image.to_owned(), folder: tempfile::tempdir()? };
        for file in ["vmlinuz", "initrd.img", ENTRY] {
            mcopy(image, &[&format!("::/{file}"), &card.path(file)?])?;
        }
        Ok(card)
    }

    /// The same kernel with the same words, started by QEMU itself: sooner.
    pub(crate) fn kernel(&self) -> anyhow::Result<Firmware> {
        let entry = fs::read_to_string(self.path(ENTRY)?)?;
        let options = entry.lines().find_map(|line| line.strip_prefix("options "));
        Ok(Firmware::Kernel {
            kernel: self.path("vmlinuz")?.into(),
            initrd: self.path("initrd.img")?.into(),
            command_line: options.with_context(|| format!("no options: {entry}"))?.to_owned(),
        })
    }

    /// Writes a file on the first partition, as an editor on another computer does.
    pub(crate) fn edit(&self, disk: &Disk, name: &str, text: &str) -> anyhow::Result<()> {
        let edited = self.folder.path().join("edited");
        let mut image = File::open(&self.image)?.take(FIRST_END);
        std::io::copy(&mut image, &mut File::create(&edited)?)?;
        let file = self.path(name)?;
        fs::write(&file, text)?;
        mcopy(&edited, &["-D", "o", &file, &format!("::/{name}")])?;
        self.copy_changes(&edited, disk)?;
        Ok(fs::remove_file(&edited)?)
    }

    /// What is other than in the image is written to the disk.
    fn copy_changes(&self, edited: &Path, disk: &Disk) -> anyhow::Result<()> {
        let (image, edited) = (File::open(&self.image)?, File::open(edited)?);
        let (mut before, mut after) = (vec![0; CHUNK], vec![0; CHUNK]);
        let step = u64::try_from(CHUNK)?;
        for offset in (0..FIRST_END / step).map(|chunk| chunk * step) {
            image.read_exact_at(&mut before, offset)?;
            edited.read_exact_at(&mut after, offset)?;
            if before != after {
                disk.write(offset, &after);
            }
        }
        Ok(())
    }

    fn path(&self, name: &str) -> anyhow::Result<String> {
        let file = self.folder.path().join(name.rsplit('/').next().unwrap_or(name));
        Ok(file.to_str().context("the temporary folder's name")?.to_owned())
    }
}

/// One of mtools', on the first partition of an image.
fn mcopy(image: &Path, words: &[&str]) -> anyhow::Result<()> {
    let mut mcopy = Command::new(programs::path("mcopy")?);
    mcopy.args(["-n", "-i"]).arg(format!("{}{FIRST_PARTITION}", image.display())).args(words);
    let output = mcopy.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "mcopy {}: {said}", words.join(" "));
    Ok(())
}
