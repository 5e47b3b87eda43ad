//! HTTP on a connection: requests with their whole bodies, within limits.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::Shutdown;
use crate::connections::{Client, IDLE_GRACE, Limits, Protocol, patient};

/// The whole body of a request, or why it is not there.
pub type Body = Result<Bytes, BodyError>;

/// Answers requests. Must always come to an end.
pub trait HttpService: Send + Sync + 'static {
    /// The body of a response: whole, or as it comes to be.
    type Reply: hyper::body::Body<Data = Bytes, Error = Infallible> + Send + 'static;

    /// Answers one request, whose body has been read.
    fn answer(&self, request: Request<Body>) -> impl Future<Output = Response<Self::Reply>> + Send;
}

/// A body that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BodyError {
    /// It is larger than allowed.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// It did not come in time.
    #[error("the body did not come within {:.0} s", .0.as_secs_f64())]
    TooSlow(Duration),
    /// It broke off, or its encoding is not HTTP's.
    #[error("the body is broken")]
    Broken,
}

impl Limits {
    /// The whole body of a request, if it keeps to the limits.
    async fn read_body(&self, body: Incoming) -> Body {
        let collected = Limited::new(body, self.body_bytes).collect();
        match tokio::time::timeout(self.body, collected).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
                Err(BodyError::TooLarge(self.body_bytes))
            }
            Ok(Err(_)) => Err(BodyError::Broken),
            Err(_) => Err(BodyError::TooSlow(self.body)),
        }
    }
}

/// HTTP, answered by a service.
#[derive(Debug)]
pub struct Http<S>(pub Arc<S>);

impl<S: HttpService> Protocol for Http<S> {
    async fn speak(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + 'static,
        client: Arc<Client>,
        shutdown: Shutdown,
        limits: Limits,
    ) {
        answer(stream, Arc::clone(&self.0), client, shutdown, limits).await;
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
                // First what has come: after a moment without a processor both are there.
                biased;
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
