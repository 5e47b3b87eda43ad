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
use crate::http::connection_limit::Client;
use crate::http::incoming::IncomingConnection;
use crate::http::{HttpService, Limits};

/// From shutdown until a connection without a request is closed.
const IDLE_GRACE: Duration = Duration::from_millis(300);

/// Answers requests until the client closes, a limit is passed, the connection is evicted, or shutdown.
pub(super) async fn serve_connection(
    incoming: impl IncomingConnection,
    service: Arc<impl HttpService>,
    client: Arc<Client>,
    shutdown: Shutdown,
    limits: Limits,
) {
    let Some((stream, beside)) = incoming.open(&limits) else { return };
    tokio::select! {
        biased;
        () = beside => {}
        () = answer(stream, service, client, shutdown, limits) => {}
    }
}

async fn answer(
    stream: impl AsyncRead + AsyncWrite + Send + 'static,
    service: Arc<impl HttpService>,
    client: Arc<Client>,
    shutdown: Shutdown,
    limits: Limits,
) {
    let answer = service_fn(|request: Request<Incoming>| async {
        let sending = client.sends();
        let (parts, body) = request.into_parts();
        let body = limits.read_body(body).await;
        let _serving = client.is_served();
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
        () = client.evicted() => return,
        () = shutdown.requested() => loop {
            // It closes a connection at once that nothing was read of: of one that has just come, the
            // request may be on its way, and a baker asks only once.
            if !client.is_new() {
                connection.as_mut().graceful_shutdown();
            }
            tokio::select! {
                ended = connection.as_mut() => break ended,
                // What has not become a request by now is not waited for.
                () = tokio::time::sleep(IDLE_GRACE) => if client.is_idle() { return },
            }
        },
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended badly");
    }
}

/// A client that does not read its responses loses its connection, and its slot.
fn patient<S: AsyncRead + AsyncWrite>(stream: S, limit: Duration) -> TimeoutStream<S> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limit));
    stream
}
