//! The listeners of the signer: a port on this machine, the tunnel, and a port for monitoring.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use daemon::Shutdown;
use daemon::connections::{
    Limits, ListenError, Listener, UnixListenError, UnixListener, UnixSocket, serve_streams,
};
use daemon::frames::Frames;
use daemon::http::{Http, HttpService};
use daemon::monitor::Monitor;
use signer_api::Hosts;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tunnel::home::{Gateways, Home, MeteredInterfaces};

use crate::api::Api;
use crate::config::Config;
use crate::links::Links;
use crate::socket_api::SocketApi;

/// All of them, open and not served yet.
#[derive(Debug)]
pub(crate) struct Listeners {
    http: Option<(Listener, Hosts)>,
    tcp_socket: Option<Listener>,
    unix_socket: Option<UnixListener>,
    monitor: Option<Listener>,
    home: Option<Home>,
    /// The gateways that are dialled, if there is a tunnel.
    pub(crate) gateways: Option<Gateways>,
    /// What is metered where the configuration does not say, if there is a tunnel.
    pub(crate) metered: Option<MeteredInterfaces>,
    /// The links of the tunnel, if there is one.
    pub(crate) links: Option<Links>,
}

/// Streams that have come through the tunnel and wait for a slot. They are accepted at once unless all slots are in
/// the middle of a request.
const WAITING_STREAMS: usize = 32;

impl Listeners {
    /// Listens on the ports. No gateway is dialled yet.
    pub(crate) async fn open(config: &Config) -> Result<Listeners, ListenError> {
        let limits = Limits::default();
        let http = match &config.http {
            Some(http) => {
                let listener = Listener::bind(http.listen, limits).await?;
                Some((listener.with_tls(http.tls.clone()), http.hosts.clone()))
            }
            None => None,
        };
        let sockets = config.sockets.as_ref();
        let tcp = sockets.and_then(|sockets| sockets.tcp);
        let tcp_socket = Listener::bind_if_named(tcp, socket_limits()).await?;
        let monitor = Listener::bind_if_named(config.monitor, limits).await?;
        let (home, links) = match config.tunnel.clone() {
            Some(tunnel) => {
                let (home, status) = Home::new(tunnel);
                (Some(home), Some(Links::new(move || status.links())))
            }
            None => (None, None),
        };
        let gateways = home.as_ref().map(Home::gateways);
        let metered = home.as_ref().map(Home::metered_interfaces);
        Ok(Listeners {
            http,
            tcp_socket,
            unix_socket: None,
            monitor,
            home,
            gateways,
            metered,
            links,
        })
    }

    /// Makes the unix socket. After the store is open: its lock keeps two signers apart, which could otherwise take
    /// the path from each other.
    pub(crate) async fn open_unix_socket(
        &mut self,
        socket: &UnixSocket,
    ) -> Result<(), UnixListenError> {
        self.unix_socket = Some(UnixListener::bind(socket, socket_limits()).await?);
        Ok(())
    }

    /// The port for bakers on this machine.
    pub(crate) fn http(&self) -> io::Result<Option<SocketAddr>> {
        self.http.as_ref().map(|(listener, _)| listener.address()).transpose()
    }

    /// The port of the binary protocol.
    pub(crate) fn tcp_socket(&self) -> io::Result<Option<SocketAddr>> {
        self.tcp_socket.as_ref().map(Listener::address).transpose()
    }

    /// The port for monitoring.
    pub(crate) fn monitor(&self) -> io::Result<Option<SocketAddr>> {
        self.monitor.as_ref().map(Listener::address).transpose()
    }

    /// Serves them all until shutdown. The tasks end when what was begun is done.
    pub(crate) fn serve(self, api: Api, monitor: Monitor, shutdown: &Shutdown) -> JoinSet<()> {
        let mut serving = JoinSet::new();
        if let Some(home) = self.home {
            let links = |signing, cut| home.run(signing, cut);
            serving.spawn(serve_tunnel(links, Arc::new(for_gateways(&api)), shutdown.clone()));
        }
        let socket_api = Arc::new(SocketApi(api.clone()));
        if let Some(listener) = self.tcp_socket {
            serving.spawn(listener.serve(Frames(Arc::clone(&socket_api)), shutdown.clone()));
        }
        if let Some(listener) = self.unix_socket {
            serving.spawn(listener.serve(Frames(socket_api), shutdown.clone()));
        }
        if let Some((listener, hosts)) = self.http {
            serving.spawn(listener.serve(Http(Arc::new(Api { hosts, ..api })), shutdown.clone()));
        }
        if let Some(listener) = self.monitor {
            serving.spawn(listener.serve(Http(Arc::new(monitor)), shutdown.clone()));
        }
        serving
    }
}

