//! Answers bakers in the place of a gateway that was killed: "ask again", until it listens once more.
//!
//! octez asks again after HTTP 502, and never after a connection that was refused. A gateway that is killed, because its
//! memory is used up for instance, refuses all until it has been started again, and in a cluster bakers are sent to it
//! meanwhile. So a second process listens on its ports as soon as it is gone, and says 502: the baker asks again, and comes
//! to another gateway, or to the same one.
//!
//! ```text
//!            ┌──── a connection to [monitor] is closed, and the next one is refused ──┐
//!            │                                                                        ▼
//!   the gateway is there: watch                                 it is not: listen on the bakers' ports, 502
//!            ▲                                                                        │
//!            └────────────── a connection to [monitor] is not refused ────────────────┘
//! ```
//!
//! A connection that is not answered is none that is refused: so many wait at the monitor that the system takes no more, and
//! the gateway is there. A stand-in beside it would take its bakers.
//!
//! Both listen on the ports for a moment, which the system allows to processes of one user that both ask for it
//! (`SO_REUSEPORT`, socket(7)): no connection is refused when the gateway comes back. One that is made in the very moment in which
//! the stand-in closes its listener may be reset by the system.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use daemon::Shutdown;
use daemon::connections::{Limits, Listener};
use daemon::http::{Body, Http, HttpService};
use daemon::ports::reachable;
use http_body_util::Full;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::{Request, Response};
use signer_api::{Answer, Media};
use thiserror::Error;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep, timeout};
use tunnel::Service;

use crate::config::Config;

/// Stands in for the gateway of a configuration.
#[derive(Debug)]
pub struct StandIn {
    file: PathBuf,
    /// As it was last read.
    config: Config,
    monitor: SocketAddr,
}

/// Why there can be no stand-in. *Misused*.
#[derive(Debug, Error)]
pub enum StandInError {
    /// Whether the gateway is there could not be seen.
    #[error("there is no [monitor] in {}: a stand-in sees there whether the gateway runs; write one", .0.display())]
    NoMonitor(PathBuf),
    /// The gateway would refuse to start beside it.
    #[error("[http] stand_in is not true in {}: the gateway would not share its ports; write it", .0.display())]
    NotShared(PathBuf),
}

/// Between two looks whether the gateway is there again, and after a connection that was closed at once.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// For a connection on this machine.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
const CLOSE: HeaderValue = HeaderValue::from_static("close");

impl StandIn {
    /// For the gateway of this configuration, which was read from `file`.
    ///
    /// # Errors
    /// When the configuration has no `[monitor]`, or does not say that there is a stand-in.
    pub fn new(config: Config, file: &Path) -> Result<StandIn, StandInError> {
        let file = file.to_owned();
        match config.monitor {
            None => Err(StandInError::NoMonitor(file)),
            Some(_) if !config.has_stand_in => Err(StandInError::NotShared(file)),
            Some(monitor) => Ok(StandIn { file, config, monitor: reachable(monitor) }),
        }
    }

    /// Until shutdown.
    pub async fn run(mut self, shutdown: Shutdown) {
        while !shutdown.is_requested() {
            match look(self.monitor).await {
                Found::Gateway(gateway) => watch(gateway, &shutdown).await,
                Found::Unanswered => _ = timeout(LOOK_EVERY, shutdown.requested()).await,
                Found::Nothing => self.stand_in(&shutdown).await,
            }
        }
    }

    /// Answers until the gateway listens.
    async fn stand_in(&mut self, shutdown: &Shutdown) {
        let stop = shutdown.child();
        let mut serving = JoinSet::new();
        for address in self.ports().await {
            // One that cannot be had is another program's; the gateway will say so.
            if let Ok(listener) = Listener::bind_shared(address, Limits::default()) {
                serving.spawn(listener.serve(Http(Arc::new(AskAgain)), stop.clone()));
            }
        }
        tracing::info!(ports = serving.len(), "no gateway listens: bakers are told to ask again");
        while !stop.is_requested() && matches!(look(self.monitor).await, Found::Nothing) {
            sleep(LOOK_EVERY).await;
        }
        stop.request();
        while serving.join_next().await.is_some() {}
        tracing::info!("the gateway listens, or a stop was asked for: its ports are left to it");
    }

    /// Where bakers ask, as the file says now; as it said before when it cannot be used.
    async fn ports(&mut self) -> Vec<SocketAddr> {
        let file = self.file.clone();
        if let Ok(Ok(config)) = spawn_blocking(move || Config::read(&file)).await {
            self.config = config;
        }
        let signers = self.config.signers.iter();
        let address = self.config.http_address();
        let own = signers.map(|signer| SocketAddr::new(address, signer.port.of(Service::Signing)));
        self.config.http.into_iter().chain(own).collect()
    }
}

/// What was found at `[monitor]`.
enum Found {
    /// A gateway, which took this connection.
    Gateway(TcpStream),
    /// A gateway that takes no more connections now; or it cannot be told.
    Unanswered,
    /// No gateway: the connection was refused.
    Nothing,
}

/// Looks whether a gateway listens there.
async fn look(monitor: SocketAddr) -> Found {
    match timeout(CONNECT_LIMIT, TcpStream::connect(monitor)).await {
        Ok(Ok(gateway)) => Found::Gateway(gateway),
        Ok(Err(error)) if is_refused(&error) => Found::Nothing,
        Ok(Err(_)) | Err(_) => Found::Unanswered,
    }
}

fn is_refused(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset)
}

/// Returns when the gateway has closed the connection, or has ended; it says nothing unasked.
async fn watch(mut gateway: TcpStream, shutdown: &Shutdown) {
    let (mut byte, connected) = ([0], Instant::now());
    tokio::select! {
        // Whatever came of it, the next connection tells.
        _ = gateway.read(&mut byte) => {}
        () = shutdown.requested() => return,
    }
    // Connections that are closed at once, again and again, must not cost a processor.
    if connected.elapsed() < LOOK_EVERY {
        sleep(LOOK_EVERY).await;
    }
}

/// The one answer to everything.
struct AskAgain;

impl HttpService for AskAgain {
    type Reply = Full<Bytes>;

    async fn answer(&self, request: Request<Body>) -> Response<Full<Bytes>> {
        let media = Media::accepted(request.headers()).unwrap_or(Media::Json);
        let text = "this gateway is being started again; ask again".to_owned();
        let mut response = Answer::AskAgain(text).into_response(media);
        response.headers_mut().insert(CONNECTION, CLOSE);
        response
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpSocket;

    use super::*;

    /// As many wait at its port as the system lets wait.
    #[tokio::test]
    async fn a_gateway_that_takes_no_more_connections_is_not_gone() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let monitor = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        let found = loop {
            match look(monitor).await {
                Found::Gateway(connection) => waiting.push(connection),
                found @ (Found::Unanswered | Found::Nothing) => break found,
            }
        };
        assert!(matches!(found, Found::Unanswered), "after {} connections", waiting.len());
        drop(listener);
        assert!(matches!(look(monitor).await, Found::Nothing));
    }
}
