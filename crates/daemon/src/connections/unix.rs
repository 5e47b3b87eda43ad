//! A unix socket with a mode and an owner of its own, which is gone when its program is.
//!
//! It is made in a folder that no other user can enter, given its mode and owner, and then moved to its place: at no
//! moment can a user connect whom the mode keeps out. What lies in its place is replaced only if it is a socket that no
//! program listens on.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::Shutdown;
use crate::connections::{Limits, Protocol, serving};
use crate::own_file::OwnFile;

/// Where a unix socket is, and who may connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixSocket {
    /// Its path.
    pub path: PathBuf,
    /// Its mode: who may write to it may connect.
    pub mode: u32,
    /// Its user, by number; none: the one of this process.
    pub user: Option<u32>,
    /// Its group, by number; none: the one of this process.
    pub group: Option<u32>,
}

/// A unix socket that is listened on.
#[derive(Debug)]
pub struct UnixListener {
    listener: tokio::net::UnixListener,
    limits: Limits,
    _file: OwnFile,
}

/// A unix socket that cannot be listened on. *Misused* or *failed*.
#[derive(Debug, Error)]
#[error("cannot listen on {}: {why}", path.display())]
pub struct UnixListenError {
    path: PathBuf,
    why: String,
}

/// For the program that may listen there.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);

impl UnixListener {
    /// Makes the socket and listens on it.
    ///
    /// # Errors
    /// When another program listens there, something else lies there, or the system refuses.
    pub async fn bind(
        socket: &UnixSocket,
        limits: Limits,
    ) -> Result<UnixListener, UnixListenError> {
        let failed = |why: String| UnixListenError { path: socket.path.clone(), why };
        check_place(&socket.path).await.map_err(failed)?;
        let (listener, file) = make(socket).map_err(|error| failed(told(&error)))?;
        Ok(UnixListener { listener, limits, _file: file })
    }

    /// Answers requests until shutdown, then lets the running ones end.
    pub async fn serve(self, protocol: impl Protocol, shutdown: Shutdown) {
        serving::serve(self.listener, protocol, shutdown, self.limits).await;
    }
}

/// Whether there is nothing at `path`, or a socket that its program left behind.
async fn check_place(path: &Path) -> Result<(), String> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    if !found.file_type().is_socket() {
        return Err("something else lies there; remove it, or name another path".to_owned());
    }
    match timeout(CONNECT_LIMIT, UnixStream::connect(path)).await {
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
        Ok(Err(error)) if error.kind() != ErrorKind::WouldBlock => {
            Err(format!("a socket is there, and it is not known whose: {error}"))
        }
        // Its queue is full, or it does not answer: it is there.
        Ok(_) | Err(_) => {
            Err("another program listens there (is a signer running already?)".to_owned())
        }
    }
}

fn told(error: &io::Error) -> String {
    if error.kind() == ErrorKind::NotFound {
        "its folder is not there; make it".to_owned()
    } else if error.kind() == ErrorKind::InvalidInput {
        format!("{error}; a path of a socket is at most 90 bytes long")
    } else {
        error.to_string()
    }
}

/// A user namespace may lack the group, as that of a unit of systemd with `PrivateUsers=yes` does.
fn not_given(error: &io::Error) -> io::Error {
    io::Error::other(format!(
        "it cannot be given to its user and group: {error}. A unit of systemd needs PrivateUsers=no for that, and the group \
         under SupplementaryGroups="
    ))
}

fn make(socket: &UnixSocket) -> io::Result<(tokio::net::UnixListener, OwnFile)> {
    let beside = socket.path.parent().filter(|folder| !folder.as_os_str().is_empty());
    // For this user alone, under a name that no other user can know; gone when this function ends.
    let beside = beside.unwrap_or(Path::new("."));
    let folder = tempfile::Builder::new().prefix(".peel-").tempdir_in(beside)?;
    let made = folder.path().join("s");
    let listener = tokio::net::UnixListener::bind(&made)?;
    fs::set_permissions(&made, Permissions::from_mode(socket.mode))?;
    if socket.user.is_some() || socket.group.is_some() {
        chown(&made, socket.user, socket.group).map_err(|error| not_given(&error))?;
    }
    let found = fs::symlink_metadata(&made)?;
    fs::rename(&made, &socket.path)?;
    Ok((listener, OwnFile::new(socket.path.clone(), &found)))
}
