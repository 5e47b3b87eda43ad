//! The limits of a listener, with few places and long limits: what holds is not the clock's doing.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::future::pending;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use daemon::connections::{Limits, Listener};
use daemon::http::{Body, Http, HttpService};
use daemon::monitor::Monitor;
use daemon::report::Reporter;
use daemon::{Health, Shutdown};
use http_body_util::Full;
use hyper::{Request, Response};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinHandle, yield_now};

struct Hello;

impl HttpService for Hello {
    type Reply = Full<Bytes>;

    async fn answer(&self, _: Request<Body>) -> Response<Full<Bytes>> {
        Response::new(Full::new(Bytes::from_static(b"hello")))
    }
}

struct Server {
    address: SocketAddr,
    runtime: Runtime,
    shutdown: Shutdown,
    serving: Option<JoinHandle<()>>,
}

impl Server {
    /// Four places, and a minute for everything.
    fn start() -> Server {
        let (mut server, listener) = Server::new();
        server.serve(listener);
        server
    }

    /// One that listens, and does not serve yet.
    fn new() -> (Server, Listener) {
        let minute = Duration::from_secs(60);
        let limits = Limits {
            connections: 4,
            headers: minute,
            body: minute,
            write: minute,
            grace: minute,
            ..Limits::default()
        };
        Server::on(Runtime::new().unwrap(), limits)
    }

    /// One that runs only while its end, or [`Server::look_around`], is waited for.
    fn in_turns() -> (Server, Listener) {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        Server::on(runtime, Limits::default())
    }

    fn on(runtime: Runtime, limits: Limits) -> (Server, Listener) {
        let shutdown = Shutdown::new();
        let listener =
            runtime.block_on(Listener::bind("127.0.0.1:0".parse().unwrap(), limits)).unwrap();
        let address = listener.address().unwrap();
        (Server { address, runtime, shutdown, serving: None }, listener)
    }

    fn serve(&mut self, listener: Listener) {
        self.serve_with(Hello, listener);
    }

    fn serve_with(&mut self, service: impl HttpService, listener: Listener) {
        let serving = listener.serve(Http(Arc::new(service)), self.shutdown.clone());
        self.serving = Some(self.runtime.spawn(serving));
    }

    fn say(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream
    }

    /// Lets it take what has come.
    fn look_around(&self) {
        self.runtime.block_on(async {
            for _ in 0..10 {
                yield_now().await;
            }
        });
    }

    fn is_greeted(&self) -> bool {
        is_greeted(self.say(LAST_REQUEST))
    }

    fn stop(self) {
        self.shutdown.request();
        self.runtime.block_on(self.serving.unwrap()).unwrap();
    }
}

const LAST_REQUEST: &str = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

fn is_greeted(mut stream: TcpStream) -> bool {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).is_ok_and(|_| answer.ends_with("hello"))
}

/// Waits until the other side has closed.
fn is_closed(stream: &mut TcpStream) -> bool {
    stream.read_to_end(&mut Vec::new()).is_ok_and(|_| true)
}

#[test]
fn a_crowd_of_silent_clients_makes_room() {
    let server = Server::start();
    let crowd: Vec<TcpStream> = (0..12).map(|_| server.say("GET / HT")).collect();
    assert!(server.is_greeted());
    drop(crowd);
    server.stop();
}

/// Each has sent its headers, and some of its body. More of them come while the newcomer speaks.
#[test]
fn a_crowd_that_sends_slowly_does_not_throw_out_the_newcomer() {
    const SLOW: &str = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nslow";
    let server = Server::start();
    let mut crowd: Vec<TcpStream> = (0..4).map(|_| server.say(SLOW)).collect();
    let (first, rest) = LAST_REQUEST.split_at(10);
    let mut newcomer = server.say(first);
    crowd.extend((0..8).map(|_| server.say(SLOW)));
    // One of the first four has made room for it, a second after it came; the newcomer has its place for a second at least.
    assert!(is_closed(&mut crowd[0]));
    newcomer.write_all(rest.as_bytes()).unwrap();
    assert!(is_greeted(newcomer));
    drop(crowd);
    server.stop();
}

#[test]
fn idle_connections_make_room_too() {
    let server = Server::start();
    let kept_alive: Vec<TcpStream> =
        (0..12).map(|_| server.say("GET / HTTP/1.1\r\nhost: x\r\n\r\n")).collect();
    assert!(server.is_greeted());
    drop(kept_alive);
    server.stop();
}

/// Each waits for metrics that never come.
#[test]
fn a_crowd_that_asks_for_what_costs_time_does_not_keep_a_newcomer_out() {
    let limits = Limits { connections: 16, grace: Duration::ZERO, ..Limits::default() };
    let (mut server, listener) = Server::on(Runtime::new().unwrap(), limits);
    let reporter = Reporter::new("test", Health::default());
    let monitor = Monitor::new(Arc::default(), reporter, Health::default());
    server.serve_with(monitor.with_others(|_| pending()), listener);
    let asked = "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n";
    let crowd: Vec<TcpStream> = (0..16).map(|_| server.say(asked)).collect();
    let mut answer = String::new();
    server.say(&LAST_REQUEST.replace("/ ", "/livez ")).read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(crowd);
    server.stop();
}

/// Their header limit is a minute, and so is the grace period.
#[test]
fn a_stop_does_not_wait_for_what_is_no_request_yet() {
    let server = Server::start();
    let half = server.say("GET / HT");
    assert!(server.is_greeted());
    let (done, stopped) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || {
        server.stop();
        let _ = done.send(());
    });
    assert!(stopped.recv_timeout(Duration::from_secs(20)).is_ok(), "it waits");
    drop(half);
}

/// Each round could do without the guards by chance; all of them together cannot.
#[test]
fn a_stop_answers_who_has_connected_before_it() {
    for _ in 0..20 {
        let (mut server, listener) = Server::new();
        let clients: Vec<TcpStream> = (0..4).map(|_| server.say(LAST_REQUEST)).collect();
        server.shutdown.request();
        server.serve(listener);
        assert!(clients.into_iter().all(is_greeted));
        server.stop();
    }
}

/// The system knows of the connection, and the runtime does not.
#[test]
fn a_stop_answers_who_has_connected_before_the_runtime_hears_of_it() {
    let (mut server, listener) = Server::in_turns();
    let client = server.say(LAST_REQUEST);
    server.shutdown.request();
    server.serve(listener);
    server.stop();
    assert!(is_greeted(client));
}

/// Its request comes while the processor is elsewhere, for longer than what is no request is waited for. Each round could
/// do without the guard by chance; all of them together cannot.
#[test]
fn a_stop_answers_what_has_come_while_this_program_did_not_run() {
    for _ in 0..10 {
        let (mut server, listener) = Server::in_turns();
        server.serve(listener);
        let mut client = server.say("");
        server.look_around();
        server.shutdown.request();
        server.look_around();
        client.write_all(LAST_REQUEST.as_bytes()).unwrap();
        std::thread::sleep(Duration::from_millis(500));
        server.stop();
        assert!(is_greeted(client));
    }
}
