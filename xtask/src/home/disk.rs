//! The image: a partition table and two partitions, written into a file without mounting anything.
//!
//! The table is the old one of PCs: the Raspberry Pi 3 reads no other, every EFI does, and it has no copy at the end of a disk
//! whose size is not known yet. The first partition has the type of an ordinary FAT, which every computer shows.

use std::fmt::Write;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{failed_at, read, recipe};
use crate::{Failure, start};

/// Where the partitions begin, in MiB; it is in the image, too, where the data partition is made by it.
const LAYOUT: &str = "overlay/usr/lib/peel-home/layout";
const MIB: u64 = 1 << 20;
const SECTOR: u64 = 512;

/// In MiB. The image ends where the data partition will begin.
#[derive(Debug, PartialEq)]
struct Layout {
    boot: u64,
    root: u64,
    data: u64,
}

pub(super) fn write(image: &Path, card: &Path, root: &Path) -> Result<(), Failure> {
    let layout = Layout::parse(&read(&recipe(LAYOUT))?)?;
    // Another name until it is whole.
    let unfinished = image.with_extension("partial");
    create(&unfinished, layout.data * MIB)?;
    layout.write_table(&unfinished)?;
    layout.write_boot(&unfinished, card)?;
    layout.write_root(&unfinished, root)?;
    fs::rename(&unfinished, image).map_err(|error| failed_at(image, &error))
}

fn create(image: &Path, size: u64) -> Result<(), Failure> {
    let folder = image.parent().unwrap_or(Path::new("."));
    let made = fs::create_dir_all(folder).and_then(|()| File::create(image)?.set_len(size));
    made.map_err(|error| failed_at(image, &error))
}

impl Layout {
    fn parse(text: &str) -> Result<Layout, Failure> {
        let value = |name: &str| {
            let mut lines =
                text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            let number = lines.next().and_then(|number| number.trim().parse().ok());
            number.ok_or_else(|| Failure(format!("{LAYOUT} has no number for {name}")))
        };
        Ok(Layout {
            boot: value("BOOT_START")?,
            root: value("ROOT_START")?,
            data: value("DATA_START")?,
        })
    }

    /// One table for all images: a card that is written anew keeps its partitions' names.
    fn table(&self) -> String {
        let mut table = "label: dos\nlabel-id: 0x7065656c\n".to_owned();
        for (from, to, kind) in
            [(self.boot, self.root, "c, bootable"), (self.root, self.data, "83")]
        {
            let (start, size) = (from * MIB / SECTOR, (to - from) * MIB / SECTOR);
            let _ = writeln!(table, "start={start}, size={size}, type={kind}");
        }
        table
    }

    fn write_table(&self, image: &Path) -> Result<(), Failure> {
        let failed =
            |error| Failure(format!("sfdisk cannot be started ({error}); is fdisk installed?"));
        let mut sfdisk = Command::new("/sbin/sfdisk");
        sfdisk.arg("--quiet").arg(image).stdin(Stdio::piped());
        let mut sfdisk = sfdisk.spawn().map_err(failed)?;
        let table = self.table();
        let written = sfdisk.stdin.take().map(|mut input| input.write_all(table.as_bytes()));
        let done = sfdisk.wait().map_err(failed)?;
        match written {
            Some(Ok(())) if done.success() => Ok(()),
            _ => Err(Failure(format!("sfdisk did not write the table to {}", image.display()))),
        }
    }

    fn write_boot(&self, image: &Path, card: &Path) -> Result<(), Failure> {
        let start_sector = (self.boot * MIB / SECTOR).to_string();
        let mut format = Command::new("/sbin/mkfs.vfat");
        // Clusters of 2 KiB: with the usual ones there are too few for FAT32 to be told from FAT16.
        format.args(["-F", "32", "-s", "4", "-n", "PEEL", "-h", &start_sector]);
        format.args(["--offset", &start_sector]).arg(image);
        start(format.arg(((self.root - self.boot) * MIB / 1024).to_string()))?;
        let mut entries: Vec<_> = fs::read_dir(card)
            .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
            .map_err(|error| failed_at(card, &error))?;
        entries.sort();
        let mut copy = Command::new("mcopy");
        copy.args(["-s", "-Q", "-i"]).arg(format!("{}@@{}M", image.display(), self.boot));
        start(copy.args(entries).arg("::/"))
    }

    /// Filled from the folder, with its owners and modes. It is never written to but by updates: no spare for root, and a
    /// small journal.
    fn write_root(&self, image: &Path, root: &Path) -> Result<(), Failure> {
        let mut format = Command::new("/sbin/mkfs.ext4");
        format.args(["-q", "-F", "-L", "peel-root", "-m", "0", "-J", "size=8", "-d"]).arg(root);
        format.args(["-E", &format!("offset={}", self.root * MIB)]).arg(image);
        start(format.arg(format!("{}M", self.data - self.root)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_partition_begins_where_it_always_did() {
        let layout = Layout::parse(&read(&recipe(LAYOUT)).unwrap()).unwrap();
        assert_eq!(layout, Layout { boot: 4, root: 260, data: 2048 });
    }

    #[test]
    fn the_partitions_follow_one_another_up_to_the_data() {
        let table = Layout { boot: 4, root: 260, data: 2048 }.table();
        assert!(table.contains("start=8192, size=524288, type=c, bootable\n"), "{table}");
        assert!(table.contains("start=532480, size=3661824, type=83\n"), "{table}");
    }
}