/// A gateway has to know the keys, to send each request to its signer. It holds the host key that the
/// configuration pins; so it is told them, whatever `[http]` allows to others.
fn for_gateways(api: &Api) -> Api {
    Api { allow_list_known_keys: true, process: Some(process_name()), ..api.clone() }
}

/// Like no other process's: random numbers that the standard library makes for its hash maps.
fn process_name() -> String {
    let random = RandomState::new();
    format!("{:016x}{:016x}", random.hash_one(0), random.hash_one(1))
}

/// Some clients keep a connection from one level to the next.
fn socket_limits() -> Limits {
    Limits { headers: Duration::from_secs(60), ..Limits::default() }
}

/// A gateway keeps its connections, to save a round trip over a slow line when a vote is due.
fn tunnel_limits() -> Limits {
    Limits { headers: Duration::from_secs(60), ..Limits::default() }
}

/// `links` bring streams until they are cut. That is after the last answer is given, for it travels over
/// them.
async fn serve_tunnel<S, F>(
    links: impl FnOnce(mpsc::Sender<S>, CancellationToken) -> F,
    api: Arc<impl HttpService>,
    shutdown: Shutdown,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = ()>,
{
    let (signing, streams) = mpsc::channel(WAITING_STREAMS);
    let cut = CancellationToken::new();
    let answering = async {
        serve_streams(streams, tunnel_limits(), Http(api), shutdown).await;
        cut.cancel();
    };
    tokio::join!(links(signing, cut.clone()), answering);
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use daemon::http::Body;
    use http_body_util::Full;
    use hyper::{Request, Response};
    use prometheus_client::registry::Registry;
    use signer_api::{Answer, Media};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::sync::Notify;

    use daemon::Health;
    use daemon::report::Reporter;
    use watermark::{LevelBound, Records, Store};

    use super::*;
    use crate::keyring::Keyring;
    use crate::metrics::Metrics;
    use crate::starting;

    /// Says that it began, and waits until it may go on.
    #[derive(Default)]
    struct Slow {
        began: Notify,
        go_on: Notify,
    }

    impl HttpService for Slow {
        type Reply = Full<Bytes>;

        async fn answer(&self, _: Request<Body>) -> Response<Full<Bytes>> {
            self.began.notify_one();
            self.go_on.notified().await;
            Answer::Metrics(Ok("hello".to_owned())).into_response(Media::Json)
        }
    }

    async fn ask(signing: &mpsc::Sender<DuplexStream>, path: &str) -> DuplexStream {
        let (mut gateway, stream) = duplex(4096);
        let asked = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        gateway.write_all(asked.as_bytes()).await.unwrap();
        signing.send(stream).await.unwrap();
        gateway
    }

    async fn answer(mut gateway: DuplexStream) -> String {
        let mut answer = String::new();
        gateway.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn the_links_are_cut_after_the_last_answer() {
        let (slow, shutdown) = (Arc::new(Slow::default()), Shutdown::new());
        let links = async |signing: mpsc::Sender<DuplexStream>, cut: CancellationToken| {
            let gateway = ask(&signing, "/").await;
            slow.began.notified().await;
            shutdown.request();
            signing.closed().await;
            assert!(!cut.is_cancelled(), "cut in mid-request");
            slow.go_on.notify_one();
            assert!(answer(gateway).await.ends_with("hello"));
            cut.cancelled().await;
        };
        serve_tunnel(links, Arc::clone(&slow), shutdown.clone()).await;
    }

    #[tokio::test]
    async fn a_gateway_is_told_the_keys_whatever_others_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("watermark.db");
        let _no_start = starting::none();
        drop(Records::open_or_create(&store).unwrap());
        let health = Health::default();
        let reporter = Reporter::new("signer", health.clone());
        let api = Api {
            keyring: Keyring::default(),
            store: Arc::new(Store::open(&store, LevelBound::NONE).unwrap()),
            authentication: None,
            allow_list_known_keys: false,
            allow_to_prove_possession: false,
            metrics: Arc::new(Metrics::register(&mut Registry::default(), [])),
            monitor: Monitor::new(Arc::new(Registry::default()), reporter, health),
            process: None,
            hosts: Hosts::Any,
        };
        let shutdown = Shutdown::new();
        let links = async |signing: mpsc::Sender<DuplexStream>, cut: CancellationToken| {
            let answer = answer(ask(&signing, "/known_keys").await).await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            shutdown.request();
            cut.cancelled().await;
        };
        serve_tunnel(links, Arc::new(for_gateways(&api)), shutdown.clone()).await;
    }
}
