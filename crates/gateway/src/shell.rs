//! A signer's shell: its sshd, on a port of the loopback.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use daemon::Shutdown;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tunnel::{SignerPort, Stream};

use crate::signer::Signer;
use crate::signers::Signers;

/// The port of one signer's shell.
#[derive(Debug)]
pub(crate) struct Shell {
    pub(crate) listener: TcpListener,
    /// Whose shell it is.
    pub(crate) port: SignerPort,
    pub(crate) signers: Signers,
}

/// Shells and copies of people.
const CONNECTIONS: usize = 32;
/// After a connection that could not be accepted: let some end first.
const PAUSE: Duration = Duration::from_millis(100);
/// For a session to open a stream.
const OPEN_LIMIT: Duration = Duration::from_secs(3);

impl Shell {
    /// Connects clients with the signer's sshd, until shutdown.
    pub(crate) async fn serve(self, shutdown: Shutdown) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = shutdown.requested() => break,
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept(), if connections.len() < CONNECTIONS => {
                    if let Ok((stream, peer)) = accepted {
                        if let Some(signer) = self.signers.at(self.port) {
                            connections.spawn(connect(signer, stream, peer));
                        }
                    } else if timeout(PAUSE, shutdown.requested()).await.is_ok() {
                        break;
                    }
                }
            }
        }
        connections.shutdown().await;
    }
}

async fn connect(signer: Arc<Signer>, mut stream: TcpStream, peer: SocketAddr) {
    let Some(mut shell) = open(&signer, peer).await else { return };
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a shell's connection is gone already");
        return;
    }
    if let Err(error) = copy_bidirectional(&mut stream, &mut shell).await {
        tracing::debug!(%error, "a shell's connection ended badly");
    }
}

/// A stream over the best session that gives one.
async fn open(signer: &Signer, peer: SocketAddr) -> Option<Stream> {
    for session in signer.shells() {
        match timeout(OPEN_LIMIT, session.open(peer)).await {
            Ok(Ok(stream)) => return Some(stream),
            Ok(Err(error)) => tracing::warn!(signer = signer.name, "no shell: {error}"),
            Err(_) => tracing::warn!(signer = signer.name, "no shell: the path is silent"),
        }
    }
    tracing::warn!(signer = signer.name, "no shell: the signer is not connected");
    None
}
