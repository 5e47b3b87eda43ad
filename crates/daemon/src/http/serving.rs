//! From arrivals to places in the hall, until shutdown.

use std::sync::Arc;
use std::time::Duration;

use crate::Shutdown;
use crate::http::arrival::Source;
use crate::http::connection::converse;
use crate::http::hall::{Hall, Place};
use crate::http::{Limits, Service};

/// Answers whoever comes until shutdown, then lets the running requests end.
pub(super) async fn serve(
    mut source: impl Source,
    service: Arc<impl Service>,
    shutdown: Shutdown,
    limits: Limits,
) {
    let mut hall = Hall::new(limits.connections);
    while let Some((arrival, place)) = next(&mut source, &mut hall, &shutdown).await {
        hall.seat(place, |guest| {
            converse(arrival, Arc::clone(&service), guest, shutdown.clone(), limits)
        });
    }
    // Who has connected already would be reset with the port, and a baker asks only once.
    while let Some(arrival) = source.last().await {
        let Some(place) = hall.free_place() else { break };
        hall.seat(place, |guest| {
            converse(arrival, Arc::clone(&service), guest, shutdown.clone(), limits)
        });
    }
    drop(source);
    if tokio::time::timeout(limits.grace, hall.empty()).await.is_err() {
        tracing::warn!("the grace period is over: closing connections in mid-request");
        hall.close().await;
    }
}

/// The next connection and its place; none at shutdown.
async fn next<S: Source>(
    source: &mut S,
    hall: &mut Hall,
    shutdown: &Shutdown,
) -> Option<(S::Arrival, Place)> {
    loop {
        tokio::select! {
            () = shutdown.requested() => return None,
            () = hall.someone_leaves() => {}
            arrival = source.next() => match arrival {
                Ok(arrival) => return Some((arrival, hall.place(shutdown).await?)),
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
