//! Accepts connections until shutdown, within the limit.

use std::sync::Arc;
use std::time::Duration;

use crate::Shutdown;
use crate::connections::incoming::{IncomingConnection, Source};
use crate::connections::limit::{Client, ConnectionLimit, Slot};
use crate::connections::{Limits, Protocol, ended};

/// Serves connections until shutdown, then lets requests in flight end.
pub(super) async fn serve(
    mut source: impl Source,
    protocol: impl Protocol,
    shutdown: Shutdown,
    limits: Limits,
) {
    let protocol = Arc::new(protocol);
    let mut connections = ConnectionLimit::new(limits.connections);
    while let Some((incoming, slot)) = next(&mut source, &mut connections, &shutdown).await {
        connections.spawn(slot, |client| {
            serve_connection(incoming, Arc::clone(&protocol), client, shutdown.clone(), limits)
        });
    }
    // Connections that were not accepted yet would be reset with the port, and a baker asks only once. They need no
    // slot: what is no request by now ends at once.
    for _ in 0..BACKLOG {
        let Some(incoming) = source.last() else { break };
        connections.spawn(None, |client| {
            serve_connection(incoming, Arc::clone(&protocol), client, shutdown.clone(), limits)
        });
    }
    drop(source);
    if tokio::time::timeout(limits.grace, connections.drained()).await.is_err() {
        tracing::warn!("the grace period is over: closing connections in mid-request");
        connections.close().await;
    }
}

/// Connections that wait to be accepted at shutdown, at most.
const BACKLOG: usize = 256;

async fn serve_connection(
    incoming: impl IncomingConnection,
    protocol: Arc<impl Protocol>,
    client: Arc<Client>,
    shutdown: Shutdown,
    limits: Limits,
) {
    let opened = tokio::select! {
        opened = incoming.open(&limits) => opened,
        () = client.evicted() => return,
        () = ended(&shutdown) => return,
    };
    let Some((stream, beside)) = opened else { return };
    tokio::select! {
        biased;
        () = beside => {}
        () = protocol.speak(stream, client, shutdown, limits) => {}
    }
}

/// The next connection and its slot; none at shutdown, when one that has come already needs no slot.
async fn next<S: Source>(
    source: &mut S,
    connections: &mut ConnectionLimit,
    shutdown: &Shutdown,
) -> Option<(S::IncomingConnection, Option<Slot>)> {
    loop {
        tokio::select! {
            () = shutdown.requested() => return None,
            () = connections.one_ends() => {}
            incoming = source.next() => match incoming {
                Ok(incoming) => return Some((incoming, connections.slot(shutdown).await)),
                Err(error) => {
                    // Out of file descriptors, most likely: let some connections end first.
                    tracing::warn!(%error, "a connection cannot be accepted");
                    pause(shutdown).await;
                }
            },
        }
    }
}

async fn pause(shutdown: &Shutdown) {
    tokio::select! {
        () = shutdown.requested() => {}
        () = tokio::time::sleep(Duration::from_millis(100)) => {}
    }
}
