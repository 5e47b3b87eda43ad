//! A line that can fall silent: nothing is closed, and nothing comes through.

use std::future::pending;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A line to one address.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    silent: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Relay {
    pub(crate) async fn to(target: SocketAddr) -> Relay {
        Relay::of(target, usize::MAX).await
    }

    /// For one connection: those that come later hear nothing.
    pub(crate) async fn for_one_to(target: SocketAddr) -> Relay {
        Relay::of(target, 1).await
    }

    async fn of(target: SocketAddr, connections: usize) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (silent, state) = watch::channel(false);
        let task = tokio::spawn(async move {
            for _ in 0..connections {
                let Ok((near, _)) = listener.accept().await else { return };
                let Ok(far) = TcpStream::connect(target).await else { continue };
                near.set_nodelay(true).unwrap();
                far.set_nodelay(true).unwrap();
                let ((near_in, near_out), (far_in, far_out)) =
                    (near.into_split(), far.into_split());
                tokio::spawn(copy(near_in, far_out, state.clone()));
                tokio::spawn(copy(far_in, near_out, state.clone()));
            }
            pending::<()>().await;
        });
        Relay { address, silent, task }
    }

    pub(crate) fn silence(&self) {
        self.silent.send_replace(true);
    }

    pub(crate) fn restore(&self) {
        self.silent.send_replace(false);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut silent: watch::Receiver<bool>) {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        if silent.wait_for(|silent| !silent).await.is_err() {
            return;
        }
        let Ok(count @ 1..) = from.read(&mut bytes).await else { return };
        if silent.wait_for(|silent| !silent).await.is_err() {
            return;
        }
        if to.write_all(bytes.get(..count).unwrap()).await.is_err() {
            return;
        }
    }
}
