//! The folder of one box for one ceremony: messages, what is remembered, and in the end the share.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use daemon::secret_file;
use shares::ShareFile;
use shares::ceremony::Message;
use zeroize::Zeroizing;

use super::super::new_file;

/// What this box remembers. Its name ends like no message's.
pub(super) const MEMORY: &str = "ceremony.secret";
const SHARE: &str = "share";
/// How the files of messages end.
const MESSAGES: &str = "txt";
/// Bytes of a file of messages, at most: all messages of a ceremony of 16 boxes have a quarter of it.
const LONGEST: u64 = 1024 * 1024;
/// Files of messages that are read, at most.
const MOST: usize = 256;

/// A folder that no other peel uses at the same time.
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// A new one, or one in which nothing was begun.
    pub(super) fn begin(path: &Path) -> anyhow::Result<Folder> {
        new_file::make_folder(path)?;
        let folder = Folder::open(path)?;
        for name in [MEMORY, SHARE] {
            let file = path.join(name);
            if file.try_exists()? {
                bail!(
                    "{} is there already; go on without the numbers, or begin in another folder",
                    file.display()
                );
            }
        }
        Ok(folder)
    }

    pub(super) fn open(path: &Path) -> anyhow::Result<Folder> {
        let lock = File::open(path).with_context(|| {
            format!("{} cannot be read; --threshold, --shares and --share make it", path.display())
        })?;
        lock.try_lock().with_context(|| format!("another peel runs in {}", path.display()))?;
        Ok(Folder { path: path.to_owned(), _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn share_path(&self) -> PathBuf {
        self.path.join(SHARE)
    }

    /// What was remembered, if there is anything.
    pub(super) fn memory(&self) -> anyhow::Result<Option<Zeroizing<String>>> {
        let path = self.path.join(MEMORY);
        if !path.try_exists()? {
            return Ok(None);
        }
        let text = secret_file::read(&path)?;
        // It was being forgotten when the power failed.
        if self.share_path().try_exists()? && text.bytes().all(|byte| byte == 0) {
            self.forget()?;
            return Ok(None);
        }
        Ok(Some(text))
    }

    pub(super) fn remember(&self, text: &str) -> anyhow::Result<()> {
        new_file::replace(&self.path.join(MEMORY), text.as_bytes())
    }

    pub(super) fn forget(&self) -> anyhow::Result<()> {
        new_file::destroy_parts(&self.share_path())?;
        new_file::destroy(&self.path.join(MEMORY))
    }

    /// The share, if there is one.
    pub(super) fn share(&self) -> anyhow::Result<Option<ShareFile>> {
        let path = self.share_path();
        if !path.try_exists()? {
            return Ok(None);
        }
        let share = ShareFile::parse(&secret_file::read(&path)?);
        Ok(Some(share.with_context(|| format!("{}", path.display()))?))
    }

    /// The messages that are in it.
    pub(super) fn messages(&self) -> anyhow::Result<Vec<Message>> {
        let mut all = Vec::new();
        for path in self.files()? {
            let file =
                File::open(&path).with_context(|| format!("{} cannot be read", path.display()))?;
            all.extend(read(&limited(file, &path)?, &path.display().to_string())?);
        }
        Ok(all)
    }

    fn files(&self) -> anyhow::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            if path.extension().is_some_and(|end| end == MESSAGES) && path.is_file() {
                files.push(path);
            }
        }
        if files.len() > MOST {
            bail!(
                "{} has {} files of messages; leave those of one ceremony there",
                self.path.display(),
                files.len()
            );
        }
        files.sort();
        Ok(files)
    }

    /// Puts a message into its file, if it is not there.
    pub(super) fn keep(&self, message: &Message) -> anyhow::Result<()> {
        let path = self.message_path(message);
        if !path.try_exists()? {
            return new_file::write(&path, message.to_text().as_bytes());
        }
        let there = Message::read_all(&limited(File::open(&path)?, &path)?);
        if there.iter().flatten().any(|there| there == message) {
            return Ok(());
        }
        bail!(
            "{} holds another message of round {} from {} than the one that is there now; take it away, if it is not of this ceremony",
            path.display(),
            message.round(),
            message.sender()
        );
    }

    pub(super) fn message_path(&self, message: &Message) -> PathBuf {
        self.path.join(message.file_name())
    }
}

/// The messages in these files; "-" is text that is pasted.
pub(super) fn given(paths: &[PathBuf]) -> anyhow::Result<Vec<Message>> {
    let mut all = Vec::new();
    for path in paths {
        let (text, from) = text_of(path)?;
        all.extend(read(&text, &from)?);
    }
    Ok(all)
}

fn text_of(path: &Path) -> anyhow::Result<(String, String)> {
    if path == Path::new("-") {
        return Ok((limited(io::stdin(), path)?, "standard input".to_owned()));
    }
    let file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok((limited(file, path)?, path.display().to_string()))
}

fn limited(from: impl Read, path: &Path) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    let read = from.take(LONGEST + 1).read_to_end(&mut bytes);
    read.with_context(|| format!("{} cannot be read", path.display()))?;
    if bytes.len() as u64 > LONGEST {
        bail!("{} is too long for messages of a ceremony", path.display());
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The messages in a text: each whole, or none.
fn read(text: &str, from: &str) -> anyhow::Result<Vec<Message>> {
    let messages = Message::read_all(text);
    if messages.is_empty() {
        bail!("{from} holds no message of a ceremony; take it away, or have it sent again");
    }
    let whole: Result<Vec<Message>, _> = messages.into_iter().collect();
    whole.with_context(|| from.to_owned())
}
