//! HTTP on streams that are handed over: as on a port, and none of them holds up another.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use daemon::Shutdown;
use daemon::connections::{Limits, serve_streams};
use daemon::http::{Body, Http, HttpService};
use http_body_util::Full;
use hyper::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// On "/slow" it says that it began, and waits until it may go on.
#[derive(Clone, Default)]
struct Hello {
    began: Arc<Notify>,
    go_on: Arc<Notify>,
}

impl HttpService for Hello {
    type Reply = Full<Bytes>;

    async fn answer(&self, request: Request<Body>) -> Response<Full<Bytes>> {
        if request.uri().path() == "/slow" {
            self.began.notify_one();
            self.go_on.notified().await;
        }
        Response::new(Full::new(Bytes::from_static(b"hello")))
    }
}

struct Server {
    hand_over: mpsc::Sender<DuplexStream>,
    service: Hello,
    shutdown: Shutdown,
    serving: JoinSet<()>,
}

const MINUTE: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_secs(20);
const LAST_REQUEST: &str = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
const KEPT_ALIVE: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

impl Server {
    /// Four places, and a minute for everything.
    fn start() -> Server {
        let (mut server, streams) = Server::new();
        server.serve(streams);
        server
    }

    /// One that does not serve yet.
    fn new() -> (Server, mpsc::Receiver<DuplexStream>) {
        let (hand_over, streams) = mpsc::channel(4);
        let (service, shutdown) = (Hello::default(), Shutdown::new());
        (Server { hand_over, service, shutdown, serving: JoinSet::new() }, streams)
    }

    fn serve(&mut self, streams: mpsc::Receiver<DuplexStream>) {
        let limits = Limits {
            connections: 4,
            headers: MINUTE,
            body: MINUTE,
            write: MINUTE,
            grace: MINUTE,
            ..Limits::default()
        };
        let service = Arc::new(self.service.clone());
        self.serving.spawn(serve_streams(streams, limits, Http(service), self.shutdown.clone()));
    }

    /// A client of the server that has said this.
    async fn say(&self, text: &str) -> DuplexStream {
        let (mut near, far) = duplex(64 * 1024);
        near.write_all(text.as_bytes()).await.unwrap();
        self.hand_over.send(far).await.unwrap();
        near
    }

    async fn is_answered(&self) -> bool {
        let client = self.say(LAST_REQUEST).await;
        timeout(SOON, rest(client)).await.is_ok_and(|answer| answer.ends_with("hello"))
    }

    async fn stop(mut self) {
        self.shutdown.request();
        timeout(SOON, self.serving.join_next()).await.unwrap().unwrap().unwrap();
    }
}

/// All that comes until the other side closes.
async fn rest(mut client: DuplexStream) -> String {
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Returns when one answer is there.
async fn answer(client: &mut DuplexStream) {
    let mut seen = Vec::new();
    while !seen.ends_with(b"hello") {
        seen.push(client.read_u8().await.unwrap());
    }
}

#[tokio::test]
async fn a_stream_carries_one_request_after_the_other() {
    let server = Server::start();
    let mut client = server.say(KEPT_ALIVE).await;
    answer(&mut client).await;
    client.write_all(KEPT_ALIVE.as_bytes()).await.unwrap();
    answer(&mut client).await;
    server.stop().await;
    assert_eq!(rest(client).await, "");
}

#[tokio::test(start_paused = true)]
async fn idle_streams_make_room() {
    let server = Server::start();
    let mut idle = Vec::new();
    for _ in 0..12 {
        idle.push(server.say(KEPT_ALIVE).await);
    }
    assert!(server.is_answered().await);
    server.stop().await;
}

/// The header limit is a minute: it is the end of the stream that ends it.
#[tokio::test]
async fn a_stream_ends_with_its_peer() {
    let server = Server::start();
    let mut client = server.say("").await;
    client.shutdown().await.unwrap();
    assert_eq!(timeout(SOON, rest(client)).await.unwrap(), "");
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_and_never_reads_is_cut_and_others_are_answered() {
    let server = Server::start();
    let mut deaf = server.say("").await;
    let asked = KEPT_ALIVE.repeat(1000);
    let cut = timeout(SOON, async { while deaf.write_all(asked.as_bytes()).await.is_ok() {} });
    let (cut, answered) = tokio::join!(cut, server.is_answered());
    assert!(cut.is_ok() && answered);
    server.stop().await;
}

/// It may also send while the request before is still being answered.
#[tokio::test(start_paused = true)]
async fn a_client_that_sends_on_during_an_answer_is_cut_too() {
    let server = Server::start();
    let mut deaf = server.say("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    server.service.began.notified().await;
    let cut = timeout(SOON, async { while deaf.write_all(&[b'x'; 8192]).await.is_ok() {} });
    assert!(cut.await.is_ok());
    server.stop().await;
}

/// More requests than the pipe of a stream holds, and all of them there at once.
#[tokio::test(start_paused = true)]
async fn a_client_that_reads_is_not_cut() {
    let server = Server::start();
    let mut client = server.say("").await;
    let asked = KEPT_ALIVE.repeat(20_000) + LAST_REQUEST;
    let (mut reading, mut writing) = tokio::io::split(&mut client);
    let mut answers = String::new();
    let (sent, read) =
        tokio::join!(writing.write_all(asked.as_bytes()), reading.read_to_string(&mut answers));
    sent.unwrap();
    read.unwrap();
    assert_eq!(answers.matches("hello").count(), 20_001);
    server.stop().await;
}

#[tokio::test]
async fn a_stop_finishes_what_runs_and_takes_nothing_new() {
    let server = Server::start();
    let slow = "GET /slow HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let client = server.say(slow).await;
    server.service.began.notified().await;
    server.shutdown.request();
    server.hand_over.closed().await;
    assert!(server.hand_over.send(duplex(1).0).await.is_err());
    server.service.go_on.notify_one();
    assert!(rest(client).await.ends_with("hello"));
    server.stop().await;
}

/// Each round could do without the guard by chance; all of them together cannot.
#[tokio::test]
async fn a_stop_answers_who_was_handed_over_before_it() {
    for _ in 0..20 {
        let (mut server, streams) = Server::new();
        let mut clients = Vec::new();
        for _ in 0..4 {
            clients.push(server.say(LAST_REQUEST).await);
        }
        server.shutdown.request();
        server.serve(streams);
        for client in clients {
            assert!(rest(client).await.ends_with("hello"));
        }
        server.stop().await;
    }
}
