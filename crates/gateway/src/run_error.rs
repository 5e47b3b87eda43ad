//! Why a gateway does not start.

use std::io;
use std::net::SocketAddr;

use daemon::connections::ListenError;
use thiserror::Error;
use tunnel::endpoint;

use crate::witness::WitnessFileError;

/// Why a gateway does not start. *Failed*.
#[derive(Debug, Error)]
pub enum RunError {
    /// A port cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The ssh port cannot be listened on.
    #[error(transparent)]
    Ssh(#[from] endpoint::ListenError),
    /// A shell's port cannot be listened on.
    #[error("cannot listen on {0} for a shell: {1}; is another program on that port?")]
    Shell(SocketAddr, io::Error),
    /// What was answered before cannot be read.
    #[error(transparent)]
    Witness(#[from] WitnessFileError),
    /// The system gave no address, or no signal handler.
    #[error("the system refused: {0}")]
    System(#[from] io::Error),
}
