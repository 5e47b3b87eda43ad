//! Five hundred signers at one gateway: what they weigh, and how fast they are back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use daemon::Shutdown;
use daemon::connections::{Limits, serve_streams};
use daemon::http::{Body, Http, HttpService};
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response};
use lab::cloud::{GatewayHome, Listen, Signer};
use lab::net::Namespace;
use lab::openssh::{Client, Endpoint, Forward, KeyKind, Sshd};
use lab::process::Daemon;
use tezos::{Curve, PublicKeyHash, SecretKey};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tunnel::home::{self, Home};
use tunnel::{Identity, SignerPort};

use crate::report::Row;
use crate::tunnel::fixture::{START, loopback, peel};

const SIGNERS: u16 = 500;
const FIRST_PORT: u16 = 10_000;
/// Below those that the system gives to clients, of which there are many here.
const SSH: u16 = 7_001;
const HTTP: u16 = 6734;
const MONITOR: u16 = 9585;
const SSHD: u16 = 7_002;
/// A port without a listener.
const NOBODY: u16 = 9;
/// Enough for a mean: each is two processes.
const STOCK_CLIENTS: u16 = 30;
const AWAY: Duration = Duration::from_secs(2);
const COME_BACK: Duration = Duration::from_secs(60);

/// The two rows.
pub(super) fn five_hundred() -> anyhow::Result<Vec<Row>> {
    // Before this process may open as many files as it likes: sshd would inherit that, and makes room
    // for them all.
    let beside = stock_weight()?;
    daemon::open_files::raise();
    println!("\n{SIGNERS} signers at one gateway");
    let signers: Vec<Member> = (0..SIGNERS).map(Member::new).collect::<Result<_, _>>()?;
    let listen = Listen { ssh: loopback(SSH), http: loopback(HTTP), monitor: loopback(MONITOR) };
    let known: Vec<Signer> = signers.iter().map(Member::known).collect();
    let gateway = GatewayHome::new(Identity::generate("gateway")?, listen, &known)?;
    let mut cloud = start(&gateway)?;
    let before = weight(&cloud)?;
    let runtime = Runtime::new()?;
    let crowd = Crowd::dial(&runtime, &signers, &gateway.endpoint(listen.ssh));
    await_all(&runtime, listen.http, &signers)?;
    let each = (weight(&cloud)? - before) / f64::from(SIGNERS);
    cloud.kill()?;
    std::thread::sleep(AWAY);
    cloud = start(&gateway)?;
    let listened = Instant::now();
    await_all(&runtime, listen.http, &signers)?;
    let back = listened.elapsed();
    crowd.leave(&runtime);
    cloud.kill()?;
    Ok(vec![
        Row {
            what: format!("{SIGNERS} signers at one gateway, each with a session"),
            promise: "≤ 300 kB each, all answering".to_owned(),
            beside: Some(format!("{beside:.0} kB each (n = {STOCK_CLIENTS})")),
            measured: format!("{each:.0} kB each, all answering"),
            kept: each <= 300.0,
        },
        Row {
            what: format!("the same {SIGNERS}, reconnecting after the gateway is killed"),
            promise: "all back within 5 s of listening".to_owned(),
            beside: None,
            measured: format!("all answering {:.2} s after it listens", back.as_secs_f64()),
            kept: back <= Duration::from_secs(5),
        },
    ])
}

fn start(gateway: &GatewayHome) -> anyhow::Result<Daemon> {
    let mut cloud = gateway.start(Namespace::here().command(peel())?)?;
    cloud.wait_until_log_says("listening", START)?;
    Ok(cloud)
}

/// In kB of 1000 bytes.
fn weight(of: &Daemon) -> anyhow::Result<f64> {
    let kib =
        of.memory()?.proportional.context("the system does not tell what memory is shared")?;
    Ok(u32::try_from(kib).map(f64::from)? * 1.024)
}

