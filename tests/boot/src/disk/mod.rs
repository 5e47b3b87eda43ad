//! A disk that forgets, at a power cut, what was not flushed.
//!
//! A file on this machine would be too kind: what QEMU has written is in the page cache here, and outlives its process.
//! So the disk is served by this process over NBD. Writes are kept apart until the guest flushes, as in the cache of a
//! real disk:
//!
//! ```text
//!   guest ── virtio-blk ── QEMU ── NBD, unix socket ──▶ pending ── flush ──▶ durable ── over the image, which is only read
//!                                                          └── power cut: forgotten, or some sectors kept
//! ```

mod contents;
mod nbd;
mod options;

use std::fs::File;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, ensure};
use parking_lot::{Condvar, Mutex};
use tempfile::TempDir;

pub use contents::{Kept, Written};

use contents::Contents;

/// A disk on a unix socket. The thread that serves it ends with the process.
#[derive(Debug)]
pub struct Disk {
    shared: Arc<Shared>,
    folder: TempDir,
}

#[derive(Debug)]
struct Shared {
    contents: Mutex<Contents>,
    /// Whether a machine is connected.
    connected: Mutex<bool>,
    changed: Condvar,
}

/// From QEMU's end until its last request is worked off.
const DISCONNECT_LIMIT: Duration = Duration::from_secs(20);

impl Disk {
    /// A disk of `size` bytes that begins with the image; what follows is zeros.
    ///
    /// # Errors
    /// When the image cannot be read, or no socket made.
    pub fn new(image: &Path, size: u64) -> anyhow::Result<Disk> {
        let file = File::open(image).with_context(|| image.display().to_string())?;
        let contents = Contents::new(file, size)?;
        let connected = Mutex::new(false);
        let shared = Shared { contents: Mutex::new(contents), connected, changed: Condvar::new() };
        let disk = Disk { shared: Arc::new(shared), folder: tempfile::tempdir()? };
        let listener = UnixListener::bind(disk.socket())?;
        let shared = Arc::clone(&disk.shared);
        thread::Builder::new().name("disk".into()).spawn(move || shared.serve(&listener))?;
        Ok(disk)
    }

    /// Where it is served.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    /// The power is lost: of what was not flushed only `kept` remains, and what a machine is still asking for is not done.
    /// Returns how many sectors were not flushed.
    ///
    /// # Errors
    /// When there are no random numbers.
    pub fn lose_power(&self, kept: Kept) -> anyhow::Result<usize> {
        self.shared.contents.lock().lose_power(kept)
    }

    /// Another computer writes to it, and takes it out properly.
    pub(crate) fn write(&self, offset: u64, bytes: &[u8]) {
        let mut contents = self.shared.contents.lock();
        contents.write(offset, bytes);
        contents.flush();
    }

    /// The image is written over it anew; what is behind the image stays.
    ///
    /// # Errors
    /// When a machine is still connected.
    pub fn write_image_anew(&self) -> anyhow::Result<()> {
        let mut connected = self.shared.connected.lock();
        self.shared.changed.wait_while_for(&mut connected, |is| *is, DISCONNECT_LIMIT);
        ensure!(!*connected, "a machine is still connected to the disk");
        self.shared.contents.lock().write_image_anew();
        Ok(())
    }

    /// Sectors that were written and not flushed.
    #[must_use]
    pub fn unflushed(&self) -> usize {
        self.shared.contents.lock().unflushed()
    }

    /// What was written to it so far.
    #[must_use]
    pub fn written(&self) -> Written {
        self.shared.contents.lock().written()
    }
}

impl Shared {
    /// One machine after the other: a disk has one plug.
    fn serve(&self, listener: &UnixListener) {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            self.set_connected(true);
            // A machine whose power was cut says no goodbye.
            let _ended = self.serve_one(&stream);
            self.set_connected(false);
        }
    }

    fn serve_one(&self, stream: &UnixStream) -> std::io::Result<()> {
        let size = self.contents.lock().size();
        options::negotiate(stream, size)?;
        nbd::serve(stream, &self.contents)
    }

    fn set_connected(&self, is: bool) {
        *self.connected.lock() = is;
        self.changed.notify_all();
    }
}
