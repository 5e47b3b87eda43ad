//! Accepts connections until shutdown, within the limit.

use std::io::ErrorKind;
use std::iter::repeat_with;
use std::sync::Arc;
use std::time::Duration;

use crate::Shutdown;
use crate::connections::incoming::{IncomingConnection, Source, is_of_one_connection};
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
    for incoming in last_ones(&mut source) {
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

/// The connections that wait to be accepted.
fn last_ones<S: Source>(source: &mut S) -> impl Iterator<Item = S::IncomingConnection> {
    let accepted = repeat_with(|| source.last()).take(BACKLOG);
    let remaining = accepted.filter(|one| !one.as_ref().is_err_and(is_of_one_connection));
    remaining.map_while(|one| match one {
        Ok(incoming) => Some(incoming),
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        Err(error) => {
            tracing::warn!(%error, "the last connections cannot be accepted");
            None
        }
    })
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

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::future::pending;
    use std::io;
    use std::pin::pin;

    use rustix::io::Errno;
    use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    /// What accept(2) gives at a stop, one after the other, until no connection is left.
    struct Accepted(VecDeque<Result<DuplexStream, Errno>>);

    struct One(DuplexStream);

    impl Source for Accepted {
        type IncomingConnection = One;

        async fn next(&mut self) -> io::Result<One> {
            pending().await
        }

        fn last(&mut self) -> io::Result<One> {
            Ok(One(self.0.pop_front().unwrap_or(Err(Errno::AGAIN))?))
        }
    }

    impl IncomingConnection for One {
        type Stream = DuplexStream;

        async fn open(self, _: &Limits) -> Option<(DuplexStream, impl Future<Output = ()> + Send)> {
            Some((self.0, pending()))
        }
    }

    struct Hello;

    impl Protocol for Hello {
        async fn speak(
            &self,
            stream: impl AsyncRead + AsyncWrite + Send + 'static,
            _: Arc<Client>,
            _: Shutdown,
            _: Limits,
        ) {
            pin!(stream).write_all(b"hello").await.unwrap();
        }
    }

    /// Whether the last connection is greeted at a stop, behind these errors.
    async fn is_greeted_behind(errors: impl IntoIterator<Item = Errno>) -> bool {
        let (mut client, stream) = duplex(16);
        let source = Accepted(errors.into_iter().map(Err).chain([Ok(stream)]).collect());
        let shutdown = Shutdown::new();
        shutdown.request();
        serve(source, Hello, shutdown, Limits::default()).await;
        let mut greeting = String::new();
        client.read_to_string(&mut greeting).await.unwrap();
        greeting == "hello"
    }

    #[tokio::test]
    async fn a_stop_answers_who_waits_behind_connections_that_are_gone() {
        assert!(is_greeted_behind([]).await);
        assert!(is_greeted_behind([Errno::CONNABORTED]).await);
        assert!(is_greeted_behind([Errno::NETDOWN, Errno::PROTO, Errno::HOSTUNREACH]).await);
    }

    #[tokio::test]
    async fn a_stop_does_not_try_for_ever_to_accept() {
        for error in [Errno::MFILE, Errno::NFILE, Errno::AGAIN] {
            assert!(!is_greeted_behind([error]).await, "{error}");
        }
        assert!(!is_greeted_behind([Errno::CONNABORTED; BACKLOG]).await);
    }
}
