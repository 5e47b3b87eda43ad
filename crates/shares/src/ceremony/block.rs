//! Text that survives a chat: named values between a line that begins it and one that ends it, with a checksum.
//!
//! ```text
//! BEGIN PEEL CEREMONY MESSAGE
//! about: ceremony, round 1 of 3, from share 2 of 3, to every box; nothing in it is secret to read
//! format: 1
//! key: 5ba0…
//! checksum: 9c41d6f0a3b7e812
//! END PEEL CEREMONY MESSAGE
//! ```
//!
//! What a mail program or a chat does to lines does no harm: spaces do not count, a line without a colon belongs to the one
//! before it, and a ">" at the beginning of a line is a quotation's. Any other change is found by the checksum, which is
//! for accidents: it keeps no liar out.

use std::str::FromStr;

use thiserror::Error;
use zeroize::Zeroizing;

use super::digest::digest;

/// Named values, in their order. They zeroise themselves: one kind of block holds secrets.
pub(super) struct Block(Vec<(String, Zeroizing<String>)>);

/// The values of a block, one after the other.
pub(super) struct Reader<'a>(std::slice::Iter<'a, (String, Zeroizing<String>)>);

/// What is wrong with a block. The texts repeat nothing of it. *Misused*.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BlockError {
    /// No end, or the beginning of another one before it.
    #[error("was cut: it begins, and does not end")]
    Cut,
    /// Longer than any that a box writes.
    #[error("is longer than any that a box writes")]
    Long,
    /// Some of it is not as it was.
    #[error("was changed on its way: its checksum is another one")]
    Checksum,
    /// A value is missing, or is not what it is named.
    #[error("has no good \"{0}\"")]
    Value(&'static str),
    /// There is more than belongs to it, or a number is written in another way.
    #[error("is not written as a box writes it")]
    Form,
}

/// Characters of one block, at most: one of round 2 for 16 boxes has a quarter of it.
const LONGEST: usize = 32 * 1024;
/// Characters in a line of a value: fewer than mail programs break.
const LINE: usize = 64;
/// Bytes of the checksum.
const CHECKSUM: usize = 8;

impl Block {
    /// One without values.
    pub(super) fn new() -> Block {
        Block(Vec::new())
    }

    /// Adds a value. It has neither line breaks nor colons.
    pub(super) fn with(mut self, name: &str, value: impl Into<String>) -> Block {
        self.0.push((name.to_owned(), Zeroizing::new(value.into())));
        self
    }

    /// Adds bytes.
    pub(super) fn with_bytes<const N: usize>(self, name: &str, values: &[[u8; N]]) -> Block {
        let mut text = String::with_capacity(2 * N * values.len());
        for value in values {
            let digits = Zeroizing::new(hex::encode(value));
            text.push_str(&digits);
        }
        self.with(name, text)
    }

