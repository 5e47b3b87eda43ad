//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_io_timeout::TimeoutStream;

use crate::Shutdown;
use crate::http::arrival::Arrival;
use crate::http::hall::Guest;
use crate::http::{Limits, Service};

/// From shutdown until a connection without a request is closed.
const IDLE_GRACE: Duration = Duration::from_millis(300);

/// Answers what comes, until the client has enough, a limit is passed, the place is wanted by somebody
/// else, or shutdown.
pub(super) async fn converse(
    arrival: impl Arrival,
    service: Arc<impl Service>,
    guest: Arc<Guest>,
    shutdown: Shutdown,
    limits: Limits,
) {
    let Some((stream, beside)) = arrival.open(&limits) else { return };
    tokio::select! {
        biased;
        () = beside => {}
        () = answer(stream, service, guest, shutdown, limits) => {}
    }
}

async fn answer(
    stream: impl AsyncRead + AsyncWrite + Send + 'static,
    service: Arc<impl Service>,
    guest: Arc<Guest>,
    shutdown: Shutdown,
    limits: Limits,
) {
    let answer = service_fn(|request: Request<Incoming>| async {
        let sending = guest.sends();
        let (parts, body) = request.into_parts();
        let body = limits.read_body(body).await;
        let _serving = guest.is_served();
        drop(sending);
        Ok::<_, Infallible>(service.answer(Request::from_parts(parts, body)).await)
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.headers)
        .half_close(true)
        .max_buf_size(limits.header_bytes.max(8 * 1024))
        .serve_connection(TokioIo::new(Box::pin(patient(stream, limits.write))), answer);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = guest.has_to_go() => return,
        () = shutdown.requested() => loop {
            // It closes a connection at once that nothing was read of: of one that has just come, the
            // request may be on its way, and a baker asks only once.
            if !guest.is_new() {
                connection.as_mut().graceful_shutdown();
            }
            tokio::select! {
                ended = connection.as_mut() => break ended,
                // What has not become a request by now is not waited for.
                () = tokio::time::sleep(IDLE_GRACE) => if guest.is_idle() { return },
            }
        },
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended badly");
    }
}

/// A client that does not read its answers loses its connection, and its place.
fn patient<S: AsyncRead + AsyncWrite>(stream: S, limit: Duration) -> TimeoutStream<S> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limit));
    stream
}
