//! A signer that answers what it is told to, over a real tunnel.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use daemon::Shutdown;
use daemon::connections::{Limits, serve_streams};
use daemon::http::{Body, Http, HttpService};
use http_body_util::Full;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use shares::Share;
use tezos::{BlsScheme, Statement};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tunnel::home::{self, Home};
use tunnel::{Identity, PublicKey, SignerPort, Stream};

/// What a signer answers, and what it saw.
#[derive(Debug, Default)]
pub(crate) struct Script {
    pub(crate) authorized: Mutex<String>,
    pub(crate) keys: Mutex<Vec<String>>,
    pub(crate) lists_keys: Mutex<bool>,
    /// It does not know its keys before it sees its device.
    pub(crate) waits_for_device: Mutex<bool>,
    /// What a POST gets; 200 and a signature, by default.
    pub(crate) refusal: Mutex<Option<(u16, String)>>,
    /// A POST waits until it is notified.
    pub(crate) slow: Mutex<Option<Arc<Notify>>>,
    /// Its answer to `GET /marks`; none: it knows no such request.
    pub(crate) marks: Mutex<Option<String>>,
    /// Its answer to `GET /status`; none: it knows no such request.
    pub(crate) report: Mutex<Option<String>>,
    /// It answers no request any more but those for signatures.
    pub(crate) only_signs: Mutex<bool>,
    /// Its answer to `GET /healthz`; none: it never answers.
    pub(crate) metrics: Mutex<Option<String>>,
    /// It closes the connection after each answer.
    pub(crate) closes: Mutex<bool>,
    /// The share of a key that it has.
    pub(crate) share: Mutex<Option<Share>>,
    pub(crate) posts: AtomicUsize,
    pub(crate) public_keys: AtomicUsize,
    pub(crate) requests: AtomicUsize,
    pub(crate) bodies: Mutex<Vec<Bytes>>,
}

impl Script {
    pub(crate) fn with(keys: &[&str]) -> Arc<Script> {
        let script = Script::default();
        *script.authorized.lock().unwrap() = "{}\n".to_owned();
        *script.keys.lock().unwrap() = keys.iter().map(|key| (*key).to_owned()).collect();
        *script.lists_keys.lock().unwrap() = true;
        Arc::new(script)
    }

    pub(crate) fn posts(&self) -> usize {
        self.posts.load(Ordering::SeqCst)
    }

    async fn reply(&self, method: &Method, path: &str, body: Bytes) -> (u16, String) {
        if method == Method::GET && *self.only_signs.lock().unwrap() {
            std::future::pending().await
        }
        match path {
            "/status" => {
                let report = self.report.lock().unwrap().clone();
                return report.map_or((404, String::new()), |report| (200, report));
            }
            "/healthz" => {
                let metrics = self.metrics.lock().unwrap().clone();
                return match metrics {
                    Some(metrics) => (200, metrics),
                    None => std::future::pending().await,
                };
            }
            _ => {}
        }
        self.requests.fetch_add(1, Ordering::SeqCst);
        let keys = self.keys.lock().unwrap().clone();
        let has = |path: &str| keys.iter().any(|key| path.ends_with(key.as_str()));
        if path == "/authorized_keys" {
            (200, self.authorized.lock().unwrap().clone())
        } else if path == "/marks" {
            let marks = self.marks.lock().unwrap().clone();
            marks.map_or((404, String::new()), |marks| (200, marks))
        } else if path == "/known_keys" && *self.waits_for_device.lock().unwrap() {
            (502, String::new())
        } else if path == "/known_keys" && *self.lists_keys.lock().unwrap() {
            (200, format!("{{\"known_keys\":{keys:?}}}\n"))
        } else if method == Method::GET && path.starts_with("/keys/") && has(path) {
            self.public_keys.fetch_add(1, Ordering::SeqCst);
            (200, "{\"public_key\":\"edpk\"}\n".to_owned())
        } else if path.starts_with("/statusz/") && has(path) {
            (200, "it can sign\n".to_owned())
        } else if method == Method::GET && path.starts_with("/shares/") {
            let share = self.share.lock().unwrap();
            share.as_ref().map_or((404, String::new()), |it| part(it, Statement::Possession))
        } else if method == Method::POST {
            self.posts.fetch_add(1, Ordering::SeqCst);
            self.bodies.lock().unwrap().push(body.clone());
            let slow = self.slow.lock().unwrap().clone();
            if let Some(slow) = slow {
                slow.notified().await;
            }
            let refusal = self.refusal.lock().unwrap().clone();
            let share = self.share.lock().unwrap().clone().filter(|_| path.starts_with("/shares/"));
            let made = share.map(|share| {
                let hex = String::from_utf8_lossy(&body).trim().replace('"', "");
                let (bytes, scheme) = (hex::decode(hex).unwrap(), BlsScheme::default());
                part(&share, Statement::Message { bytes: &bytes, scheme })
            });
            refusal.or(made).unwrap_or((200, "{\"signature\":\"sig\"}\n".to_owned()))
        } else {
            (404, String::new())
        }
    }
}

