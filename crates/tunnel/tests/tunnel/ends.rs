//! An endpoint and a signer's end, each in this process, as tests want them.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tunnel::endpoint::{
    self, AuthorizedClient, Endpoint, Limits, Refusals, Session, SessionHandler, SignerId,
};
use tunnel::home::{self, Home, LinkStatus, MeteredInterfaces};
use tunnel::{Identity, PublicKey, SignerPort};

/// More than anything here takes.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);
pub(crate) const PORT: u16 = 8443;

pub(crate) fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// Hands every session out, and keeps it until its connection ends.
pub(crate) struct Recorder {
    sessions: mpsc::Sender<Session>,
}

impl SessionHandler for Recorder {
    async fn handle(&self, session: Session) {
        self.sessions.send(session).await.unwrap();
        std::future::pending().await
    }
}

/// An endpoint that runs until it is dropped.
pub(crate) struct Cloud {
    pub(crate) address: SocketAddr,
    pub(crate) host_key: Identity,
    pub(crate) sessions: mpsc::Receiver<Session>,
    pub(crate) refusals: Refusals,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Cloud {
    pub(crate) async fn with(keys: &[PublicKey]) -> Cloud {
        Cloud::at(loopback(), Identity::generate("host").unwrap(), keys, Limits::default()).await
    }

    pub(crate) async fn at(
        listen: SocketAddr,
        host_key: Identity,
        keys: &[PublicKey],
        limits: Limits,
    ) -> Cloud {
        let ports = PORT..;
        let clients = keys.iter().zip(ports).map(|(key, port)| {
            let (name, key) = (format!("signer{port}"), key.clone());
            let id = SignerId::new(usize::from(port - PORT));
            AuthorizedClient { id, name, key, port: SignerPort::new(port).unwrap() }
        });
        let config = endpoint::Config {
            listen,
            host_key: host_key.clone(),
            clients: clients.collect(),
            taken: vec![6732],
            limits,
        };
        let endpoint = Endpoint::bind(config).await.unwrap();
        let (address, refusals) = (endpoint.address().unwrap(), endpoint.refusals());
        let (send, sessions) = mpsc::channel(1_000);
        let stop = CancellationToken::new();
        let recorder = Arc::new(Recorder { sessions: send });
        let task = tokio::spawn(endpoint.serve(recorder, stop.clone()));
        Cloud { address, host_key, sessions, refusals, stop, task }
    }

    pub(crate) async fn session(&mut self) -> Session {
        timeout(LIMIT, self.sessions.recv()).await.expect("no session came").unwrap()
    }

    /// Stops, and says where it was, and with which host key.
    pub(crate) async fn stop(self) -> (SocketAddr, Identity) {
        self.stop.cancel();
        timeout(LIMIT, self.task).await.expect("it does not stop").unwrap();
        (self.address, self.host_key)
    }
}

/// A signer's end that echoes, until it is stopped.
pub(crate) struct Signer {
    pub(crate) status: LinkStatus,
    pub(crate) metered: MeteredInterfaces,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Signer {
    pub(crate) fn dial(identity: &Identity, address: SocketAddr, host_key: PublicKey) -> Signer {
        Signer::with(Signer::config(identity, PORT, address, host_key))
    }

    /// One link, over whatever route there is.
    pub(crate) fn config(
        identity: &Identity,
        port: u16,
        address: SocketAddr,
        host_key: PublicKey,
    ) -> home::Config {
        let (name, user) = ("cloud".to_owned(), "signer".to_owned());
        let gateway = home::Gateway { name, address: address.to_string(), user, host_key };
        home::Config {
            identity: identity.clone(),
            port: SignerPort::new(port).unwrap(),
            shell: None,
            gateways: vec![gateway],
            uplinks: Vec::new(),
        }
    }

    pub(crate) fn with(config: home::Config) -> Signer {
        let (home, status) = Home::new(config);
        let metered = home.metered_interfaces();
        let (send, mut streams) = mpsc::channel(16);
        let stop = CancellationToken::new();
        let until = stop.clone();
        let task = tokio::spawn(async move {
            let echoing = async {
                while let Some(stream) = streams.recv().await {
                    tokio::spawn(echo(stream));
                }
            };
            tokio::join!(home.run(send, until), echoing);
        });
        Signer { status, metered, stop, task }
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        timeout(LIMIT, self.task).await.expect("it does not stop").unwrap();
    }
}

async fn echo(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut bytes = [0; 1024];
    while let Ok(count @ 1..) = stream.read(&mut bytes).await {
        if stream.write_all(bytes.get(..count).unwrap()).await.is_err() {
            return;
        }
    }
}

async fn there_and_back(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Option<bool> {
    stream.write_all(b"hello").await.ok()?;
    let mut back = [0; 5];
    stream.read_exact(&mut back).await.ok()?;
    Some(back == *b"hello")
}

/// Sends a word there, and waits until it is back.
pub(crate) async fn echoes(session: &Session) -> bool {
    let echo = async { there_and_back(session.open(loopback()).await.ok()?).await };
    timeout(LIMIT, echo).await.ok().flatten().unwrap_or(false)
}

/// A connection to a port that may not listen yet.
pub(crate) async fn connect(port: u16) -> TcpStream {
    when_it_listens(async || TcpStream::connect(("127.0.0.1", port)).await).await
}

/// The same of a socket: its file is there before its listener is.
pub(crate) async fn connect_to_socket(path: &Path) -> UnixStream {
    when_it_listens(async || UnixStream::connect(path).await).await
}

async fn when_it_listens<S>(connect: impl AsyncFn() -> io::Result<S>) -> S {
    let connecting = async {
        loop {
            match connect().await {
                Ok(stream) => return stream,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    timeout(LIMIT, connecting).await.expect("no listener")
}

/// Sends a word to a port, until it is back once.
pub(crate) async fn port_echoes(port: u16) {
    let echoing = async { while there_and_back(connect(port).await).await != Some(true) {} };
    timeout(LIMIT, echoing).await.expect("no echo");
}

/// A TCP server that echoes, as the signer behind a stock ssh. It ends with the test's runtime.
pub(crate) async fn echo_server() -> SocketAddr {
    let listener = TcpListener::bind(loopback()).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(echo(stream));
        }
    });
    address
}

/// Waits until a session's connection has ended; gives how long that took.
pub(crate) async fn gone(session: &Session) -> Duration {
    let asked = Instant::now();
    timeout(LIMIT, session.gone()).await.expect("the session stays");
    asked.elapsed()
}

/// Another signer, which is asked all the time.
pub(crate) struct Bystander {
    signer: Signer,
    session: Session,
    asking: JoinHandle<Vec<Duration>>,
    stop: CancellationToken,
}

impl Bystander {
    /// Its key is the second that `cloud` knows.
    pub(crate) async fn dial(identity: &Identity, cloud: &mut Cloud) -> Bystander {
        let host_key = cloud.host_key.public();
        let config = Signer::config(identity, PORT + 1, cloud.address, host_key);
        let signer = Signer::with(config);
        let session = cloud.session().await;
        assert_eq!(session.signer(), SignerId::new(1));
        let (stop, asked) = (CancellationToken::new(), session.clone());
        let until = stop.clone();
        let asking = tokio::spawn(async move {
            let mut took = Vec::new();
            while !until.is_cancelled() {
                let start = Instant::now();
                assert!(echoes(&asked).await, "the bystander does not answer");
                took.push(start.elapsed());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            took
        });
        Bystander { signer, session, asking, stop }
    }

    /// Its connection was never lost, and it never took as long as a baker waits.
    pub(crate) async fn was_there_all_the_time(self) {
        assert!(echoes(&self.session).await);
        self.stop.cancel();
        let took = self.asking.await.unwrap();
        let longest = took.iter().max().unwrap();
        assert!(*longest < Duration::from_secs(3), "{longest:?}");
        assert_eq!(self.signer.status.links()[0].ups, 1);
    }
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(timeout(LIMIT, waiting).await.is_ok(), "never: {what}");
}
