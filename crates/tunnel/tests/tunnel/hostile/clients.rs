//! Authenticated clients that request more than a stock client can.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use russh::Channel;
use russh::client::{
    ChannelOpenHandle, Config, Handle, Handler, Msg, Session as Ssh, connect_stream,
};
use russh::keys::{HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio::time::timeout;
use tunnel::endpoint::{Limits, OpenError, Refusal, Session};

use crate::ends::{Cloud, LIMIT, PORT, gone, loopback, until};
use crate::hostile::Fixture;
use crate::log::Log;
use crate::stock::Folder;

/// Takes any host key.
pub(super) struct Anyone;

impl Handler for Anyone {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        Ok(true)
    }
}

/// Hands out what it is asked to open, to be confirmed or refused. What the test does not take is refused.
struct Asked(mpsc::Sender<ChannelOpenHandle>);

impl Handler for Asked {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        Ok(true)
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Ssh,
    ) -> Result<(), russh::Error> {
        let _ = self.0.try_send(reply);
        Ok(())
    }
}

/// A connection that is not read any more from some moment on.
struct Deaf {
    stream: TcpStream,
    is_deaf: Arc<AtomicBool>,
}

impl AsyncRead for Deaf {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_deaf.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Deaf {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Fixture {
    pub(super) async fn agree_on_keys(&self) -> Handle<Anyone> {
        let stream = self.connect().await;
        connect_stream(Arc::new(Config::default()), stream, Anyone).await.unwrap()
    }

    async fn log_in(&self) -> Handle<Anyone> {
        let mut ssh = self.agree_on_keys().await;
        self.prove_key(&mut ssh).await;
        ssh
    }

    async fn prove_key(&self, ssh: &mut Handle<impl Handler>) {
        let key = PrivateKey::from_openssh(std::fs::read(&self.key.path).unwrap()).unwrap();
        let key = PrivateKeyWithHashAlg::new(Arc::new(key), None);
        assert!(ssh.authenticate_publickey("signer", key).await.unwrap().success());
    }