    /// The text, as a box writes it.
    pub(super) fn to_text(&self, title: &str) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(LONGEST));
        let mut line =
            |parts: &[&str]| parts.iter().chain(&["\n"]).for_each(|part| text.push_str(part));
        line(&["BEGIN ", title]);
        for (name, value) in &self.0 {
            match value.split_at_checked(LINE) {
                Some(_) if !value.contains(' ') => {
                    line(&[name, ":"]);
                    lines_of(value).for_each(|part| line(&[part]));
                }
                _ => line(&[name, ": ", value]),
            }
        }
        line(&["checksum: ", &self.checksum()]);
        line(&["END ", title]);
        text
    }

    /// Every block of this title in a text, however long that is.
    pub(super) fn find(title: &str, text: &str) -> Vec<Result<Block, (BlockError, Block)>> {
        let (begin, end) = (format!("BEGIN {title}"), format!("END {title}"));
        let (mut found, mut open): (Vec<_>, Option<Vec<&str>>) = (Vec::new(), None);
        for line in text.lines().map(bare) {
            if line == begin {
                found.extend(open.replace(Vec::new()).map(|lines| (lines, false)));
            } else if line == end {
                found.extend(open.take().map(|lines| (lines, true)));
            } else if let Some(lines) = open.as_mut() {
                lines.push(line);
            }
        }
        found.extend(open.map(|lines| (lines, false)));
        found.into_iter().map(|(lines, is_whole)| Block::read(&lines, is_whole)).collect()
    }

    /// One block; if it is damaged, also what could be read of it.
    fn read(lines: &[&str], is_whole: bool) -> Result<Block, (BlockError, Block)> {
        if lines.iter().map(|line| line.len()).sum::<usize>() > LONGEST {
            return Err((BlockError::Long, Block::new()));
        }
        let mut block = Block::of(lines);
        if !is_whole {
            return Err((BlockError::Cut, block));
        }
        let checksum = block.0.pop();
        match checksum {
            Some((name, value)) if name == "checksum" && is_intact(&block, &value) => Ok(block),
            _ => Err((BlockError::Checksum, block)),
        }
    }

    fn of(lines: &[&str]) -> Block {
        let mut block = Block::new();
        for line in lines {
            match (line.split_once(':'), block.0.last_mut()) {
                (Some((name, value)), _) => block = block.with(name.trim_end(), spaceless(value)),
                // It moves when it grows, and what was there is wiped.
                (None, Some((_, value))) => {
                    *value = Zeroizing::new([value.as_str(), &spaceless(line)].concat());
                }
                (None, None) => {}
            }
        }
        block
    }

    fn checksum(&self) -> String {
        let values: Vec<_> = self.spaceless().collect();
        let parts = values.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
        let digest = digest("checksum", &parts.collect::<Vec<_>>());
        hex::encode(digest.first_chunk::<CHECKSUM>().copied().unwrap_or_default())
    }

    /// The value of this name, without its spaces, if there is one: of a block that may be damaged.
    pub(super) fn find_value(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Names and values, without spaces: those of a value for people do not count.
    fn spaceless(&self) -> impl Iterator<Item = (&str, Zeroizing<String>)> {
        self.0.iter().map(|(name, value)| (name.as_str(), Zeroizing::new(spaceless(value))))
    }

    /// Reads the values in their order.
    pub(super) fn reader(&self) -> Reader<'_> {
        Reader(self.0.iter())
    }
}

impl PartialEq for Block {
    fn eq(&self, other: &Block) -> bool {
        self.spaceless().eq(other.spaceless())
    }
}

impl<'a> Reader<'a> {
    /// The next value, which must have this name.
    pub(super) fn text(&mut self, name: &'static str) -> Result<&'a str, BlockError> {
        match self.0.next() {
            Some((own, value)) if own == name => Ok(value),
            _ => Err(BlockError::Value(name)),
        }
    }

    /// The next value, parsed.
    pub(super) fn parse<T: FromStr>(&mut self, name: &'static str) -> Result<T, BlockError> {
        self.text(name)?.parse().map_err(|_| BlockError::Value(name))
    }

    /// Bytes of this size, one behind the other.
    pub(super) fn bytes<const N: usize>(
        &mut self,
        name: &'static str,
    ) -> Result<Vec<[u8; N]>, BlockError> {
        let bytes = self.raw(name)?;
        let (values, rest) = bytes.as_chunks::<N>();
        rest.is_empty().then(|| values.to_vec()).ok_or(BlockError::Value(name))
    }

    /// Bytes of this size, once.
    pub(super) fn one<const N: usize>(
        &mut self,
        name: &'static str,
    ) -> Result<[u8; N], BlockError> {
        self.raw(name)?.as_slice().try_into().map_err(|_| BlockError::Value(name))
    }

    fn raw(&mut self, name: &'static str) -> Result<Zeroizing<Vec<u8>>, BlockError> {
        let bytes = hex::decode(self.text(name)?).map_err(|_| BlockError::Value(name))?;
        Ok(Zeroizing::new(bytes))
    }

    /// That there is no more.
    pub(super) fn end(mut self) -> Result<(), BlockError> {
        self.0.next().map_or(Ok(()), |_| Err(BlockError::Form))
    }
}

/// Bytes that a fuzzer makes come as far as those of a liar, who knows how a checksum is made.
fn is_intact(block: &Block, checksum: &str) -> bool {
    cfg!(fuzzing) || block.checksum() == checksum
}

/// A line without what a quotation or a program put around it.
fn bare(line: &str) -> &str {
    let is_around = |c: char| c.is_whitespace() || matches!(c, '>' | '\u{feff}' | '\u{200b}');
    line.trim_matches(is_around)
}

fn spaceless(text: &str) -> String {
    let mut spaceless = String::with_capacity(text.len());
    spaceless.extend(text.chars().filter(|c| !c.is_whitespace()));
    spaceless
}

fn lines_of(value: &str) -> impl Iterator<Item = &str> {
    let mut rest = value;
    std::iter::from_fn(move || {
        let (line, after) = rest.split_at_checked(LINE).unwrap_or((rest, ""));
        rest = after;
        (!line.is_empty()).then_some(line)
    })
}
