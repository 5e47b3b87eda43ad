//! A line from home to the cloud: a relay that can fall silent.
//!
//! Silent means what it means on a real line: bytes go in, none come out, nothing is closed, and a connect gets no answer. The system's own means to that (a network namespace, a packet filter) would
//! need root.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::cloud::loopback;

/// A line. Dropping it closes it.
pub(crate) struct Line {
    pub(crate) name: &'static str,
    /// Where the signer dials.
    pub(crate) address: SocketAddr,
    is_silent: watch::Sender<bool>,
    carried: Arc<AtomicU64>,
    _relay: JoinSet<()>,
}

/// What the connections of a line need.
#[derive(Clone)]
struct Relay {
    cloud: SocketAddr,
    is_silent: watch::Receiver<bool>,
    carried: Arc<AtomicU64>,
}

const CHUNK: usize = 16 * 1024;

impl Line {
    /// A line to the gateway's ssh port.
    pub(crate) async fn open(name: &'static str, cloud: SocketAddr) -> io::Result<Line> {
        let listener = TcpListener::bind(loopback(0)).await?;
        let address = listener.local_addr()?;
        let (is_silent, heard) = watch::channel(false);
        let carried = Arc::<AtomicU64>::default();
        let relay = Relay { cloud, is_silent: heard, carried: Arc::clone(&carried) };
        let mut relays = JoinSet::new();
        relays.spawn(relay.run(listener));
        Ok(Line { name, address, is_silent, carried, _relay: relays })
    }

    /// From now on, nothing comes out of the line.
    pub(crate) fn fall_silent(&self) {
        self.is_silent.send_replace(true);
    }

    /// The line works again.
    pub(crate) fn come_back(&self) {
        self.is_silent.send_replace(false);
    }

    /// How many bytes have come out of it, in both directions.
    pub(crate) fn carried(&self) -> u64 {
        self.carried.load(Ordering::Relaxed)
    }
}

impl Relay {
    async fn run(self, listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => {
                    if let Ok((home, _)) = accepted {
                        connections.spawn(self.clone().connect(home));
                    }
                }
            }
        }
    }

    /// Carries bytes both ways until one side closes; then the other is closed, too.
    async fn connect(self, mut home: TcpStream) {
        self.speaks().await;
        let Ok(mut cloud) = TcpStream::connect(self.cloud).await else { return };
        if home.set_nodelay(true).and_then(|()| cloud.set_nodelay(true)).is_err() {
            return;
        }
        let ((from_home, to_home), (from_cloud, to_cloud)) = (home.split(), cloud.split());
        // However one direction ends, the connection is over.
        let _ = tokio::select! {
            out = self.carry(from_home, to_cloud) => out,
            back = self.carry(from_cloud, to_home) => back,
        };
    }

    async fn carry(
        &self,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
    ) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = from.read(&mut chunk).await;
            // That it ended is not told by a silent line either.
            self.speaks().await;
            let length = read?;
            let Some(bytes @ [_, ..]) = chunk.get(..length) else { return Ok(()) };
            to.write_all(bytes).await?;
            self.carried.fetch_add(u64::try_from(length).unwrap_or_default(), Ordering::Relaxed);
        }
    }

    /// Returns when the line is not silent.
    async fn speaks(&self) {
        let mut is_silent = self.is_silent.clone();
        if is_silent.wait_for(|silent| !silent).await.is_err() {
            // The line is being dropped, and this with it.
            std::future::pending().await
        }
    }
}