/// What a connected `ssh -N -R` weighs on the server's side.
fn stock_weight() -> anyhow::Result<f64> {
    println!("\n{STOCK_CLIENTS} stock clients at one sshd");
    let client = Client::new(KeyKind::Ed25519)?;
    let mut sshd = Sshd::new(Namespace::here(), loopback(SSHD), &[client.public_key()])?;
    sshd.start()?;
    let before = weight(sshd.daemon().context("no sshd")?)?;
    let mut clients = Vec::new();
    for at in 0..STOCK_CLIENTS {
        let port = FIRST_PORT + at;
        let forward = Forward { port, to: loopback(NOBODY) };
        let ssh = client.ssh_reverse(Namespace::here(), &sshd.endpoint(), &[forward])?;
        clients.push(Daemon::start("ssh", ssh)?);
        lab::wait::until("the forward", START, || {
            Ok(std::net::TcpStream::connect(loopback(port)).ok())
        })?;
    }
    let after = weight(sshd.daemon().context("no sshd")?)?;
    Ok((after - before) / f64::from(STOCK_CLIENTS))
}

/// Waits until every signer has answered through the gateway.
pub(crate) fn await_all(
    runtime: &Runtime,
    http: SocketAddr,
    signers: &[Member],
) -> anyhow::Result<()> {
    let mut waiting: Vec<&Member> = signers.iter().collect();
    lab::wait::until("an answer from all", COME_BACK, || {
        waiting.retain(|member| !member.answers(runtime, http));
        Ok(waiting.is_empty().then_some(()))
    })
}

/// A signer of the crowd.
pub(crate) struct Member {
    port: u16,
    signer_port: SignerPort,
    key: PublicKeyHash,
    identity: Identity,
}

impl Member {
    pub(crate) fn new(at: u16) -> anyhow::Result<Member> {
        let mut randomness = [0; 32];
        getrandom::fill(&mut randomness)?;
        let key = SecretKey::generate(Curve::Ed25519, &randomness)?.hash();
        let port = FIRST_PORT + at;
        let (signer_port, identity) = (SignerPort::new(port)?, Identity::generate("crowd")?);
        Ok(Member { port, signer_port, key, identity })
    }

    /// As a gateway knows it.
    pub(crate) fn known(&self) -> Signer {
        Signer {
            name: format!("signer{}", self.port),
            ssh_public_key: self.identity.public(),
            port: self.port,
            keys: vec![self.key],
        }
    }

    fn answers(&self, runtime: &Runtime, http: SocketAddr) -> bool {
        let Ok(url) = format!("http://{http}/{}", self.key).parse() else { return false };
        let url: signer_api::client::SignerUrl = url;
        runtime.block_on(url.public_key(Duration::from_secs(1))).is_ok()
    }
}

/// All signers' ends, in this process.
pub(crate) struct Crowd {
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Crowd {
    pub(crate) fn dial(runtime: &Runtime, members: &[Member], to: &Endpoint) -> Crowd {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        for member in members {
            let gateway = home::Gateway {
                name: "cloud".to_owned(),
                address: to.address.to_string(),
                user: to.user.clone(),
                host_key: to.host_key.clone(),
            };
            let (home, _) = Home::new(home::Config {
                identity: member.identity.clone(),
                port: member.signer_port,
                shell: None,
                gateways: vec![gateway],
                uplinks: Vec::new(),
            });
            let (send, streams) = mpsc::channel(8);
            let limits = Limits { headers: COME_BACK, ..Limits::default() };
            let serving = serve_streams(streams, limits, Http(Arc::new(Yes)), Shutdown::new());
            let stop = stop.clone();
            tasks.spawn_on(
                async move {
                    tokio::select! {
                        () = home.run(send, stop) => {}
                        () = serving => {}
                    }
                },
                runtime.handle(),
            );
        }
        tasks.close();
        Crowd { tasks, stop }
    }

    pub(crate) fn leave(self, runtime: &Runtime) {
        self.stop.cancel();
        runtime.block_on(self.tasks.wait());
    }
}

/// Answers whatever it is asked.
struct Yes;

impl HttpService for Yes {
    type Reply = Full<Bytes>;

    async fn answer(&self, request: Request<Body>) -> Response<Full<Bytes>> {
        let text = if request.uri().path().starts_with("/keys/") {
            "{\"public_key\":\"edpkuHjAQkmzP3PNwisMTyqU8R7Ut7URD7bm9CQuzF7ZsMUGcpWbVA\"}"
        } else {
            "{}"
        };
        let mut response = Response::new(Full::new(Bytes::from(text)));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        response
    }
}