    /// A client that repeats this request is refused for that reason, and cut in the end.
    async fn limits(self, refusal: Option<Refusal>, ask: impl AsyncFn(&Handle<Anyone>)) {
        let ssh = self.log_in().await;
        let asking = async {
            for _ in 0..10_000 {
                ask(&ssh).await;
                if ssh.is_closed() {
                    return;
                }
            }
            panic!("it may go on for ever");
        };
        timeout(LIMIT, asking).await.expect("it does not end");
        let refusals = &self.cloud.refusals;
        assert_eq!(refusals.count(Refusal::Flood), 1);
        let fingerprint = self.key.public().fingerprint();
        for other in Refusal::ALL {
            let count = refusals.count(other);
            assert_eq!(count > 0, other == Refusal::Flood || Some(other) == refusal, "{other}");
            let lines = self.log.lines_with(&[&fingerprint, &other.to_string()]);
            assert_eq!(lines.len(), usize::from(count > 0), "{lines:?}");
        }
        self.ends_well().await;
    }
}

#[tokio::test]
async fn a_client_that_opens_sessions_without_end_is_cut() {
    let session = async |ssh: &Handle<Anyone>| {
        assert!(ssh.channel_open_session().await.is_err());
    };
    Fixture::new().await.limits(Some(Refusal::Session), session).await;
}

#[tokio::test]
async fn a_client_that_asks_for_connections_without_end_is_cut() {
    let connection = async |ssh: &Handle<Anyone>| {
        assert!(ssh.channel_open_direct_tcpip("10.1.2.3", 80, "127.0.0.1", 1).await.is_err());
    };
    Fixture::new().await.limits(Some(Refusal::Direct), connection).await;
}

#[tokio::test]
async fn a_client_that_asks_for_others_ports_without_end_is_cut() {
    let port = async |ssh: &Handle<Anyone>| {
        assert!(ssh.tcpip_forward("", u32::from(PORT + 1)).await.is_err());
    };
    Fixture::new().await.limits(Some(Refusal::Port), port).await;
}

#[tokio::test]
async fn a_client_that_requests_and_cancels_its_own_port_without_end_is_cut() {
    let own = async |ssh: &Handle<Anyone>| {
        // It is cut in one of the two.
        let _ = ssh.tcpip_forward("", u32::from(PORT)).await;
        let _ = ssh.cancel_tcpip_forward("", u32::from(PORT)).await;
    };
    Fixture::new().await.limits(None, own).await;
}

#[tokio::test]
async fn a_client_that_cancels_without_end_what_it_does_not_have_is_cut() {
    let nothing = async |ssh: &Handle<Anyone>| {
        assert!(ssh.cancel_tcpip_forward("", u32::from(PORT)).await.is_err());
    };
    Fixture::new().await.limits(None, nothing).await;
}

#[tokio::test]
async fn a_client_that_asks_for_sockets_without_end_is_cut() {
    let forward = async |ssh: &Handle<Anyone>| {
        assert!(ssh.streamlocal_forward("/run/peel.sock").await.is_err());
    };
    Fixture::new().await.limits(Some(Refusal::Address), forward).await;
    let connection = async |ssh: &Handle<Anyone>| {
        assert!(ssh.channel_open_direct_streamlocal("/run/docker.sock").await.is_err());
    };
    Fixture::new().await.limits(Some(Refusal::Direct), connection).await;
}

/// Requests are answered one after the other, and no more is read while an answer is not taken.
#[tokio::test]
async fn a_client_that_does_not_read_is_cut_after_the_limit_of_silence() {
    a_deaf_client_is_cut(Duration::ZERO).await;
}

/// Then the system has ended the connection before (TCP_USER_TIMEOUT), and the same is said of it.
#[tokio::test]
async fn a_client_that_does_not_read_is_cut_by_the_system_while_the_gateway_hangs() {
    a_deaf_client_is_cut(Duration::from_secs(8)).await;
}

/// The gateway, whose thread is that of the test, hangs for so long meanwhile.
async fn a_deaf_client_is_cut(hangs: Duration) {
    let silent = Duration::from_secs(2);
    let fixture = Fixture::with(Limits { silent, ..Limits::default() }).await;
    // Of what it does not take, the system keeps as little as it can.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(1).unwrap();
    let stream = socket.connect(fixture.cloud.address).await.unwrap();
    let own = stream.local_addr().unwrap().to_string();
    let is_deaf = Arc::new(AtomicBool::new(false));
    let deaf = Deaf { stream, is_deaf: Arc::clone(&is_deaf) };
    let mut ssh = connect_stream(Arc::new(Config::default()), deaf, Anyone).await.unwrap();
    fixture.prove_key(&mut ssh).await;
    is_deaf.store(true, Ordering::Relaxed);
    let mut asked = 0;
    let asking = async {
        while let Ok(sent) = timeout(silent / 4, ssh.send_keepalive(true)).await
            && sent.is_ok()
        {
            asked += 1;
        }
        std::thread::sleep(hangs);
        while ssh.send_keepalive(true).await.is_ok() {}
    };
    timeout(LIMIT, asking).await.expect("it is not cut");
    assert!(asked > 1_000, "{asked} requests are not many");
    let is_dead = [own.as_str(), "a connection is dead"];
    until("it is logged", || fixture.log.lines_with(&is_dead).len() == 1).await;
    if hangs.is_zero() {
        fixture.ends_well().await;
    }
}

/// What russh answers by itself, as fast as a client can ask and listen.
#[tokio::test]
async fn a_client_that_sends_unknown_requests_delays_no_other() {
    let fixture = Fixture::new().await;
    let ssh = fixture.log_in().await;
    for _ in 0..20_000 {
        ssh.send_keepalive(true).await.unwrap();
    }
    fixture.ends_well().await;
}

/// OpenSSH would not: it is told which signatures are taken.
#[tokio::test]
async fn a_client_that_signs_with_sha_1_is_refused() {
    let (log, folder) = (Log::start(), Folder::new());
    let rsa = folder.key("rsa", 2048);
    let cloud = Cloud::with(&[rsa.public()]).await;
    let stream = TcpStream::connect(cloud.address).await.unwrap();
    let mut ssh = connect_stream(Arc::new(Config::default()), stream, Anyone).await.unwrap();
    let key = Arc::new(PrivateKey::from_openssh(std::fs::read(&rsa.path).unwrap()).unwrap());
    let sha_1 = PrivateKeyWithHashAlg::new(Arc::clone(&key), None);
    assert!(!ssh.authenticate_publickey("signer", sha_1).await.unwrap().success());
    assert_eq!(cloud.refusals.count(Refusal::Algorithm), 1);
    let sha_2 = PrivateKeyWithHashAlg::new(key, Some(HashAlg::Sha256));
    assert!(ssh.authenticate_publickey("signer", sha_2).await.unwrap().success());
    assert_eq!(log.lines_with(&[&rsa.public().fingerprint(), "not SHA-1"]).len(), 1);
}

/// A monitor sends a line. What wants to send more through it, and does not listen, gets no room.
#[tokio::test]
async fn a_client_that_sends_more_through_a_monitor_than_a_line_is_cut() {
    let fixture = Fixture::new().await;
    let ssh = fixture.log_in().await;
    ssh.tcpip_forward("localhost", 20_000).await.unwrap();
    let monitor = ssh.channel_open_direct_tcpip("127.0.0.1", 20_000, "127.0.0.1", 1).await.unwrap();
    assert!(
        ssh.channel_open_direct_tcpip("127.0.0.1", 20_000, "127.0.0.1", 1).await.is_err(),
        "one at a time"
    );
    // It may be cut in the middle of it.
    let _ = monitor.data(&[b'x'; 64 * 1024][..]).await;
    until("it is cut", || ssh.is_closed()).await;
    fixture.ends_well().await;
}

/// More than a connection may have that the client has not closed.
const MANY: usize = 5_000;

impl Fixture {
    /// A session of a client that hands out what it is asked to open.
    async fn asked(&mut self) -> (Session, Handle<Asked>, mpsc::Receiver<ChannelOpenHandle>) {
        let (send, asked) = mpsc::channel(MANY);
        let (config, stream) = (Arc::new(Config::default()), self.connect().await);
        let mut ssh = connect_stream(config, stream, Asked(send)).await.unwrap();
        self.prove_key(&mut ssh).await;
        ssh.tcpip_forward("", u32::from(PORT)).await.unwrap();
        (self.cloud.session().await, ssh, asked)
    }
}

/// russh keeps a channel that is not confirmed for as long as the connection is there.
#[tokio::test]
async fn a_client_that_confirms_no_channel_is_cut() {
    let mut fixture = Fixture::new().await;
    let (session, _ssh, asked) = fixture.asked().await;
    for _ in 0..MANY {
        // Its caller gives up at once. It is sent all the same.
        let _ = session.open(loopback()).now_or_never();
        yield_now().await;
    }
    gone(&session).await;
    assert!((1..MANY).contains(&asked.len()), "{}", asked.len());
    let line = "channel limit reached: the client has to reconnect";
    assert_eq!(fixture.log.lines_with(&[line]).len(), 1);
    fixture.ends_well().await;
}

#[tokio::test]
async fn a_client_that_refuses_every_channel_keeps_its_connection() {
    let mut fixture = Fixture::new().await;
    let (session, _ssh, _) = fixture.asked().await;
    for _ in 0..MANY {
        assert_eq!(session.open(loopback()).await.err(), Some(OpenError::Refused));
    }
    fixture.ends_well().await;
}

impl Fixture {
    /// A client that repeats this over so many connections, each until it is cut, fills no disk: these lines about it are
    /// some each minute.
    async fn fills_no_disk(self, words: &[&str], count: usize, ask: impl AsyncFn(&Handle<Anyone>)) {
        for _ in 0..count {
            let ssh = self.log_in().await;
            let asking = async {
                while !ssh.is_closed() {
                    ask(&ssh).await
                }
            };
            timeout(LIMIT, asking).await.expect("it is not cut");
        }
        // This may take more than one minute, and not more than two.
        let lines = self.log.lines_with(words).len();
        assert!((1..=120).contains(&lines), "{lines} lines");
        self.ends_well().await;
    }
}

#[tokio::test]
async fn a_client_that_requests_its_own_port_again_and_again_fills_no_disk() {
    let own = async |ssh: &Handle<Anyone>| {
        let _ = ssh.tcpip_forward("", u32::from(PORT)).await;
    };
    Fixture::new().await.fills_no_disk(&["signer8443", "a session"], 2, own).await;
}

#[tokio::test]
async fn a_client_that_requests_a_monitor_again_and_again_fills_no_disk() {
    let monitor = async |ssh: &Handle<Anyone>| {
        let _ = ssh.tcpip_forward("localhost", 20_000).await;
        let _ = ssh.cancel_tcpip_forward("localhost", 20_000).await;
    };
    Fixture::new().await.fills_no_disk(&["taken for autossh's monitor"], 2, monitor).await;
}

#[tokio::test]
async fn a_client_that_connects_again_and_again_to_send_too_much_fills_no_disk() {
    let too_much = async |ssh: &Handle<Anyone>| {
        let _ = ssh.tcpip_forward("localhost", 20_000).await;
        let opening = ssh.channel_open_direct_tcpip("127.0.0.1", 20_000, "127.0.0.1", 1);
        if let Ok(monitor) = opening.await {
            let _ = monitor.data(&[b'x'; 64 * 1024][..]).await;
        }
    };
    Fixture::new().await.fills_no_disk(&["more came to autossh's monitor"], 130, too_much).await;
}
