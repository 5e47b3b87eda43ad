//! What is on a disk, and what is only in its cache.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::ops::Sub;
use std::os::unix::fs::FileExt;

use anyhow::{Context, ensure};

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

type Sector = [u8; SECTOR];

/// The sectors of a disk.
#[derive(Debug)]
pub(super) struct Contents {
    image: File,
    image_size: u64,
    size: u64,
    durable: HashMap<u64, Sector>,
    /// Not flushed.
    pending: HashMap<u64, Sector>,
    written: Written,
    power_cuts: u64,
}

/// What becomes of the sectors that were not flushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// All are forgotten.
    Nothing,
    /// Each is kept or not, as if by a coin: a disk writes its cache in the order that suits it.
    Some,
}

/// What a machine has written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Bytes, flushed or not.
    pub bytes: u64,
    /// Those of them that are behind the image: on the data partition, which is no part of it.
    pub behind_image: u64,
    /// How often the cache was flushed.
    pub flushes: u64,
}

impl Sub for Written {
    type Output = Written;

    /// What was written since `before`.
    fn sub(self, before: Written) -> Written {
        Written {
            bytes: self.bytes - before.bytes,
            behind_image: self.behind_image - before.behind_image,
            flushes: self.flushes - before.flushes,
        }
    }
}

impl Contents {
    pub(super) fn new(image: File, size: u64) -> anyhow::Result<Contents> {
        let image_size = image.metadata()?.len();
        ensure!(size >= image_size, "a disk of {size} bytes is too small for {image_size}");
        let (durable, pending) = (HashMap::new(), HashMap::new());
        let written = Written::default();
        Ok(Contents { image, image_size, size, durable, pending, written, power_cuts: 0 })
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn written(&self) -> Written {
        self.written
    }

    /// Whether these are whole sectors of the disk.
    pub(super) fn holds(&self, offset: u64, length: usize) -> bool {
        let sector = SECTOR as u64;
        let end = u64::try_from(length).ok().and_then(|length| offset.checked_add(length));
        end.is_some_and(|end| end <= self.size && end.is_multiple_of(sector))
            && offset.is_multiple_of(sector)
    }

    pub(super) fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.read_image(offset, buffer)?;
        let (sectors, _) = buffer.as_chunks_mut::<SECTOR>();
        for (number, sector) in (offset / SECTOR as u64..).zip(sectors) {
            if let Some(newer) = self.pending.get(&number).or_else(|| self.durable.get(&number)) {
                *sector = *newer;
            }
        }
        Ok(())
    }

    fn read_image(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let there = usize::try_from(self.image_size.saturating_sub(offset)).unwrap_or(usize::MAX);
        match buffer.split_at_mut_checked(there) {
            None => self.image.read_exact_at(buffer, offset),
            Some((there, beyond)) => {
                beyond.fill(0);
                self.image.read_exact_at(there, offset)
            }
        }
    }

    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        let (sectors, _) = bytes.as_chunks::<SECTOR>();
        self.pending.extend((offset / SECTOR as u64..).zip(sectors.iter().copied()));
        let count = u64::try_from(bytes.len()).unwrap_or_default();
        self.written.bytes += count;
        let behind_image = offset.max(self.image_size);
        self.written.behind_image += (offset + count).saturating_sub(behind_image);
    }

    pub(super) fn flush(&mut self) {
        self.durable.extend(self.pending.drain());
        self.written.flushes += 1;
    }

    /// The image takes the place of what was written over it.
    pub(super) fn write_image_anew(&mut self) {
        let image = self.image_size / SECTOR as u64;
        self.durable.retain(|number, _| *number >= image);
    }

    /// How many sectors are written and not flushed.
    pub(super) fn unflushed(&self) -> usize {
        self.pending.len()
    }

    /// How often the power was lost.
    pub(super) fn power_cuts(&self) -> u64 {
        self.power_cuts
    }

    /// Returns how many sectors were not flushed.
    pub(super) fn lose_power(&mut self, kept: Kept) -> anyhow::Result<usize> {
        self.power_cuts += 1;
        let count = self.pending.len();
        let lost = std::mem::take(&mut self.pending);
        if kept == Kept::Some {
            let mut coins = vec![0; count];
            getrandom::fill(&mut coins).context("no random numbers")?;
            let coins = coins.into_iter().map(|coin| coin & 1 == 1);
            self.durable
                .extend(lost.into_iter().zip(coins).filter(|(_, kept)| *kept).map(|(it, _)| it));
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// Two sectors of ones, and two of zeros behind.
    fn contents() -> Contents {
        let mut image = tempfile::tempfile().unwrap();
        image.write_all(&[1; 2 * SECTOR]).unwrap();
        Contents::new(image, 4 * SECTOR as u64).unwrap()
    }

    fn firsts(contents: &Contents) -> Vec<u8> {
        let mut all = vec![9; 4 * SECTOR];
        contents.read(0, &mut all).unwrap();
        all.chunks(SECTOR).map(|sector| sector[0]).collect()
    }

    #[test]
    fn the_image_is_followed_by_zeros() {
        assert_eq!(firsts(&contents()), [1, 1, 0, 0]);
        let mut buffer = [9; 2 * SECTOR];
        contents().read(3 * SECTOR as u64 / 2, &mut buffer).unwrap();
        assert_eq!((buffer[0], buffer[SECTOR]), (1, 0));
    }

    #[test]
    fn what_was_not_flushed_is_read_and_does_not_outlive_the_power() {
        let mut contents = contents();
        contents.write(0, &[5; SECTOR]);
        contents.flush();
        contents.write(0, &[6; SECTOR]);
        contents.write(3 * SECTOR as u64, &[7; SECTOR]);
        assert_eq!(firsts(&contents), [6, 1, 0, 7]);
        assert_eq!(contents.lose_power(Kept::Nothing).unwrap(), 2);
        assert_eq!(firsts(&contents), [5, 1, 0, 0]);
        let sector = SECTOR as u64;
        let expected = Written { bytes: 3 * sector, behind_image: sector, flushes: 1 };
        assert_eq!(contents.written(), expected);
    }

    #[test]
    fn what_is_written_across_the_image_s_end_is_counted_on_both_sides() {
        let mut contents = contents();
        contents.write(SECTOR as u64, &[5; 2 * SECTOR]);
        let sector = SECTOR as u64;
        let expected = Written { bytes: 2 * sector, behind_image: sector, flushes: 0 };
        assert_eq!(contents.written(), expected);
    }

    #[test]
    fn an_image_that_is_written_anew_leaves_what_is_behind_it() {
        let mut contents = contents();
        contents.write(SECTOR as u64, &[7; 2 * SECTOR]);
        contents.flush();
        contents.write_image_anew();
        assert_eq!(firsts(&contents), [1, 1, 7, 0]);
    }

    #[test]
    fn some_of_many_sectors_are_kept() {
        let mut contents = Contents::new(tempfile::tempfile().unwrap(), 1 << 20).unwrap();
        contents.write(0, &[7; 1 << 20]);
        contents.lose_power(Kept::Some).unwrap();
        // 2048 coins: all alike once in 2^2047 runs.
        assert!((1..2048).contains(&contents.durable.len()));
    }

    #[test]
    fn parts_of_sectors_and_what_is_beyond_are_not_held() {
        let contents = contents();
        assert!(contents.holds(0, 4 * SECTOR));
        assert!(!contents.holds(512, 4 * SECTOR));
        assert!(!contents.holds(1, SECTOR));
        assert!(!contents.holds(0, 100));
        assert!(!contents.holds(u64::MAX - 511, SECTOR));
    }
}