/// As a signer with this share answers.
pub(crate) fn part(share: &Share, statement: Statement<'_>) -> (u16, String) {
    let made = share.sign(statement).unwrap();
    let (index, signature) = (made.index(), made.signature());
    (200, format!("{{\"share\":{index},\"signature\":\"{signature}\"}}\n"))
}

struct Server(Arc<Script>);

impl HttpService for Server {
    type Reply = Full<Bytes>;

    async fn answer(&self, request: Request<Body>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let body = body.unwrap_or_default();
        let (status, text) = self.0.reply(&parts.method, parts.uri.path(), body).await;
        let mut response = Response::new(Full::new(Bytes::from(text)));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        if *self.0.closes.lock().unwrap() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// A signer with a tunnel to each of these addresses. Dropping it cuts them all.
pub(crate) struct FakeSigner {
    pub(crate) status: home::LinkStatus,
    server: mpsc::Sender<Arc<Script>>,
    silence: Arc<Notify>,
    stop: CancellationToken,
    _task: JoinHandle<()>,
}

impl FakeSigner {
    pub(crate) fn dial(
        script: &Arc<Script>,
        identity: &Identity,
        port: u16,
        host_key: &PublicKey,
        gateways: &[SocketAddr],
    ) -> FakeSigner {
        let gateway = |address: &SocketAddr| home::Gateway {
            name: address.to_string(),
            address: address.to_string(),
            user: "signer".to_owned(),
            host_key: host_key.clone(),
        };
        let (home, status) = Home::new(home::Config {
            identity: identity.clone(),
            port: SignerPort::new(port).unwrap(),
            shell: None,
            gateways: gateways.iter().map(gateway).collect(),
            uplinks: Vec::new(),
        });
        let (send, streams) = mpsc::channel(32);
        let (server, voices) = mpsc::channel(1);
        let stop = CancellationToken::new();
        let (until, first) = (stop.clone(), Arc::clone(script));
        let silence = Arc::new(Notify::new());
        let hung_up = Arc::clone(&silence);
        let task = tokio::spawn(async move {
            let speaking = async {
                tokio::select! {
                    () = speak(streams, first, voices) => {}
                    () = hung_up.notified() => {}
                }
            };
            tokio::join!(home.run(send, until), speaking);
        });
        FakeSigner { status, server, silence, stop, _task: task }
    }

    /// The signer's program ends and is started again with another configuration; its ssh stays.
    pub(crate) async fn restart_with(&self, script: &Arc<Script>) {
        self.server.send(Arc::clone(script)).await.unwrap();
    }
}

impl FakeSigner {
    /// Its program ends; its ssh stays, and takes no stream any more.
    pub(crate) async fn hang_up(&self) {
        self.silence.notify_one();
        tokio::task::yield_now().await;
    }
}

impl Drop for FakeSigner {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Serves the streams with one script after the other; all connections of the one before end.
async fn speak(
    mut streams: mpsc::Receiver<Stream>,
    mut script: Arc<Script>,
    mut voices: mpsc::Receiver<Arc<Script>>,
) {
    loop {
        let shutdown = Shutdown::new();
        let limits = Limits { grace: Duration::ZERO, ..Limits::default() };
        let (send, served) = mpsc::channel(32);
        let serving =
            serve_streams(served, limits, Http(Arc::new(Server(script))), shutdown.clone());
        tokio::pin!(serving);
        script = loop {
            tokio::select! {
                () = &mut serving => return,
                Some(stream) = streams.recv() => send.send(stream).await.unwrap(),
                next = voices.recv() => match next {
                    Some(next) => break next,
                    None => return,
                },
            }
        };
        shutdown.request();
        serving.await;
    }
}
